"""Each client reaches the Internet through the exit that serves its source prefix, and is answered."""

from reconciler.lab.laboratory import Lab
from tests.failover.lines import ways
from tests.kernel.lab_mesh.conftest import SERVED


def test_every_packet_of_a_client_comes_in_by_the_line_of_its_exit(lab: Lab) -> None:
    assert ways(lab, *SERVED) == {client: {exit_} for client, exit_ in SERVED.items()}


def test_nobody_was_refused_for_a_source_that_is_not_his(lab: Lab) -> None:
    assert set(lab.status()["internet"]["refused"].values()) == {0}


def test_the_internet_reaches_a_client_first(lab: Lab) -> None:
    for client in ("alice", "clara"):
        address = lab.status()["clients"][client]["address"].partition("/")[0]
        assert lab.probe("internet", to=address, seconds=1.0)["lost"] == 0


def test_clients_of_different_exits_reach_each_other_inside_the_mesh(lab: Lab) -> None:
    lines = lab.status()["clients"]
    for one, other in (("alice", "frieda"), ("frieda", "clara"), ("clara", "alice")):
        found = lab.probe(one, to=lines[other]["address"].partition("/")[0], seconds=1.0)
        assert (found["lost"], found["errors"]) == (0, {}), (one, other)
