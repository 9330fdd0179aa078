"""A node whose own address on the uplink lies inside the prefix that it is an exit for, as hosters give them."""

from tests.host import until
from tests.kernel.exit_health.conftest import BEYOND, CHECKED, PREFIXES, UNCHECKED, Place

OWN = "2001:db8:4200::2"
FAR = "2001:db8:ffff::1"
"""A host on the Internet, beyond the uplink."""


def hosted(place: Place) -> None:
    """Give the node an address out of its first exit prefix, and a default route, as the hoster says."""
    node, hoster = place.node.namespace, place.node.neighbour
    hoster.ip("address", "add", f"{FAR}/128", "dev", "lo", "nodad")
    hoster.ip("address", "add", "fe80::1/64", "dev", "wan", "nodad")
    hoster.ip("-6", "route", "add", "2001:db8:4200::/64", "dev", "wan")
    node.ip("address", "add", f"{OWN}/64", "dev", "wan", "nodad")
    node.ip("-6", "route", "replace", "default", "via", "fe80::1", "dev", "wan")


def reached(place: Place) -> bool:
    """Return whether the node answers from outside."""
    words = ("ping", "-6", "-n", "-c", "1", "-W", "1", "-I", FAR, OWN)
    said = place.node.neighbour.program("sh", "-c", '"$@" || true', "sh", *words)
    return "1 received" in said


def test_a_drained_exit_is_still_reached_at_its_own_address(place: Place) -> None:
    hosted(place)
    place.synced(UNCHECKED)
    assert reached(place)
    assert place.node.stellwerk("drain", PREFIXES[0], *place.node.state()).code == 0
    until(lambda: place.heard() == {PREFIXES[1]}, "the withdrawal")
    assert reached(place)


def test_an_address_that_comes_while_the_exit_is_drained_answers_too(place: Place) -> None:
    place.synced(UNCHECKED)
    assert place.node.stellwerk("drain", PREFIXES[0], *place.node.state()).code == 0
    hosted(place)
    until(lambda: reached(place), "the answer")


def test_a_check_from_its_own_address_passes_again(place: Place) -> None:
    hosted(place)
    daemon = place.synced(CHECKED.replace(BEYOND, FAR))
    place.node.neighbour.ip("address", "delete", f"{FAR}/128", "dev", "lo")
    daemon.until(lambda status: status["offers"][0]["state"] == "withdrawn", "the withdrawal")
    place.node.neighbour.ip("address", "add", f"{FAR}/128", "dev", "lo", "nodad")
    daemon.until(lambda status: status["offers"][0]["state"] == "announced", "the announcement")


def test_the_mesh_does_not_use_the_nodes_own_way(place: Place) -> None:
    """Only the node's own packets from its own address: what is forwarded from the prefix ends here."""
    hosted(place)
    place.synced(UNCHECKED)
    assert place.node.stellwerk("drain", PREFIXES[0], *place.node.state()).code == 0
    words = ("ip", "-6", "route", "get", FAR, "from", OWN, "iif", "mesh0")
    said = place.node.namespace.program("sh", "-c", '"$@" 2>&1 || true', "sh", *words)
    assert "dev wan" not in said
