"""The firewall of a whole node: applied, kept by the daemon, in nobody's way, and removed."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Host, host, until
from tests.kernel.daemon.running import Programs, programs

MESH = """
version: 1
node: exit-1
mesh:
  prefixes: ["fd00:6d65:7368::/48"]
  uplinks: [wan]
  interfaces: [{name: mesh0, type: wired}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf, restart_command: [$folder/restart-babeld]}
exit:
  allow_special_purpose: true
  prefixes:
    - {prefix: "2001:db8:42::/56", via: {interface: wan, gateway: "2001:db8:1::1"}}
    - {prefix: "fd00:1::/48", via: {interface: wan, gateway: "2001:db8:1::1"}}
"""
FIREWALL = MESH + "firewall: {}\n"
TRANSLATE = 'translate: [{from: "fd00:1::/48", to: "2001:db8:5::/48", out: wan}]'
MASQUERADE = 'masquerade: [{from: "fd00:2::/48", out: wan}]'
PARTS = ["anti_spoofing: false", "clamp_mss: false", TRANSLATE, MASQUERADE]
CHOICES = [list(chosen) for number in range(len(PARTS) + 1) for chosen in itertools.combinations(PARTS, number)]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Host]:
    with host(tmp_path) as made:
        yield made


@pytest.fixture
def start(node: Host) -> Iterator[Programs]:
    with programs(node) as made:
        yield made


def ruleset(node: Host) -> str:
    return node.namespace.program("nft", "list", "ruleset")


def apply(node: Host, text: str) -> None:
    done = node.apply(node.node_file(text))
    assert done.code == 0, done.out + done.err


def operations(node: Host) -> list[dict[str, object]]:
    found: list[dict[str, object]] = node.plan(node.folder / "node.yaml")["operations"]
    return found


def test_what_is_applied_leaves_nothing_to_plan_whatever_is_chosen(node: Host) -> None:
    for chosen in CHOICES:
        apply(node, f"{MESH}firewall: {{{', '.join(chosen)}}}\n")
        assert operations(node) == []
        assert ("spoofed_out" in ruleset(node)) is ("anti_spoofing: false" not in chosen)
    apply(node, MESH)
    assert operations(node) == []
    assert ruleset(node) == ""


def test_the_table_is_there_before_the_node_forwards_and_goes_after(node: Host) -> None:
    file = node.node_file(FIREWALL)
    made = [step["key"][0] for step in node.plan(file)["operations"] if step["key"][0] in ("nftables", "sysctl")]
    assert made.index("nftables") < len(made) - 1
    assert made[-1] == "sysctl"
    apply(node, FIREWALL)
    gone = node.apply(node.node_file("version: 1\nnode: exit-1\naddresses: []\n"), "--allow-deletes")
    assert gone.out.index("- sysctl net/ipv6/conf/all/forwarding") < gone.out.index("- nftables table")
    assert ruleset(node) == ""


def test_a_table_of_that_name_that_is_not_ours_is_a_conflict_and_stays(node: Host) -> None:
    node.namespace.program("nft", "add table inet stellwerk; add chain inet stellwerk mine")
    before = ruleset(node)
    done = node.apply(node.node_file(FIREWALL))
    assert done.code == 4
    assert "nftables inet stellwerk" in done.out + done.err
    assert "not ours" in done.out + done.err
    assert ruleset(node) == before


def test_what_differs_is_shown_in_the_words_of_nft(node: Host) -> None:
    apply(node, FIREWALL)
    node.namespace.program("nft", "insert rule inet stellwerk leaving tcp dport 22 accept")
    said = node.stellwerk("plan", node.folder / "node.yaml", *node.state())
    assert said.code == 2
    assert "~ nftables table inet stellwerk" in said.out
    assert "iifname @mesh oifname wan ip6 saddr != @exit_wan counter name spoofed_out reject" in said.out


def test_the_tables_of_others_are_left_alone(node: Host) -> None:
    node.namespace.program("nft", "table inet theirs { chain a { type filter hook forward priority 0; }; }")
    before = ruleset(node)
    apply(node, FIREWALL)
    assert before in ruleset(node)
    apply(node, MESH)
    assert ruleset(node) == before


def test_without_nft_nothing_is_changed_and_it_is_said_what_to_install(
    node: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.backends.nftables.shutil.which", lambda *_, **__: None)
    done = node.apply(node.node_file(FIREWALL))
    assert done.code != 0
    assert "install it (the package nftables)" in done.out + done.err
    assert node.namespace.ip("-6", "rule", "show").count("lookup 10") == 0


def test_the_daemon_repairs_at_the_event(node: Host, start: Programs) -> None:
    daemon = start.synced(node.node_file(FIREWALL))
    whole = ruleset(node)
    for deed in (
        "insert rule inet stellwerk leaving accept",
        "flush chain inet stellwerk entering",
        "flush ruleset",
        "delete table inet stellwerk",
        "add element inet stellwerk exit_wan { 2001:db8:66::/48 }",
        'add table inet stellwerk { comment "x"; }; add counter inet stellwerk mine',
    ):
        node.namespace.program("nft", deed)
        until(lambda: ruleset(node) == whole, f"the repair of {deed}")
    daemon.until_synced()


def test_counters_can_be_read(node: Host) -> None:
    apply(node, FIREWALL)
    listing = json.loads(node.namespace.program("nft", "-j", "list", "counters", "table", "inet", "stellwerk"))
    counters = [one["counter"] for one in listing["nftables"] if "counter" in one]
    assert {one["name"]: one["packets"] for one in counters} == {"spoofed_in": 0, "spoofed_out": 0}
