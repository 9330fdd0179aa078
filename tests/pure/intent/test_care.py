"""What a node file says about the way to its objects."""

import json

import pytest
from hypothesis import given
from pydantic_core import PydanticCustomError

from intent.care import Care, care
from intent.checks import BabelNeighbours, Check, Ping, Program, TcpPort, WireGuardHandshake
from intent.durations import Duration, spelled
from intent.expansion import expand
from intent.loading import loads
from tests.intents import careful_node_files
from tests.pure.intent.conftest import resolved

KEY = "i25O2JPaHsW9Oo7BmgwWSllxMUjTDBlUIFCJ708K/hc="
NODE = f"""\
version: 1
node: berlin-7
mesh:
  babeld: {{socket: "[::1]:33123"}}
  interfaces: [{{name: mesh0}}]
wireguard: [{{name: wg-mesh, private_key: {{file: /k}}, peers: [{{public_key: "{KEY}"}}]}}]
links:
  private_key: {{file: /l}}
  peers: [{{node: kiel-2, public_key: "{KEY}", listen_port: 51901}}]
checks:
"""


def said(text: str) -> Care:
    return care(loads(f"version: 1\nnode: berlin-7\n{text}".encode(), "node.yaml"))


def only_check(item: str) -> Check:
    (found,) = care(loads(f"{NODE}  - {item}\n".encode(), "node.yaml")).checks
    return found


CHECKS: list[tuple[str, Check, str]] = [
    ('{ping: "2001:DB8:0::1"}', Ping(address="2001:db8::1"), "ping 2001:db8::1"),
    ("{ping: 192.0.2.1}", Ping(address="192.0.2.1"), "ping 192.0.2.1"),
    (
        "{ping: fe80::1, interface: mesh0, timeout: 1m}",
        Ping(address="fe80::1", interface="mesh0", timeout_seconds=60),
        "ping fe80::1 dev mesh0",
    ),
    ("{babel_neighbours: 2}", BabelNeighbours(socket="[::1]:33123", count=2), "babel neighbours 2"),
    (
        "{babel_neighbours: 1, interface: mesh0}",
        BabelNeighbours(socket="[::1]:33123", count=1, interface="mesh0"),
        "babel neighbours 1 dev mesh0",
    ),
    (
        "{wireguard_handshake: wg-mesh}",
        WireGuardHandshake(interface="wg-mesh", not_older_than_seconds=180),
        "wireguard handshake wg-mesh not older than 3m",
    ),
    (
        f"{{wireguard_handshake: sw-abcdefghijkl, not_older_than: 90s, peer: {KEY}}}",
        WireGuardHandshake(interface="sw-abcdefghijkl", not_older_than_seconds=90, peer=KEY),
        f"wireguard handshake sw-abcdefghijkl peer {KEY} not older than 1m30s",
    ),
    ('{tcp: "[2001:db8::1]:443"}', TcpPort(host="2001:db8::1", port=443), "tcp [2001:db8::1]:443"),
    ("{tcp: GW.example.org:22}", TcpPort(host="gw.example.org", port=22), "tcp gw.example.org:22"),
    ('{program: [/bin/is-well, "a b"]}', Program(command=("/bin/is-well", "a b")), "program /bin/is-well 'a b'"),
]


@pytest.mark.parametrize(("item", "value", "line"), CHECKS, ids=[line for *_, line in CHECKS])
def test_a_check_has_all_it_takes_and_a_line_for_people(item: str, value: Check, line: str) -> None:
    assert only_check(item) == value
    assert value.describe() == line


def test_a_check_is_one_line_whatever_its_words_are() -> None:
    line = Program(command=("/bin/is-well", "\x1b[2J\n" * 100)).describe()
    assert line.isprintable()
    assert len(line) < 80


def test_a_file_that_says_nothing_gets_the_defaults() -> None:
    assert said("") == Care(confirm_seconds=None, checks=(), largest_deleted_share=0.5)


def test_checks_alone_make_a_change_need_confirmation() -> None:
    assert said('checks: [{ping: "2001:db8::1"}]').confirm_seconds == 60
    assert said("checks: []").confirm_seconds is None
    assert said('confirm: 2m\nchecks: [{ping: "2001:db8::1"}]').confirm_seconds == 120
    assert said("confirm: 1h").confirm_seconds == 3600


def test_the_share_of_deletions() -> None:
    assert said("guards: {deletes: 20%}").largest_deleted_share == 0.2
    assert said("guards: {deletes: 100%}").largest_deleted_share == 1.0
    assert said("guards: {}").largest_deleted_share == 0.5


def test_it_is_about_the_way_to_the_objects_and_makes_none() -> None:
    node = loads(b"version: 1\nnode: x\nconfirm: 60s\nguards: {deletes: 1%}\nchecks: [{ping: 192.0.2.1}]\n", "f")
    assert not expand(node, resolved(node))


@given(careful_node_files())
def test_whatever_else_a_node_has_its_care_is_what_the_file_says(text: str) -> None:
    written = json.loads(text)
    found = care(loads(text.replace("$folder", "/run/test").encode(), "f"))
    assert len(found.checks) == len(written.get("checks", []))
    assert (found.confirm_seconds is None) == ("confirm" not in written and not found.checks)
    assert (found.largest_deleted_share == 1.0) == ("guards" in written)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1m30s", 90), ("2m", 120), ("1h", 3600), ("1h0m1s", 3601), ("007s", 7)]
)
def test_times(text: str, seconds: int) -> None:
    assert Duration(1, 86400).check(text) == seconds
    assert Duration(1, 86400).check(spelled(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "s", "1", "1.5m", "30s1m", "1 m", "1M", "-1s", "1d", "١s", "9999999999s", "1s\n"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        Duration(1, 86400).check(text)
