"""A client behind a node may have any source: what no exit serves never takes the node's own default route."""

import pytest

from tests.kernel.networks.place import OUT_THERE, Place

NODE = """
version: 1
node: berlin-7
mesh:
  prefixes: ["fd00:6d65:7368::/48"]
  interfaces: [{name: mesh0, type: wired}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf, restart_command: [$folder/restart-babeld]}
networks: [{prefix: "fd00:6d65:7368:7::/64", interface: clients, address: "fd00:6d65:7368:7::1"}]
"""
ROAMED = "2001:db8:42:30::9"
"""Out of another node's network."""
STRANGE = "2001:db8:dead::5"


@pytest.fixture
def applied(place: Place) -> Place:
    """The node with the file above, and a LAN of its own that the file does not know."""
    done = place.node.apply(place.node.node_file(NODE))
    assert done.code == 0, done.out + done.err
    return place


def way(place: Place, destination: str, source: str) -> str:
    """Return where the node sends a packet from a client."""
    words = ("ip", "-6", "route", "get", destination, "from", source, "iif", "clients")
    return place.node.namespace.program("sh", "-c", '"$@" 2>&1 || true', "sh", *words)


@pytest.mark.parametrize("source", [ROAMED, STRANGE])
def test_it_is_told_so(applied: Place, source: str) -> None:
    applied.client.ip("address", "add", f"{source}/128", "dev", "eth0", "nodad")
    applied.node.namespace.ip("-6", "route", "add", f"{source}/128", "dev", "clients")
    applied.node.neighbour.ip("-6", "route", "add", f"{source}/128", "via", "2001:db8:1::2", "dev", "wan")
    words = ("ping", "-6", "-n", "-c", "1", "-W", "2", "-I", source, OUT_THERE)
    said = applied.client.program("sh", "-c", '"$@" || true', "sh", *words)
    assert "Destination unreachable: No route" in said
    assert "1 received" in applied.client.program(*words[:-1], "fd00:6d65:7368:7::1"), "the node itself"


def test_other_networks_of_the_node_and_the_mesh_are_reached(applied: Place) -> None:
    node = applied.node.namespace
    node.ip("-6", "route", "add", "2001:db8:99::/64", "dev", "wan")
    node.ip("-6", "route", "add", "default", "from", "2001:db8:42::/56", "dev", "mesh0", "table", "10")
    assert "dev wan" in way(applied, "2001:db8:99::1", STRANGE), "what main has a longer route to than the default"
    assert "dev mesh0" in way(applied, OUT_THERE, "2001:db8:42:30::9"), "an exit in the mesh"
    assert "dev wan" not in way(applied, OUT_THERE, STRANGE)


def test_forwarding_begins_after_the_rules_of_networks(place: Place) -> None:
    said = place.node.apply(place.node.node_file(NODE)).out.splitlines()
    forwarding = next(number for number, line in enumerate(said) if "all/forwarding" in line)
    rules = [
        number for number, line in enumerate(said) if "rule 100" in line and ("from fd00" in line or "iif" in line)
    ]
    assert rules
    assert forwarding > max(rules)


def test_the_rules_of_a_network_go_with_it(applied: Place) -> None:
    text = NODE[: NODE.index("networks:")]
    assert applied.node.apply(applied.node.node_file(text), "--allow-deletes").code == 0
    assert "iif clients" not in applied.node.namespace.ip("-6", "rule", "show")
