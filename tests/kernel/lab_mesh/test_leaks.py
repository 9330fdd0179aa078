"""Nothing leaks out of the mesh, nothing runs in circles, and whoever is not served is told so."""

from __future__ import annotations

import json

import pytest

from reconciler.lab.laboratory import Lab
from tests.failover.failures import BOUND_SECONDS
from tests.failover.lines import HOST, Lines, address_of, exit_of, run
from tests.failover.served import await_served
from tests.kernel.lab_mesh.conftest import SERVED, UNSERVED

KIELS_CABLE = "mesh0"
HAND_OVER = """
ip -6 address add $1/128 dev lo nodad
ip -6 route add $2 via $3 dev mesh0 table 99
ip -6 rule add priority 1 from $1 lookup 99
ping -6 -n -q -c 5 -i 0.1 -W 1 -I $1 $2
ip -6 rule delete priority 1
ip -6 route delete $2 table 99
ip -6 address delete $1/128 dev lo
"""
"""Send five packets from $1 to $2, over the neighbour $3."""
FOREIGN: dict[str, tuple[str, set[str]]] = {
    "an address of nobody here": ("2001:db8:dead::1", set()),
    "an address of the mesh": ("fd00:6d65:7368:4::1", set()),
    # It is handed back to the mesh, and may leave where it belongs.
    "an address of another exit's prefix": ("2001:db8:300:ee::1", {"exit-leipzig"}),
}
"""Sources that Kiel serves nobody for, each with the exits by which packets from there may leave."""


def test_a_client_whose_prefix_nobody_serves_is_told_so_and_does_not_take_the_uplink_next_to_it(lab: Lab) -> None:
    lines = Lines(lab, *(address_of(lab, client) for client in UNSERVED))
    for client in UNSERVED:
        found = lab.probe(client, seconds=1.0)
        assert (found["answered"], set(found["errors"])) == (0, {"no route"})
        assert lines.count(address_of(lab, client)) == {}


@pytest.mark.parametrize(("source", "exits"), FOREIGN.values(), ids=FOREIGN)
def test_a_packet_from_the_mesh_with_another_source_does_not_leave_by_the_exits_uplink(
    lab: Lab, source: str, exits: set[str]
) -> None:
    """A neighbour hands the exit packets that no route would lead there."""
    shown = run(lab, "exit-kiel", "ip", "-o", "-6", "address", "show", "dev", KIELS_CABLE, "scope", "link")
    lines, received = Lines(lab, source), _received(lab)
    done = lab.run("roof-north", "sh", "-c", HAND_OVER, "sh", source, HOST, shown.split()[3].partition("/")[0])
    assert " 0 received" in done.stdout, done.stdout + done.stderr
    # They did come to the exit.
    assert _received(lab) >= received + 5
    assert lines.count(source).keys() <= exits


def _received(lab: Lab) -> int:
    (link,) = json.loads(run(lab, "exit-kiel", "ip", "-j", "-s", "link", "show", "dev", KIELS_CABLE))
    return int(link["stats64"]["rx"]["packets"])


UNUSED = {
    "of an exit, that no network has": ("2001:db8:200:ee::1", {"no route"}),
    "of the prefix of two exits, that no network has": ("2001:db8:f00:ee::1", {"no route"}),
    "of a network, that no client has": ("2001:db8:200:10::dead", {"address unreachable"}),
}


@pytest.mark.parametrize(("address", "told"), UNUSED.values(), ids=UNUSED)
@pytest.mark.parametrize("who", ["internet", "alice", "clara", "frieda"])
def test_packets_to_an_address_that_is_not_used_end_and_run_in_no_circle(
    lab: Lab, who: str, address: str, told: set[str]
) -> None:
    # The kernel looks for a neighbour for three seconds before it says that there is none.
    found = lab.probe(who, to=address, seconds=5.0 if told == {"address unreachable"} else 1.0, every=0.25)
    if who == "internet" and told == {"address unreachable"}:
        # The node in the mesh that says so has no address out of an exit's prefix on the way that the packet came: what
        # it tells the Internet is from an address of the mesh, and ends there.
        told = set()
    assert (found["answered"], set(found["errors"])) == (0, told)


def test_clients_whose_only_exit_fails_are_told_so_until_it_is_back(lab: Lab) -> None:
    lab.break_("exit-kiel:wan", carrier=True)
    try:
        lab.until(
            lambda status: set(lab.probe("alice", seconds=0.3)["errors"]) == {"no route"},
            "alice is told that there is no way",
            BOUND_SECONDS,
        )
        lab.until(lambda status: exit_of(status, "emil") == "exit-leipzig", "emil goes elsewhere")
        lines = Lines(lab, address_of(lab, "alice"))
        assert lab.probe("alice", seconds=1.0)["answered"] == 0
        assert lines.count(address_of(lab, "alice")) == {}
    finally:
        lab.heal()
    await_served(lab, SERVED)
