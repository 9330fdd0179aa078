"""A look at a node: what is asked of the backends, whose an object is, and what could not be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_interface
from typing import ClassVar

import pytest

from intent.resources import kinds
from intent.resources.address import Address
from intent.resources.gre_link import GreLink
from intent.resources.resource import Key, Request, Resource
from intent.resources.route import RTPROT_STATIC, Route
from intent.resources.sysctl import Sysctl
from reconciler.backends.fake import FakeNode
from reconciler.core.backend import Dump, Partitions
from reconciler.core.desired import Desired
from reconciler.core.diff import diff
from reconciler.core.errors import BackendError, BusyError, RejectedError
from reconciler.core.inventory import Inventory
from reconciler.core.observe import Observer, observe
from tests.contract.node import address_by_hand

REAL_KINDS = True
ROUTE = Route(routing_table=10, destination="2001:db8::/48", link="mesh0")
ADDRESS = Address(link="mesh0", address="fd00::1/64")
FORWARDING = Sysctl(name="net/ipv6/conf/all/forwarding", value="1")


class Watched(FakeNode):
    """A fake node that remembers what it was asked for."""

    asked: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **options: bool) -> None:
        super().__init__(keeps_address_protocol=options.get("keeps_address_protocol", True))
        self.looks: list[Mapping[str, Partitions]] = []
        self.kernel.add_link("mesh0", "veth", up=True)

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        self.looks.append(wanted)
        return super().dump(wanted)

    def make(self, *resources: Resource) -> None:
        requests: Sequence[Request] = [request for resource in resources for request in resource.create()]
        assert self.send(requests) == [None] * len(requests)


def test_every_table_is_looked_at_once_and_large_ones_in_part_only() -> None:
    node = Watched()
    observe([node], [ROUTE, replace(ROUTE, routing_table=11), FORWARDING], Inventory())
    (wanted,) = node.looks
    assert wanted == {
        **{"link": None, "address": None, "rule": None},
        **{"route": {10, 11}, "sysctl": {FORWARDING.name}},
    }


def test_where_we_made_something_before_is_looked_at_too() -> None:
    node = Watched()
    observe([node], [ROUTE], Inventory(partitions={"route": frozenset({12})}))
    assert node.looks[0]["route"] == frozenset({10, 12})


def test_without_an_inventory_our_marks_are_searched_everywhere() -> None:
    node = Watched()
    node.make(ROUTE)
    assert observe([node], [], Inventory(lost=True)).owned == {ROUTE.key}
    assert node.looks[0]["route"] is None
    assert "sysctl" not in node.looks[0]


def test_a_mark_makes_an_object_ours_and_nothing_else_does() -> None:
    node = Watched()
    node.make(ROUTE, replace(ROUTE, metric=7, protocol=4), ADDRESS)
    seen = observe([node], [ROUTE], Inventory())
    assert seen.owned == {ROUTE.key, ADDRESS.key}
    assert seen.resources[ROUTE.key] == ROUTE


def test_where_the_kernel_keeps_no_mark_the_inventory_says_whose_it_is() -> None:
    node = Watched(keeps_address_protocol=False)
    node.make(ADDRESS)
    assert observe([node], [ADDRESS], Inventory()).owned == set()
    assert observe([node], [ADDRESS], Inventory({ADDRESS.key: {}})).owned == {ADDRESS.key}


def test_an_entry_does_not_make_a_route_ours_that_carries_a_foreign_mark() -> None:
    node = Watched()
    foreign = replace(ROUTE, protocol=4)
    node.make(foreign)
    assert observe([node], [ROUTE], Inventory({ROUTE.key: {}})).owned == set()


def test_what_is_remembered_completes_what_is_seen() -> None:
    node = Watched()
    (found,) = observe([node], [FORWARDING], Inventory({FORWARDING.key: {"before": "0"}})).owned
    assert found == FORWARDING.key
    seen = observe([node], [FORWARDING], Inventory({FORWARDING.key: {"before": "7"}}))
    assert seen.resources[FORWARDING.key] == replace(FORWARDING, value="0", before="7")


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_under_one_key_theirs_is_in_the_way_and_ours_is_removed(order: int) -> None:
    node = Watched()
    theirs = replace(ROUTE, protocol=RTPROT_STATIC, gateway="fe80::1")
    _beside_ours(node, theirs, order)
    wanted = observe([node], [ROUTE], Inventory())
    assert (wanted.resources[ROUTE.key], wanted.owned) == (theirs, frozenset())
    (conflict,) = diff([ROUTE], wanted).conflicts
    assert "not ours and different" in conflict.reason
    unwanted = observe([node], [replace(ROUTE, metric=7)], Inventory())
    assert (unwanted.resources[ROUTE.key], unwanted.owned) == (ROUTE, frozenset({ROUTE.key}))


@pytest.mark.parametrize("order", [1, -1])
def test_what_a_daemon_keeps_beside_ours_is_not_in_the_way(order: int) -> None:
    node = Watched()
    _beside_ours(node, replace(ROUTE, protocol=9, gateway="fe80::1"), order)
    seen = observe([node], [ROUTE], Inventory())
    assert (seen.resources[ROUTE.key], seen.owned) == (ROUTE, frozenset({ROUTE.key}))


def _beside_ours(node: Watched, theirs: Route, order: int) -> None:
    node.make(ROUTE)
    (request,) = theirs.create()
    assert node.send([replace(request, flags=0x400)]) == [None]  # type: ignore[type-var]
    node.kernel.routes._added = node.kernel.routes._added[::order]


def test_a_next_hop_that_is_not_ours_beside_ours_is_a_conflict() -> None:
    node = Watched()
    ours = replace(ROUTE, gateway="fe80::2")
    node.make(ours)
    (request,) = replace(ours, protocol=RTPROT_STATIC, gateway="fe80::1").create()
    assert node.send([replace(request, flags=0xC00)]) == [None]  # type: ignore[type-var]
    (conflict,) = diff([ours], observe([node], [ours], Inventory())).conflicts
    assert conflict.reason == "not ours and different: next_hops 2 → 1"


def test_a_foreign_address_that_would_go_with_ours_is_a_conflict() -> None:
    node = Watched()
    first, foreign = (Address(link="mesh0", address=f"192.0.2.{number}/24") for number in (1, 2))
    node.make(first)
    for theirs in (foreign, replace(foreign, address="192.0.2.3/25"), replace(foreign, address="198.51.100.1/24")):
        packed = ip_interface(theirs.address)
        assert node.send([address_by_hand("mesh0", packed.ip.packed, packed.network.prefixlen)]) == [None]
    (conflict,) = diff([], observe([node], [], Inventory())).conflicts
    assert conflict.key == foreign.key
    assert "stands on address mesh0 192.0.2.1/24" in conflict.reason
    assert diff([first], observe([node], [first], Inventory())).empty


def test_an_address_of_ours_that_goes_with_its_first_is_removed_before_it() -> None:
    node = Watched()
    node.make(*(Address(link="mesh0", address=f"192.0.2.{number}/24") for number in (1, 2)))
    plan = diff([], observe([node], [], Inventory()))
    assert [operation.key.name[1] for operation in plan.operations] == ["192.0.2.2/24", "192.0.2.1/24"]


def test_a_vlan_of_others_is_made_on_the_link_that_was_named() -> None:
    node = Watched()
    index = node.kernel.links.named("mesh0").index
    made = node.kernel.links.add("theirs0", "vlan", lower=index, data={1: b"\x07\0"})
    assert made.lower == index


def test_a_bridge_of_others_that_has_our_tunnel_is_a_conflict_when_the_tunnel_goes() -> None:
    node = Watched()
    tunnel = GreLink(name="ours0", mode="gretap", local="192.0.2.1", remote="192.0.2.2")
    node.make(tunnel)
    bridge = node.kernel.add_link("theirs0", "bridge")
    node.kernel.links.named("ours0").master = bridge.index
    (conflict,) = diff([], observe([node], [], Inventory())).conflicts
    assert conflict.key == Key("link", ("theirs0",))
    assert "stands on link ours0" in conflict.reason
    assert len(diff([replace(tunnel, remote="192.0.2.3")], observe([node], [tunnel], Inventory())).conflicts) == 1
    assert diff([tunnel], observe([node], [tunnel], Inventory())).empty


def test_a_table_that_cannot_be_seen_is_told_and_the_others_are_seen() -> None:
    node = Watched()
    node.make(ROUTE, ADDRESS)
    error = BusyError("not now")
    node.hide("route", error)
    seen = observe([node], [ROUTE], Inventory())
    assert seen.unseen == {"route": error}
    assert seen.owned == {ADDRESS.key}
    assert ROUTE.key not in seen.resources


def test_a_row_that_cannot_be_understood_makes_its_table_unseen() -> None:
    class Garbled(Watched):
        def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
            return {**super().dump(wanted), "address": Dump([b"\xff\xff\xff"], {})}

    seen = observe([Garbled()], [], Inventory())
    assert set(seen.unseen) == {"address"}
    assert isinstance(seen.unseen["address"], RejectedError)
    assert Key("link", ("mesh0",)) in seen.resources


def test_every_kind_is_found_and_has_a_table_that_the_fake_serves() -> None:
    assert set(kinds()) <= FakeNode.tables
    assert all(kind.table == table for table, members in kinds().items() for kind in members)
    assert "thing" not in kinds()


class Digested(Watched):
    """A fake node whose dumps have digests."""

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        found = super().dump(wanted)
        return {
            table: dump if isinstance(dump, BackendError) else replace(dump, digest=(repr(list(dump.rows)), table))
            for table, dump in found.items()
        }


@pytest.mark.parametrize("kind", [Watched, Digested])
def test_what_is_as_it_was_is_the_same_observation(kind: type[Watched]) -> None:
    node, desired, inventory = kind(), Desired((ROUTE, ADDRESS)), Inventory()
    observer = Observer([node])
    first = observer.look(desired, inventory)
    assert observer.look(desired, inventory) is first
    node.make(ROUTE)
    second = observer.look(desired, inventory)
    assert second is not first
    assert ROUTE.key in second.resources
    assert observer.look(desired, inventory) is second
    assert observer.look(desired, inventory, {"route"}) is second


@pytest.mark.parametrize("kind", [Watched, Digested])
def test_the_same_rows_are_read_anew_for_another_wish_or_inventory(kind: type[Watched]) -> None:
    node = kind(keeps_address_protocol=False)
    node.make(ADDRESS)
    observer = Observer([node])
    desired = Desired([ADDRESS])
    assert ADDRESS.key not in observer.look(desired, Inventory()).owned
    ours = Inventory().with_made([(ADDRESS, None)])
    assert ADDRESS.key in observer.look(desired, ours).owned
    other = Desired([ROUTE])
    assert observer.look(other, ours) == Observer([node]).look(other, ours)
