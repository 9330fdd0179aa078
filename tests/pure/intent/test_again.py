"""A node file that is read again is read as for the first time, and what has not changed is the same object."""

from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intent import runs
from intent.document import Node
from intent.expansion import Expansion, expand, references
from intent.features.exit import Exit
from intent.loading import loads
from intent.problems import IntentError
from intent.references import HostAddress, PresharedKeyFile, Reference, References
from intent.resources.resource import Key, Resource
from intent.resources.wireguard_names import key_text
from intent.secrets import PresharedKey
from intent.splice import common_ends, shared
from tests.pure.intent.conftest import resolved
from tests.pure.intent.test_runs import texts

HEAD = "version: 1\nnode: a\nmesh: {}\nroutes:\n"
PREFIXES = [f"2001:db8:{number:x}::/48" for number in range(1, 9)]


def node(*items: str, head: str = HEAD) -> Node:
    return loads((head + "".join(f"  - {item}\n" for item in items)).encode(), "f")


def expanded(wanted: Node, before: Expansion | None = None) -> Expansion:
    return expand(wanted, resolved(wanted), before)


def whole(resource: Resource) -> tuple[Any, ...]:
    """Return all fields of an object, also those that are not compared."""
    assert is_dataclass(resource)
    return (type(resource), *(getattr(resource, field.name) for field in fields(resource)))


def check(after: Expansion, before: Expansion, fresh: Expansion) -> None:
    """Check that an expansion is like a fresh one, and has the objects of before wherever it has equal ones."""
    assert list(after.by_key) == list(fresh.by_key)
    assert list(map(whole, after)) == list(map(whole, fresh))
    for key, resource in after.by_key.items():
        earlier = before.by_key.get(key)
        if earlier is not None and whole(earlier) == whole(resource):
            assert resource is earlier


def outcome(text: str, before: Node | None = None) -> tuple[Node | None, str]:
    try:
        found = loads(text.encode(), "f", before)
    except IntentError as error:
        return None, str(error)
    return found, repr(found)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(texts(), min_size=2, max_size=4))
def test_every_version_of_a_file_is_read_as_if_it_were_the_first(
    monkeypatch: pytest.MonkeyPatch, given: list[str]
) -> None:
    monkeypatch.setattr(runs, "FEWEST", 2)
    before: Node | None = None
    expansion = Expansion()
    for text in given:
        fresh, said = outcome(text)
        again, said_again = outcome(text, before)
        assert said_again == said
        assert again == fresh
        if again is not None and fresh is not None:
            after = expanded(again, expansion)
            check(after, expansion, expanded(fresh))
            before, expansion = again, after


prefixes = st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=6, unique=True)
items = st.builds(
    lambda side, prefixes, metric, rest: f"{{{side}: [{', '.join(map(repr, prefixes))}], metric: {metric}, {rest}}}",
    st.sampled_from(["from", "to"]),
    prefixes,
    st.integers(1, 3),
    st.sampled_from(["kind: throw", "via: {interface: wan}", "via: {interface: lan, gateway: 'fe80::1'}"]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(items, max_size=4), min_size=2, max_size=4))
def test_objects_that_stay_are_the_very_same(versions: list[list[str]]) -> None:
    before = Expansion()
    for version in versions:
        try:
            wanted = node(*version)
        except IntentError:
            continue
        after = expanded(wanted, before)
        check(after, before, expanded(wanted))
        before = after


def test_one_changed_prefix_is_one_new_object() -> None:
    listed = "{{kind: throw, from: [{}]}}"
    before = expanded(node(listed.format(", ".join(map(repr, PREFIXES)))))
    after = expanded(node(listed.format(", ".join(map(repr, [*PREFIXES[:4], "fd00::/8", *PREFIXES[5:]])))), before)
    new = [resource.describe() for resource in after if not any(resource is one for one in before)]
    assert new == ["route throw default from fd00::/8 table 10 proto stellwerk-held"]


def test_a_changed_field_that_is_not_compared_is_another_object() -> None:
    text = (
        "wireguard:\n  - name: wg0\n    private_key: {{file: /k}}\n    peers: [{{public_key: {}, endpoint: '{}:1'}}]\n"
    )
    head = "version: 1\nnode: a\n"
    before, after = (
        loads((head + text.format(public_key(1), name)).encode(), "f") for name in ("a.example.org", "b.example.org")
    )
    first = expanded(before)
    check(expanded(after, first), first, expanded(after))


PEERS = """version: 1
node: a
wireguard:
  - name: wg0
    private_key: {file: /k}
    peers:
"""
PEER = '      - {{public_key: "{}", allowed_ips: [{}]{}}}\n'
ALLOWED = ("10.{}.0.0/16", '"fd00:{}::/32"', '"2001:DB8:0:{}::/64"', "192.0.2.{}")
RESTS = (
    "",
    ", preshared_key: {file: /psk}",
    ", endpoint: gw.example.org:1",
    ', endpoint: "192.0.2.9:1"',
    ', endpoint: "[::ffff:192.0.2.9]:1", persistent_keepalive: 25',
    ", endpoint: gone.invalid:1, preshared_key: {file: /other}",
)
peers = st.dictionaries(
    st.integers(1, 6),
    st.tuples(st.lists(st.sampled_from(ALLOWED), max_size=2, unique=True), st.sampled_from(RESTS)),
    max_size=5,
)


def public_key(number: int) -> str:
    return key_text(bytes([number] * 32))


def with_peers(listed: dict[int, tuple[list[str], str]]) -> Node:
    lines = [
        PEER.format(public_key(number), ", ".join(prefix.format(number) for prefix in prefixes), rest)
        for number, (prefixes, rest) in listed.items()
    ]
    return loads((PEERS + "".join(lines or ["      []\n"])).encode(), "f")


@settings(max_examples=200, deadline=None)
@given(st.lists(peers, min_size=2, max_size=4))
def test_peers_that_stay_are_the_very_same(versions: list[dict[int, tuple[list[str], str]]]) -> None:
    before = Expansion()
    for version in versions:
        wanted = with_peers(version)
        after = expanded(wanted, before)
        check(after, before, expanded(wanted))
        before = after


@pytest.mark.parametrize(
    ("reference", "value", "number"),
    [(HostAddress("gw.example.org"), (), 3), (PresharedKeyFile("/psk"), PresharedKey(b"p" * 32), 2)],
)
def test_a_peer_is_a_new_one_where_what_it_refers_to_has_changed(
    reference: Reference[Any], value: object, number: int
) -> None:
    wanted = with_peers({number: ([], rest) for number, rest in enumerate(RESTS, 1)})
    known = {one: resolved(wanted)[one] for one in references(wanted)}
    before = expand(wanted, References(known))
    now = References({**known, reference: value})
    after = expand(wanted, now, before)
    check(after, before, expand(wanted, now))
    new = [one.key for one in after if one is not before.by_key[one.key]]
    assert new == [Key("wireguard peer", ("wg0", public_key(number)))]


def test_a_route_that_is_also_an_exits_is_refused() -> None:
    exit_head = HEAD.replace("routes:", 'exit: {prefixes: [{prefix: "2a00:1::/48", via: {interface: wan}}]}\nroutes:')
    for sources in ('"2a00:1::/48"', '["2a00:2::/48", "2a00:1::/48"]'):
        wanted = node(f"{{from: {sources}, via: {{interface: wan}}, metric: 512}}", head=exit_head)
        assert wanted.get(Exit)
        with pytest.raises(IntentError, match="both `exit` and `routes` ask for route 10 ::/0 2a00:1::/48 512"):
            expanded(wanted)


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abcd")))
def test_what_two_lists_have_in_common(old: list[str], new: list[str]) -> None:
    start, end = common_ends(old, new)
    assert old[:start] == new[:start]
    assert old[len(old) - end :] == new[len(new) - end :]
    assert start + end <= min(len(old), len(new))
    rest = old[start : len(old) - end], new[start : len(new) - end]
    assert not all(rest) or (rest[0][0] != rest[1][0] and rest[0][-1] != rest[1][-1])
    copy = list(new)
    shared(old, copy)
    assert copy == new


def test_equal_texts_are_kept_once() -> None:
    old, new = (["".join(("te", "xt")) + str(number) for number in range(5)] for _ in range(2))
    del new[2]
    new.reverse()
    shared(old, new)
    assert all(any(text is one for one in old) for text in new)
