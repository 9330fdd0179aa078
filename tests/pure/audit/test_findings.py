"""What an audit says of a node that somebody has touched, by what it means; the same live and by a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from intent.resources.babel_interface import AddBabelInterface
from intent.resources.nftables_table import ChangeNftables
from intent.resources.route import Route
from intent.resources.rule import Rule
from intent.resources.sysctl import WriteSysctl
from intent.resources.wireguard_requests import SetPeer
from tests.pure.audit.conftest import EXAMPLE, Auditor
from tests.pure.docs.markdown import ROOT

STRANGER = "hN2jW7fZ8mVXuQ5cT1rY9oP3kLsD6aEiG4bHnM0xJyU="
GATEWAY = "BdDiIJ45rtga5ESy6RwrFte8+b+vBgLLZ6JudY+RSR8="
SOCKET = "/run/babeld.sock"


def test_a_node_as_it_should_be(auditor: Auditor) -> None:
    auditor.apply()
    audit = auditor.live()
    assert (audit.code, audit.nodes[0]["state"]) == (0, "in sync")
    assert audit.rules() == set()
    assert audit.nodes[0]["unmanaged"] == {"link": 2}
    (link,) = audit.nodes[0]["links"]
    assert (link["to"], link["works"]) == ("hamburg-3", False)
    assert {(one["prefix"], one["announced"]) for one in audit.nodes[0]["exits"]} == {
        ("2001:db8:42::/56", True),
        ("2001:db8:43::/56", True),
    }


def test_a_node_on_which_nothing_was_done(auditor: Auditor) -> None:
    audit = auditor.audit(f"{EXAMPLE} --live")
    assert audit.code == 2
    assert audit.rules("critical") == {"fence-missing"}
    assert {"exit-missing", "missing", "forwarding-off"} <= audit.rules("major")
    assert {one["announced"] for one in audit.nodes[0]["exits"]} == {False}


def route(auditor: Auditor, **fields: object) -> None:
    kept = Route(routing_table=10, destination="2001:db8:66::/48", link="wan", gateway="fe80::66", protocol=4)
    auditor.send(*replace(kept, **fields).create())  # type: ignore[arg-type]


def peer(auditor: Auditor) -> None:
    auditor.send(SetPeer("wg-mesh", STRANGER, allowed_ips=("fd00::66/128",)))


def rule(auditor: Auditor, **fields: object) -> None:
    kept = Rule(family="ipv6", priority=500, routing_table=254, iif="mesh0", protocol=4)
    auditor.send(*replace(kept, **fields).create())  # type: ignore[arg-type]


def readable(auditor: Auditor) -> None:
    files = auditor.node.files.files
    files["/etc/stellwerk/keys/links"] = replace(files["/etc/stellwerk/keys/links"], mode=0o644)


@pytest.mark.parametrize(
    ("deed", "found", "severity"),
    [
        (Auditor.add_default, "default-without-from", "critical"),
        (lambda one: route(one, destination="2000::/4"), "default-without-from", "critical"),
        (route, "foreign-route", "major"),
        (peer, "unknown-peer", "critical"),
        (rule, "rule-before-ours", "critical"),
        (lambda one: rule(one, iif=None, source="2001:db8:42::/56"), "rule-before-ours", "major"),
        (readable, "readable-key", "critical"),
        (Auditor.switch_forwarding_off, "forwarding-off", "major"),
        (
            lambda one: one.send(AddBabelInterface(SOCKET, "clients", (("type", "wired"),))),
            "foreign-babel-interface",
            "major",
        ),
        (
            lambda one: one.send(SetPeer("wg-mesh", GATEWAY, persistent_keepalive=5, update_only=True)),
            "changed",
            "minor",
        ),
        (lambda one: one.send(SetPeer("wg-mesh", GATEWAY, remove=True)), "missing", "major"),
    ],
)
def test_what_somebody_has_done(auditor: Auditor, deed: Callable[[Auditor], None], found: str, severity: str) -> None:
    auditor.apply()
    deed(auditor)
    audit = auditor.live()
    assert audit.code == 2
    assert audit.rules() == {found}
    assert audit.finding(found)["severity"] == severity


@pytest.mark.parametrize(
    "deed",
    [
        lambda one: route(one, protocol=42),
        lambda one: route(one, routing_table=254),
        lambda one: rule(one, iif="clients"),
        lambda one: rule(one, priority=20000),
        lambda one: rule(one, routing_table=10),
        lambda one: rule(one, action="unreachable", routing_table=None),
    ],
)
def test_what_others_may_do(auditor: Auditor, deed: Callable[[Auditor], None]) -> None:
    auditor.apply()
    deed(auditor)
    assert auditor.live().code == 0


def test_babeld_announces_what_somebody_else_wrote_into_a_file_of_its_own(auditor: Auditor) -> None:
    auditor.apply()
    daemon = auditor.node.babelds.running[SOCKET]
    auditor.node.files.put("/etc/babeld.conf", b"redistribute ip ::/0 le 0 metric 128\n")
    daemon.loaded = {"/etc/babeld.conf": auditor.node.files.files["/etc/babeld.conf"], **daemon.loaded}
    route(auditor, destination="::/0", protocol=4)
    audit = auditor.live()
    assert audit.code == 2
    subjects = {one["subject"] for one in audit.nodes[0]["findings"] if one["rule"] == "default-without-from"}
    assert any(subject.startswith("babel announcement ::/0") for subject in subjects)
    assert any(subject.startswith("route default via") for subject in subjects)


def test_the_firewall_was_changed(auditor: Auditor) -> None:
    file = ROOT / "examples" / "exit-translated.yaml"
    auditor.node.babelds.start(SOCKET)
    auditor.run(f"stellwerk apply {file}")
    before = auditor.live(file)
    assert "firewall-changed" not in before.rules()
    flush = '{"flush":{"chain":{"family":"inet","table":"stellwerk","name":"entering"}}}'
    auditor.send(ChangeNftables((flush,), "flush"))
    audit = auditor.live(file)
    assert audit.finding("firewall-changed")["severity"] == "critical"
    assert "chain entering" in audit.finding("firewall-changed")["message"]


def test_a_fence_that_is_gone(auditor: Auditor) -> None:
    auditor.apply()
    fence = Rule(family="ipv6", priority=1001, action="unreachable", iif="mesh0")
    auditor.send(*fence.delete())
    audit = auditor.live()
    assert audit.rules() == {"fence-missing"}
    assert audit.finding("fence-missing")["severity"] == "critical"


def test_what_is_ours_and_nobody_asks_for_any_more(auditor: Auditor, write: Callable[[str], Path]) -> None:
    auditor.apply()
    text = EXAMPLE.read_text()
    shorter = write(text.replace('  - interface: mesh0\n    addresses: ["fd00:6d65:7368:7::1/128"]\n', "  []\n"))
    audit = auditor.live(shorter)
    assert audit.code == 2
    assert "unwanted" in audit.rules("minor")
    assert "other-document" in audit.rules("note")


def test_the_place_in_the_file_is_that_of_what_asks_for_it(auditor: Auditor) -> None:
    auditor.apply()
    auditor.send(SetPeer("wg-mesh", GATEWAY, remove=True))
    place = auditor.live().finding("missing")["place"]
    line = EXAMPLE.read_text().splitlines()[place["line"] - 1]
    assert place["file"] == str(EXAMPLE)
    assert line[place["column"] - 1 :].startswith(GATEWAY)


def test_an_exit_that_is_drained_is_a_note(auditor: Auditor) -> None:
    auditor.apply()
    assert auditor.run("stellwerk drain 2001:db8:42::/56 --reason maintenance")[0] == 0
    audit = auditor.live()
    assert audit.code == 0, audit.nodes
    assert "exit-withdrawn" in audit.rules("note")
    assert {(one["prefix"], one["announced"]) for one in audit.nodes[0]["exits"]} == {
        ("2001:db8:42::/56", False),
        ("2001:db8:43::/56", True),
    }


def test_a_parameter_that_nobody_asked_for_is_not_looked_at(auditor: Auditor) -> None:
    auditor.apply()
    auditor.send(WriteSysctl("net/ipv6/conf/clients/accept_ra", "0"))
    assert auditor.live().code == 0
