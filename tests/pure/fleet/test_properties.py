"""What holds of every fleet: merging with nothing, the text's meaning, and that nothing breaks in another way."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intent.digest import digest
from intent.fleet.repository import read_fleet_from
from intent.loading import loads
from intent.problems import IntentError

EXAMPLES = sorted(Path("examples").glob("*.yaml"))
HEAD = b"version: 1\nfleet: example\n"
WORDS = """mesh: wireguard: addresses: stats: variables: defaults: links: groups: roles: public: version: node: exit:
    prefixes: interfaces: peers: name: public_key: interface: {$remove: true} $replace: $add: [ ] { } , - & * ! | "
    ' ${ ${node} ${address(p,1)} $${ ${p} p: {type: prefix} 7 true null fd00::1/64 a b &x *x << # : ~ 1e999"""
PIECES = st.sampled_from(WORDS.split())
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from([" ", "\n", "\n  ", "\n    ", "\n- "])), max_size=25).map(
    lambda parts: "".join(piece + gap for piece, gap in parts).encode()
)


def own(text: str) -> str:
    """Return a node file as a fleet has it: without `version` and `node`."""
    return "".join(line for line in text.splitlines(True) if not line.startswith(("version:", "node:")))


def test_a_node_with_only_its_own_file_means_what_the_file_means() -> None:
    assert EXAMPLES
    for example in EXAMPLES:
        text = example.read_text()
        alone = loads(text, "x")
        files = {"fleet.yaml": HEAD, f"nodes/{alone.name}.yaml": own(text).encode(), "groups/g.yaml": b"# nothing\n"}
        rendered = read_fleet_from(files, "").render(alone.name)
        assert digest(rendered.node) == digest(alone), example
        assert digest(loads(rendered.text, "x")) == digest(alone), example
        grouped = {**files, f"nodes/{alone.name}.yaml": own(text).encode() + b"\ngroups: [g]\n"}
        assert digest(read_fleet_from(grouped, "").render(alone.name).node) == digest(alone)


def test_it_does_not_matter_in_which_file_all_of_a_node_stands() -> None:
    for example in EXAMPLES:
        text = example.read_text()
        alone = loads(text, "x")
        node = f"nodes/{alone.name}.yaml"
        role = {"fleet.yaml": HEAD, "roles/r.yaml": own(text).encode(), node: b"roles: [r]"}
        lines = "".join(f"  {line}" for line in own(text).splitlines(True))
        defaults = {"fleet.yaml": HEAD + b"defaults:\n" + lines.encode(), node: b""}
        texts = {read_fleet_from(files, "").render(alone.name).text.partition("\n")[2] for files in (role, defaults)}
        assert len(texts) == 1
        assert digest(loads(texts.pop(), "x")) == digest(alone)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shared=TEXTS, group=TEXTS, node=TEXTS)
def test_nothing_but_an_intent_error_comes_of_any_text(shared: bytes, group: bytes, node: bytes) -> None:
    files = {
        "fleet.yaml": HEAD + b'variables: {p: {type: prefix, default: "fd00::/48"}}\n' + shared,
        "groups/g.yaml": group,
        "nodes/a.yaml": b"groups: [g]\n" + node,
        "nodes/b.yaml": node,
    }
    said: list[str] = []
    try:
        fleet = read_fleet_from(files, "")
    except IntentError as exc:
        said.append(str(exc))
        files["fleet.yaml"] = HEAD + b'variables: {p: {type: prefix, default: "fd00::/48"}}\n'
        try:
            fleet = read_fleet_from(files, "")
        except IntentError as again:
            assert all((*said, str(again)))  # noqa: PT017 - either may come
            return
    for name in fleet.nodes:
        try:
            rendered = fleet.render(name)
        except IntentError as exc:
            said.append(str(exc))
            continue
        assert digest(loads(rendered.text, "x")) == digest(rendered.node)
        assert rendered.explained
    assert all(said)
