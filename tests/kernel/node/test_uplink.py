"""A node that gets its default route by router advertisement must not lose it by beginning to forward."""

import pytest

from tests.host import Host

NODE = """
version: 1
node: exit-1
mesh:
  interfaces: [{name: mesh0}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf}
"""


@pytest.fixture
def advertised(node: Host) -> Host:
    node.namespace.ip(*["-6", "route", "add", "default", "via", "fe80::1", "dev", "wan", "proto", "ra"])
    return node


def test_an_uplink_that_is_not_named_stops_everything(advertised: Host) -> None:
    said = advertised.apply(advertised.node_file(NODE))
    assert said.code == 3
    assert "node.yaml:4:1" in said.err
    assert "uplinks: [wan]" in said.err
    assert advertised.namespace.ip("-6", "rule").count("1000:") == 0


def test_named_it_goes_on_listening(advertised: Host) -> None:
    said = advertised.apply(advertised.node_file(NODE.replace("mesh:\n", "mesh:\n  uplinks: [wan]\n")))
    assert "node.yaml" not in said.err
    accepts = advertised.namespace.program("cat", "/proc/sys/net/ipv6/conf/wan/accept_ra")
    assert accepts == "2\n"


def test_an_interface_that_listens_anyway_need_not_be_named(advertised: Host) -> None:
    advertised.namespace.program("sh", "-c", "echo 2 >/proc/sys/net/ipv6/conf/wan/accept_ra")
    assert "node.yaml" not in advertised.apply(advertised.node_file(NODE)).err
