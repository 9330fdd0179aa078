"""A network behind a node with an uplink of its own, reached from the mesh and from nowhere else."""

import pytest

from tests.host import until
from tests.kernel.networks.place import CLIENT, OUT_THERE, Place

NETWORK = "fd00:6d65:7368:7::/64"
SERVED = "2001:db8:42:7::10"
NODE = """
version: 1
node: berlin-7
mesh:
  prefixes: ["fd00:6d65:7368::/48"]
  interfaces: [{name: mesh0, type: wired}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf, restart_command: [$folder/restart-babeld]}
networks:
  - {prefix: "fd00:6d65:7368:7::/64", interface: clients, address: "fd00:6d65:7368:7::1"}
  - {prefix: "2001:db8:42:7::/64", interface: clients, address: "2001:db8:42:7::1"}
"""


@pytest.fixture
def applied(place: Place) -> Place:
    """The node with the file above, and a neighbour in the mesh; nobody is an exit."""
    node = place.node
    # Of the Internet beyond the uplink nothing is needed, and it must not answer over the uplink.
    node.neighbour.ip("-6", "route", "delete", "fd00:6d65:7368::/48")
    node.neighbour.ip("address", "add", "fd00:6d65:7368:9::1/128", "dev", "lo")
    node.neighbour.ip("-6", "route", "add", "fd00:6d65:7368:9::1/128", "dev", "lo", "proto", "static")
    node.start_neighbour("-C", "redistribute proto 4 allow")
    place.client.ip("address", "add", f"{SERVED}/64", "dev", "eth0", "nodad")
    done = node.apply(node.node_file(NODE))
    assert done.code == 0, done.out + done.err
    until(lambda: NETWORK in learned(place), "the network at the neighbour")
    until(lambda: "fd00:6d65:7368:9::1" in node.namespace.ip("-6", "route", "show", "table", "10"), "the neighbour")
    return place


def learned(place: Place) -> str:
    """Return the routes that the neighbour has by babel."""
    return place.node.neighbour.ip("-6", "route", "show", "proto", "babel")


def test_the_mesh_and_the_clients_reach_each_other(applied: Place) -> None:
    assert "1 received" in applied.ping("fd00:6d65:7368:9::1")
    words = ("ping", "-6", "-n", "-c", "1", "-W", "2", "-I", "fd00:6d65:7368:9::1", CLIENT)
    assert "1 received" in applied.node.neighbour.program(*words)
    assert "1 received" in applied.ping("fd00:6d65:7368:7::1")
    assert applied.seen_on_the_uplink() == 0


@pytest.mark.parametrize("source", [CLIENT, SERVED])
def test_what_no_exit_serves_is_told_to_the_client_and_does_not_take_the_uplink(applied: Place, source: str) -> None:
    words = ("-6", "-n", "-c", "1", "-W", "2", "-I", source, OUT_THERE)
    said = applied.client.program("sh", "-c", 'ping "$@" || true', "ping", *words)
    assert "Destination unreachable: No route" in said
    assert applied.seen_on_the_uplink() == 0


def test_an_address_that_no_client_has_is_unreachable_and_goes_round_in_no_circle(applied: Place) -> None:
    words = ("-6", "-n", "-c", "1", "-W", "5", "-I", "fd00:6d65:7368:9::1", "fd00:6d65:7368:7::dead")
    said = applied.node.neighbour.program("sh", "-c", 'ping "$@" || true', "ping", *words)
    assert "Destination unreachable: Address unreachable" in said
    assert "Time exceeded" not in said


def test_it_goes_when_its_interface_goes(applied: Place) -> None:
    applied.client.ip("link", "delete", "eth0")
    until(lambda: NETWORK not in applied.node.namespace.ip("-6", "route", "show", "table", "10"), "the route's end")
