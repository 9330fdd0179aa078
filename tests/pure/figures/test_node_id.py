"""The number that maps know a node by."""

from __future__ import annotations

from intent.statistics import MeshInterface
from reconciler.backends.link_counters import LinkFigures
from reconciler.services.statistics.node_id import from_name, node_id

BURNT_IN, ANOTHER, MADE_UP = "00:0d:b9:41:6d:50", "00:0d:b9:41:6d:51", "6e:1c:00:41:6d:52"


def links(*there: tuple[str, str | None, str | None]) -> dict[str, LinkFigures]:
    return {
        name: LinkFigures(name, "", mac, True, *(0,) * 8, permanent_mac=permanent) for name, mac, permanent in there
    }


def mesh(*names: str, sort: str | None = None) -> list[MeshInterface]:
    return [MeshInterface(name=name, sort=sort) for name in names]


def test_it_is_the_address_of_the_first_mesh_interface_that_has_one() -> None:
    there = links(("eth0", ANOTHER, ANOTHER), ("wg0", None, None), ("mesh0", BURNT_IN, BURNT_IN))
    assert node_id("a", mesh("wg0", "absent", "mesh0", "eth0"), there) == "000db9416d50"


def test_an_address_that_was_set_by_hand_changes_nothing() -> None:
    assert node_id("a", mesh("mesh0"), links(("mesh0", MADE_UP, BURNT_IN))) == "000db9416d50"


def test_a_kernel_that_does_not_tell_permanent_ones_is_asked_for_the_maker_s() -> None:
    assert node_id("a", mesh("mesh0"), links(("mesh0", BURNT_IN, None))) == "000db9416d50"


def test_addresses_that_are_made_up_at_each_start_are_none() -> None:
    there = links(("veth0", MADE_UP, None), ("lo", "00:00:00:00:00:00", None), ("mesh0", BURNT_IN, None))
    assert node_id("a", mesh("veth0", "lo", "mesh0"), there) == "000db9416d50"


def test_tunnels_never_count() -> None:
    there = links(("tap0", BURNT_IN, BURNT_IN))
    assert node_id("a", mesh("tap0", sort="tunnel"), there) == from_name("a")


def test_where_no_mesh_interface_is_named_any_hardware_counts_by_name() -> None:
    there = links(("eth1", ANOTHER, ANOTHER), ("eth0", BURNT_IN, BURNT_IN))
    assert node_id("a", [], there) == node_id("a", [], dict(reversed(there.items()))) == "000db9416d50"


def test_without_hardware_it_is_always_the_same_for_a_name() -> None:
    made = node_id("roof-1", mesh("wg0"), {})
    assert made == node_id("roof-1", [], {}) != node_id("roof-2", [], {})
    assert len(bytes.fromhex(made)) == 6
    # Locally administered, and of one station (IEEE 802).
    assert int(made[:2], 16) & 3 == 2
