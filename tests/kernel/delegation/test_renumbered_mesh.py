"""A provider renumbers an exit at night: its clients, and those behind another node, go on with the new prefix."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.lab.laboratory import Lab, laboratory
from tests.failover.lines import HOST, INTERNET, Lines, run

OLD, NEW = "2001:db8:100", "2001:db8:200"
HOSTS = {"alice": "ff::10", "bert": "f1::10"}
"""The clients, with the end of the address of each in either prefix."""
FOLLOW_SECONDS = 5.0
"""In which the other node uses the new prefix's default and has lost the old one's: the promise says a few."""
GAP_SECONDS = 5.0
RENUMBER = f"""
ip -6 route add unreachable {NEW}::/56 dev lo proto dhcp metric 1024 expires 3600
ip -6 route del unreachable {OLD}::/56
"""
"""What systemd-networkd does in the node when the provider delegates another prefix."""


def until(holds: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
    """Return when a condition holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.01)
    return time.monotonic()


def provider_routes(lab: Lab, prefix: str, routed: bool) -> None:
    """Have the provider route a prefix to kiel, or not any more."""
    shown = run(lab, INTERNET, "ip", "-6", "route", "show", "table", "1001", f"{OLD if routed else prefix}::/56")
    way = shown.split("::/56", 1)[1].split(" metric ")[0].split()
    for table in (("table", "1001"), ("metric", "1001")):
        run(lab, INTERNET, "ip", "-6", "route", "replace" if routed else "del", f"{prefix}::/56", *way, *table)


def defaults(lab: Lab) -> set[str]:
    """Return the source prefixes of the default routes that roof's kernel has from babel."""
    rows = run(lab, "roof", "ip", "-6", "route", "show", "table", "10", "proto", "babel").splitlines()
    return {row.split()[2] for row in rows if row.startswith("default from ")}


def served(lab: Lab) -> set[str]:
    """Return the networks behind kiel that roof's kernel has from babel."""
    rows = run(lab, "roof", "ip", "-6", "route", "show", "table", "10", "proto", "babel").splitlines()
    return {row.split()[0] for row in rows if row.split()[0].endswith(":ff::/64")}


def advertise(lab: Lab, client: str) -> None:
    """Do what a router advertisement of the new prefix does, with a lifetime of none for the old one."""
    run(lab, client, "ip", "address", "add", f"{NEW}:{HOSTS[client]}/64", "dev", "eth0", "nodad")
    old = f"{OLD}:{HOSTS[client]}/64"
    run(lab, client, "ip", "address", "change", old, "dev", "eth0", "preferred_lft", "0", "valid_lft", "7200")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with laboratory(Path(__file__).parent / "mesh" / "lab.yaml", tmp_path) as made:
        provider_routes(made, NEW, routed=False)
        made.run("kiel", "ip", "-6", "route", "add", "unreachable", f"{OLD}::/56", "dev", "lo", "proto", "dhcp")
        made.until_synced()
        until(lambda: defaults(made) == {f"{OLD}:f0::/60"} and served(made) == {f"{OLD}:ff::/64"}, "the old exit")
        for client in HOSTS:
            until(lambda client=client: made.probe(client, seconds=0.3)["lost"] == 0, f"{client} is answered")  # type: ignore[misc]
        yield made


def test_clients_go_on_with_the_new_prefix_and_nobody_uses_the_old_one(lab: Lab) -> None:
    lines = Lines(lab, *(f"{prefix}:{end}" for prefix in (OLD, NEW) for end in HOSTS.values()))
    with lab.probing("alice", every=0.02) as alice, lab.probing("bert", every=0.02) as bert:
        provider_routes(lab, NEW, routed=True)
        provider_routes(lab, OLD, routed=False)
        begun = time.monotonic()
        run(lab, "kiel", "sh", "-e", "-c", RENUMBER)
        addressed = until(
            lambda: f"{NEW}:ff::1/64" in run(lab, "kiel", "ip", "-6", "address", "show", "dev", "lan0"),
            "kiel's address",
        )
        advertise(lab, "alice")
        announced = until(lambda: f"{NEW}:f0::/60" in defaults(lab), "the new exit at roof")
        advertise(lab, "bert")
        gone = until(lambda: defaults(lab) == {f"{NEW}:f0::/60"}, "roof without the old exit")
        for client in HOSTS:
            fresh = f"{NEW}:{HOSTS[client]}"
            until(lambda fresh=fresh: lines.count(fresh).get("kiel", 0) > 20, f"{client} goes on")  # type: ignore[misc]
    print(f"address {addressed - begun:.2f} s, announced {announced - begun:.2f} s, old one gone {gone - begun:.2f} s")
    print({name: round(one.result["longest_gap"], 2) for name, one in (("alice", alice), ("bert", bert))})
    assert max(announced, gone) - begun < FOLLOW_SECONDS
    assert max(alice.result["longest_gap"], bert.result["longest_gap"]) < GAP_SECONDS
    lab.until_synced()

    # The network follows as the exit does, and of the old prefix there is nothing left.
    assert served(lab) == {f"{NEW}:ff::/64"}
    assert lab.probe("bert", to=f"{NEW}:{HOSTS['alice']}", seconds=0.5)["lost"] == 0
    left = run(lab, "kiel", "ip", "-6", "route", "show", "table", "10") + run(lab, "kiel", "ip", "-6", "rule", "show")
    assert OLD not in "\n".join(row for row in left.splitlines() if " proto babel " not in row)
    assert f"{OLD}:" not in run(lab, "kiel", "ip", "-6", "address", "show")

    # What still comes from the old prefix behind another node is told that it has no way, and does not leave the mesh.
    old = f"{OLD}:{HOSTS['bert']}"
    lines = Lines(lab, old)
    said = lab.run("bert", "ping", "-6", "-n", "-c", "3", "-i", "0.2", "-W", "1", "-I", old, HOST).stdout
    assert " 0 received" in said, said
    assert "+3 errors" in said, said
    assert lines.count(old) == {}
    assert lab.status()["internet"]["refused"]["kiel"] == 0
