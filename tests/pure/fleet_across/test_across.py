"""What two nodes of a fleet may not both have is told, at the place where somebody wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from intent.fleet import across
from intent.fleet.repository import read_fleet
from tests.intents import PUBLIC_KEYS

FLEET = """\
version: 1
fleet: example
variables:
  number: {type: integer}
defaults:
  mesh:
    interfaces: [{name: mesh0, type: wired}]
    uplinks: [wan]
"""
NODE = """\
variables: {{number: {number}}}
public: {{keys: {{links: "{key}"}}, host: "{host}"}}
links:
  private_key: {{file: /etc/keys/links}}
  peers: [{{node: far, public_key: "{far}", listen_port: {port}}}]
addresses:
  - {{interface: mesh0, addresses: ["{address}/128"]}}
exit:
  prefixes: [{{prefix: "{prefix}", via: {{interface: wan}}, shared: {shared}}}]
"""
FIRST = {
    "number": 1, "key": PUBLIC_KEYS[0], "far": PUBLIC_KEYS[2], "host": "192.0.2.1", "port": 51901,
    "address": "fd00::1", "prefix": "2a00:1::/48", "shared": "false",
}  # fmt: skip
SECOND = {
    "number": 2, "key": PUBLIC_KEYS[1], "far": PUBLIC_KEYS[2], "host": "192.0.2.2", "port": 51902,
    "address": "fd00::2", "prefix": "2a00:2::/48", "shared": "false",
}  # fmt: skip


def told(folder: Path, first: dict[str, object], second: dict[str, object]) -> list[str]:
    (folder / "nodes").mkdir()
    (folder / "fleet.yaml").write_text(FLEET)
    for name, values in (("a", first), ("b", second)):
        (folder / "nodes" / f"{name}.yaml").write_text(NODE.format(**values))
    fleet = read_fleet(str(folder))
    facts = {name: across.facts(fleet.render(name)) for name in fleet.nodes}
    assert {name: across.from_json(across.to_json(those)) for name, those in facts.items()} == facts
    found = across.check(facts)
    assert all(problem.file.endswith("nodes/b.yaml") and problem.line for problem in found)
    return [problem.message for problem in found]


def test_nodes_that_have_nothing_in_common_are_right(tmp_path: Path) -> None:
    assert told(tmp_path, FIRST, SECOND) == []


@pytest.mark.parametrize(
    ("same", "words"),
    [
        (("key",), "the public key that node a has"),
        (("address",), "the address fd00::1 that node a has"),
        (("host", "port"), "the UDP port at 192.0.2.1 51901 that node a has"),
        (("prefix",), "the exit prefix `2a00:1::/48` of node b is also that of node a"),
    ],
)
def test_what_both_have_is_told_once(tmp_path: Path, same: tuple[str, ...], words: str) -> None:
    (message,) = told(tmp_path, FIRST, {**SECOND, **{name: FIRST[name] for name in same}})
    assert words in message
    assert "nodes/a.yaml:" in message
    assert str(PUBLIC_KEYS[0]) not in message


def test_a_prefix_inside_another_nodes_is_told(tmp_path: Path) -> None:
    (message,) = told(tmp_path, FIRST, {**SECOND, "prefix": "2a00:1:0:100::/56"})
    assert "overlaps `2a00:1::/48`" in message


@pytest.mark.parametrize(("first", "second", "right"), [("true", "true", True), ("true", "false", False)])
def test_a_prefix_is_shared_where_both_say_so(tmp_path: Path, first: str, second: str, right: bool) -> None:
    found = told(tmp_path, {**FIRST, "shared": first}, {**SECOND, "prefix": FIRST["prefix"], "shared": second})
    assert (found == []) is right


def test_the_same_port_at_another_host_is_right(tmp_path: Path) -> None:
    assert told(tmp_path, FIRST, {**SECOND, "port": FIRST["port"]}) == []
