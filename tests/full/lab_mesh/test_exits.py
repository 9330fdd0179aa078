"""Three exits, by an uplink, a GRE tunnel and a WireGuard link of the kernel: each serves the clients of its prefix."""

from reconciler.lab.laboratory import Lab
from tests.failover.lines import Lines, address_of, ways
from tests.full.lab_mesh.conftest import SERVED


def test_every_packet_of_a_client_comes_in_by_the_line_of_its_exit(lab: Lab) -> None:
    assert ways(lab, *SERVED) == {client: {exit_} for client, exit_ in SERVED.items()}
    assert set(lab.status()["internet"]["refused"].values()) == {0}


def test_a_client_whose_prefix_nobody_serves_is_told_so(lab: Lab) -> None:
    address = address_of(lab, "gustav")
    lines = Lines(lab, address)
    found = lab.probe("gustav", seconds=2.0)
    assert (found["answered"], set(found["errors"])) == (0, {"no route"})
    assert lines.count(address) == {}
