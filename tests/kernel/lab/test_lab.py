"""One lab: what is in it, what can be broken, and what each of its places sees."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.core.errors import RefusedError
from reconciler.lab.laboratory import Lab
from tests.kernel.lab.conftest import defaults

HOST = "2001:db8:ffff::1"
KIEL, ROOF = "fd00:6d65:7368:1::1", "fd00:6d65:7368:2::1"


def neighbours(status: dict[str, Any], node: str) -> set[str]:
    return {one["node"] for one in status["nodes"][node]["babeld"]["neighbours"] if one["reach"] != "0000"}


def test_every_node_is_in_sync_and_knows_its_neighbours_and_the_exit(lab: Lab) -> None:
    status = lab.status()
    states = {
        name: (node["status"]["sync"]["state"], node["status"]["health"]["state"])
        for name, node in status["nodes"].items()
        if node["stellwerk"]
    }
    assert states == dict.fromkeys(("kiel", "roof", "jena"), ("synced", "healthy"))
    assert neighbours(status, "kiel") == {"roof", "jena", "stranger"}
    assert neighbours(status, "stranger") == {"kiel", "roof"}
    assert status["nodes"]["kiel"]["babeld"]["announces"] == ["2001:db8:200::/56"]
    assert defaults(status) == {"roof": "kiel", "jena": "kiel", "stranger": "kiel"}


def test_a_place_has_its_own_names_files_and_processes(lab: Lab) -> None:
    said = lab.run("jena", "sh", "-c", "hostname; cat /etc/stellwerk/node.yaml; ls /srv; id -u")
    assert said.stdout.startswith("jena\nversion: 1\nnode: jena\n")
    assert said.stdout.endswith("\nbabeld\nkeys\ntools\n0\n")
    links = {name: lab.run(name, "ls", "/proc/sys/net/ipv6/conf").stdout.split() for name in ("alice", "roof")}
    assert "eth0" in links["alice"]
    assert "mesh0" not in links["alice"]
    assert {"mesh0", "lan0"} <= set(links["roof"])
    assert lab.run("roof", "sh", "-c", "exit 7").returncode == 7
    assert json.loads(lab.run("roof", "stellwerk", "status", "--json", seconds=300).stdout)["node"] == "roof"


def test_keys_are_made_and_both_sides_know_them(lab: Lab) -> None:
    file = lab.run("jena", "cat", "/etc/stellwerk/node.yaml").stdout
    assert "i25O2JPaHsW9Oo7BmgwWSllxMUjTDBlUIFCJ708K/hc=" not in file
    assert lab.run("jena", "stat", "-c", "%a", "/srv/keys/links").stdout == "600\n"
    assert lab.run("kiel", "sh", "-c", "wg pubkey < /etc/stellwerk/keys/links").stdout.strip() in file


def test_the_internet_answers_and_refuses_what_is_not_the_nodes(lab: Lab) -> None:
    before = lab.status()["internet"]["refused"]["kiel"]
    assert lab.probe("kiel", seconds=0.5)["lost"] == 0
    assert lab.status()["internet"]["refused"]["kiel"] == before
    lab.run("kiel", "ping", "-c", "3", "-i", "0.1", "-W", "1", "-I", KIEL, "-m", "1", f"{HOST}")
    lab.run("kiel", "ip", "-6", "rule", "add", "priority", "1", "from", KIEL, "lookup", "main")
    try:
        lab.run("kiel", "ping", "-c", "3", "-i", "0.1", "-W", "1", "-I", KIEL, HOST)
        assert lab.status()["internet"]["refused"]["kiel"] >= before + 3
    finally:
        lab.run("kiel", "ip", "-6", "rule", "del", "priority", "1")


def test_a_broken_wire_is_silent_and_keeps_its_carrier(lab: Lab) -> None:
    try:
        lab.until(lambda status: lab.probe("roof", KIEL, 0.1, 0.05)["answered"] > 0, "an answer")
        with lab.probing("roof", KIEL, every=0.02) as probe:
            lab.break_("cable")
            assert "LOWER_UP" in lab.run("roof", "ip", "link", "show", "mesh0").stdout
            assert lab.probe("roof", KIEL, 0.5, 0.05)["answered"] == 0
            lab.heal("cable")
            lab.until(lambda status: lab.probe("roof", KIEL, 0.1, 0.05)["answered"] > 0, "an answer")
    finally:
        if lab.status()["broken"]:
            lab.heal()
    assert 0.4 < probe.result["longest_gap"] < 30
    assert 0 < probe.result["answered"] < probe.result["sent"]
    assert probe.result["lost"] == probe.result["sent"] - probe.result["answered"]


def test_a_wire_can_lose_its_carrier(lab: Lab) -> None:
    lab.break_("roof:mesh0", carrier=True)
    try:
        assert "NO-CARRIER" in lab.run("roof", "ip", "link", "show", "mesh0").stdout
        assert "LOWER_UP" in lab.run("kiel", "ip", "link", "show", "mesh0").stdout
    finally:
        lab.heal()
    assert "LOWER_UP" in lab.run("roof", "ip", "link", "show", "mesh0").stdout


def test_a_cable_between_two_has_a_carrier_at_both_ends_or_at_none(lab: Lab) -> None:
    lab.break_("roof:lan0", carrier=True)
    try:
        assert "NO-CARRIER" in lab.run("alice", "ip", "link", "show", "eth0").stdout
    finally:
        lab.heal("roof:lan0")
    assert "LOWER_UP" in lab.run("alice", "ip", "link", "show", "eth0").stdout


def test_what_is_not_there_cannot_be_broken(lab: Lab) -> None:
    with pytest.raises(RefusedError, match="neither a wire, a node, nor a node's interface; there are cable"):
        lab.break_("kabel")
    with pytest.raises(RefusedError, match="cable is not broken; broken: nothing"):
        lab.heal("cable")
    with pytest.raises(RefusedError, match="there is no bob in this lab; there are kiel"):
        lab.run("bob", "true")


def test_babeld_that_was_killed_is_started_again_by_the_daemon(lab: Lab) -> None:
    old = lab.run("kiel", "cat", "/run/babeld.pid").stdout
    assert lab.run("kiel", "sh", "-c", "kill -9 $(cat /run/babeld.pid)").returncode == 0
    lab.until(lambda status: lab.run("kiel", "cat", "/run/babeld.pid").stdout not in ("", old), "another babeld")
    lab.until_synced()
    lab.until(lambda status: defaults(status).get("roof") == "kiel", "the exit")


def test_a_power_cut_takes_the_kernel_and_leaves_the_disk(lab: Lab) -> None:
    boot, key = (
        lab.run("kiel", "cat", path).stdout for path in ("/proc/sys/kernel/random/boot_id", "/etc/stellwerk/keys/links")
    )
    lab.run("kiel", "ip", "-6", "route", "add", "unreachable", "2001:db8:77::/48")
    lab.break_("kiel")
    try:
        with pytest.raises(RefusedError, match="kiel has no power"):
            lab.run("kiel", "true")
        status = lab.status()
        assert not status["nodes"]["kiel"]["power"]
        assert "LOWER_UP" in lab.run("roof", "ip", "link", "show", "mesh0").stdout
        assert lab.probe("roof", KIEL, 0.5)["answered"] == 0
    finally:
        lab.heal("kiel")
    lab.until_synced()
    assert lab.run("kiel", "cat", "/proc/sys/kernel/random/boot_id").stdout != boot
    assert lab.run("kiel", "cat", "/etc/stellwerk/keys/links").stdout == key
    assert "2001:db8:77::" not in lab.run("kiel", "ip", "-6", "route").stdout
    lab.until(lambda status: defaults(status).get("roof") == "kiel", "the exit")


def test_a_daemon_that_died_is_shown(lab: Lab) -> None:
    lab.run("roof", "sh", "-c", "kill -9 $(cat /var/lib/stellwerk/lock | cut -d' ' -f1)")
    status = lab.until(lambda status: status["nodes"]["roof"]["daemon"] != "running", "the daemon's end")
    assert status["nodes"]["roof"]["daemon"] == "ended by signal 9"
    assert lab.heal("roof") == [{"target": "roof", "state": "daemon started", "not_up": {}}]
    lab.until_synced()
    lab.run("roof", "sh", "-c", "kill -9 $(cat /var/lib/stellwerk/lock | cut -d' ' -f1)")
    lab.until(lambda status: status["nodes"]["roof"]["daemon"] != "running", "the daemon's end")
    assert [(one["target"], one["state"]) for one in lab.break_("roof")] == [("roof", "no power")]
    assert lab.heal() == [{"target": "roof", "state": "power", "not_up": {}}]
    lab.until_synced()
