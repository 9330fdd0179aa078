"""What the mesh's table has no way for ends here: it never takes the node's own default route."""

import socket

import pytest

from tests.kernel.networks.place import CLIENT, OUT_THERE, Place

NODE = """
version: 1
node: berlin-7
mesh:
  prefixes: ["fd00:6d65:7368::/48"]
  interfaces: [{name: mesh0}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf, restart_command: [$folder/restart-babeld]}
"""
LAN = "fd00:6d65:7368:7::1/64"


@pytest.fixture
def applied(place: Place) -> Place:
    """The node with the file above, and its LAN configured by somebody else."""
    place.node.namespace.ip("address", "add", LAN, "dev", "clients", "nodad")
    done = place.node.apply(place.node.node_file(NODE))
    assert done.code == 0, done.out + done.err
    return place


def test_a_client_that_nobody_serves_is_told_so(applied: Place) -> None:
    said = applied.ping(OUT_THERE)
    assert "Destination unreachable: No route" in said
    assert applied.seen_on_the_uplink() == 0


def test_so_is_a_program_on_the_node_that_uses_an_address_of_the_mesh(applied: Place) -> None:
    def speak() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as endpoint:
            endpoint.bind((LAN.removesuffix("/64"), 0))
            endpoint.sendto(b"", (OUT_THERE, 9))

    with pytest.raises(OSError, match="Network is unreachable"):
        applied.node.namespace.run(speak)
    assert applied.seen_on_the_uplink() == 0


def test_the_node_goes_on_using_its_uplink_with_the_address_there(applied: Place) -> None:
    assert "1 received" in applied.node.namespace.program("ping", "-6", "-n", "-c", "1", "-W", "2", OUT_THERE)


def test_a_lan_is_still_reached_and_answered(applied: Place) -> None:
    assert "1 received" in applied.node.namespace.program("ping", "-6", "-n", "-c", "1", "-W", "2", CLIENT)
    assert "1 received" in applied.ping(LAN.removesuffix("/64"))
    # What is next to the node needs no default route.
    assert "1 received" in applied.ping("2001:db8:1::1")
