"""Audits of a real kernel with a real babeld and wireguard-go: each thing that somebody does to the node is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from intent.loading import load
from reconciler.core.audit import NodeAudit, Severity, State
from reconciler.services.auditing import audited
from reconciler.services.snapshots import take
from reconciler.services.this_node import this_node
from tests.host import Host, until

PEER = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
STRANGER = "hN2jW7fZ8mVXuQ5cT1rY9oP3kLsD6aEiG4bHnM0xJyU="
EXIT = """
version: 1
node: exit-1
mesh:
  table: 10
  prefixes: ["fd00:6d65::/48"]
  uplinks: [wan]
  interfaces: [{name: mesh0, type: wired}, {name: wg-audit, type: tunnel, rxcost: 300}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf, restart_command: [$folder/restart-babeld]}
addresses: [{interface: mesh0, addresses: ["fd00:6d65::1/64"]}]
wireguard:
  - name: wg-audit
    private_key: {file: $folder/keys/wg, generate: true}
    implementation: userspace
    listen_port: 51820
    addresses: ["fe80::1/64"]
    peers: [{public_key: "PEER", endpoint: "[2001:db8:1::9]:51820", allowed_ips: ["::/0"]}]
exit:
  allow_special_purpose: true
  prefixes: [{prefix: "2001:db8:42::/56", via: {interface: wan, gateway: "fe80::1"}}]
firewall: {}
""".replace("PEER", PEER)


def audit(node: Host, file: Path, how: str = "--live") -> tuple[int, dict[str, Any]]:
    """Return the exit code of an audit and what it says of the node."""
    said = node.stellwerk("audit", file, *how.split(), "--format", "json", *node.state())
    assert said.out, said.err
    (found,) = json.loads(said.out)["nodes"]
    return said.code, found


def rules(found: dict[str, Any]) -> dict[str, str]:
    """Return the rules of the findings but notes, with their severity."""
    return {one["rule"]: one["severity"] for one in found["findings"] if one["severity"] != "note"}


def test_what_somebody_does_is_found_live_and_by_a_snapshot(node: Host) -> None:
    file = node.node_file(EXIT)
    node.start_neighbour()
    done = node.apply(file)
    assert done.code == 0, done.out + done.err
    code, found = audit(node, file)
    assert (code, rules(found), found["unseen"]) == (0, {}, []), found
    assert found["exits"] == [{"announced": True, "prefix": "2001:db8:42::/56"}]

    key = node.folder / "keys" / "wg"
    route = ("-6", "route", "add", "default", "via", "fe80::66", "dev", "wan", "table", "10")
    rule = ("-6", "rule", "add", "iif", "mesh0", "priority", "500", "table", "main")
    deeds = (
        ("default-without-from", "critical", ("ip", *route)),
        ("foreign-route", "major", ("ip", "-6", "route", "add", "2001:db8:66::/48", "dev", "wan", "table", "10")),
        ("unknown-peer", "critical", ("wg", "set", "wg-audit", "peer", STRANGER, "allowed-ips", "fd00::66/128")),
        (
            "rule-before-ours",
            "critical",
            ("ip", *rule),
        ),
        ("readable-key", "critical", ("chmod", "644", str(key))),
        ("forwarding-off", "major", ("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")),
        ("firewall-changed", "critical", ("nft", "flush", "chain", "inet", "stellwerk", "entering")),
        ("fence-missing", "critical", ("ip", "-6", "rule", "delete", "priority", "1001", "iif", "mesh0")),
        ("changed", "major", ("ip", "link", "set", "wg-audit", "mtu", "1300")),
    )
    expected = {}
    for name, severity, words in deeds:
        node.namespace.program(*words)
        expected[name] = severity
        code, found = audit(node, file)
        assert code == 2
        assert rules(found).items() >= expected.items(), f"{words}: {found}"
    assert set(rules(found)) == set(expected)

    before = node.namespace.ip("-6", "route", "show", "table", "all"), node.namespace.ip("-6", "rule")
    snapshot = node.folder / "snapshot.json"
    assert node.stellwerk("snapshot", "--out", snapshot, *node.state()).code == 0
    assert audit(node, file, f"--snapshot {snapshot}")[1]["findings"] == found["findings"]
    assert key.read_text().strip() not in snapshot.read_text()
    assert (node.namespace.ip("-6", "route", "show", "table", "all"), node.namespace.ip("-6", "rule")) == before


def test_a_default_that_the_neighbour_announces_is_refused_and_noted(node: Host) -> None:
    file = node.node_file(EXIT.replace("firewall: {}\n", ""))
    node.neighbour.ip("-6", "route", "add", "default", "dev", "wan", "proto", "static")
    node.start_neighbour("-C", "redistribute proto 4")
    assert node.apply(file).code == 0

    def offenders() -> list[str]:
        found = audit(node, file)[1]["findings"]
        return [one["severity"] for one in found if one["rule"] == "default-without-from"]

    until(lambda: offenders() == ["note"], "the neighbour's default route")
    assert audit(node, file)[0] == 0


def test_babeld_redistributes_what_nobody_asked_for(node: Host) -> None:
    file = node.node_file(EXIT.replace("firewall: {}\n", ""))
    assert node.apply(file).code == 0
    other = node.folder / "other.conf"
    other.write_text("redistribute ip 2001:db8:66::/48 proto 4 metric 100\n")
    command = node.restart.read_text().replace(f"-c {node.configuration}", f"-c {other} -c {node.configuration}")
    node.restart.write_text(command)
    node.namespace.program(str(node.restart))
    node.namespace.ip("-6", "route", "add", "2001:db8:66::/48", "dev", "wan", "table", "10", "proto", "static")
    until(lambda: "foreign-announcement" in rules(audit(node, file)[1]), "the announcement")


def test_without_rights_the_rest_is_seen_and_what_is_not_is_told(node: Host) -> None:
    file = node.node_file(EXIT)
    assert node.apply(file).code == 0
    intent = load(str(file))

    def seen() -> NodeAudit:
        with this_node(node.folder / "state") as here:
            return audited(intent, take(here, 0.0, intent), "live")

    found: NodeAudit = node.namespace.run_without_rights(seen)
    assert found.state is State.UNKNOWN
    words = "\n".join(found.unseen)
    for what in ("keys/wg", "state folder", "wireguard", "nftables"):
        assert what in words, words
    assert [one for one in found.findings if one.severity is not Severity.NOTE] == []
    node.namespace.ip("-6", "rule", "delete", "priority", "1001", "iif", "mesh0")
    worse: NodeAudit = node.namespace.run_without_rights(seen)
    assert {one.rule for one in worse.findings if one.severity is Severity.CRITICAL} == {"fence-missing"}
