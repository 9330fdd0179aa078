"""What is promised about links of kinds that every kernel has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from intent.resources.address import Address
from intent.resources.gre_link import GreLink
from intent.resources.link import ForeignLink, Link, key
from intent.resources.resource import Resource
from reconciler.core.errors import OccupiedError, RejectedError, StaleError, UnsupportedError
from tests.contract.addresses import on
from tests.contract.node import ContractNode, link_by_hand
from tests.contract.routes import PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge(Link):
    """A link of ours of a kind that every kernel has. It names no table, so that it is not among `kinds`."""

    def kind(self) -> str:
        return "bridge"

    def describe(self) -> str:
        return f"link {self.name} type bridge"

    @classmethod
    def decode(cls, row: Any, context: Any) -> Self | None:
        raise NotImplementedError


BRIDGE = Bridge(name="ours0", mtu=1400)


def seen(node: ContractNode, name: str) -> Resource | None:
    return node.seen("link").get(key(name))


class LinkContract:
    def test_what_is_created_carries_our_mark(self, node: ContractNode) -> None:
        node.make(BRIDGE)
        found = seen(node, "ours0")
        assert found == ForeignLink(name="ours0", mtu=1400, up=True, ours=True, sort="bridge")

    def test_one_of_a_kind_that_we_do_not_make_is_not_ours_whatever_marks_it_carries(self, node: ContractNode) -> None:
        node.make(BRIDGE)
        found = seen(node, "ours0")
        assert found is not None
        assert not found.owned()

    def test_it_carries_our_mark_from_its_first_moment(self, node: ContractNode) -> None:
        assert node.send(BRIDGE.create()[0]) == [None]
        found = seen(node, "ours0")
        assert isinstance(found, ForeignLink)
        assert found.ours

    def test_created_twice_it_is_occupied(self, node: ContractNode) -> None:
        node.make(BRIDGE)
        assert isinstance(node.send(BRIDGE.create()[0])[0], OccupiedError)

    def test_the_name_of_a_foreign_link_is_occupied(self, node: ContractNode) -> None:
        (answer,) = node.send(Bridge(name="mesh0").create()[0])
        assert isinstance(answer, OccupiedError)
        found = seen(node, "mesh0")
        assert isinstance(found, ForeignLink)
        assert not found.owned()

    def test_deleted_it_is_gone_and_deleted_again_that_is_no_error(self, node: ContractNode) -> None:
        node.make(BRIDGE)
        assert node.send(*BRIDGE.delete()) == [None]
        assert seen(node, "ours0") is None
        assert node.send(*BRIDGE.delete()) == [None]

    def test_mtu_and_state_change_in_place(self, node: ContractNode) -> None:
        node.make(BRIDGE)
        other = Bridge(name="ours0", mtu=1300, up=False)
        requests = other.update(BRIDGE, other.changes(BRIDGE))
        assert node.send(*requests) == [None] * len(requests)
        found = seen(node, "ours0")
        assert isinstance(found, ForeignLink)
        assert (found.mtu, found.up, found.ours) == (1300, False, True)

    def test_a_change_of_a_link_that_is_gone_is_stale(self, node: ContractNode) -> None:
        other = Bridge(name="ours0", mtu=1300)
        (answer,) = node.send(*other.update(BRIDGE, other.changes(BRIDGE)))
        assert isinstance(answer, StaleError)

    def test_an_mtu_that_is_no_mtu_is_rejected(self, node: ContractNode) -> None:
        node.make(BRIDGE)
        other = Bridge(name="ours0", mtu=70_000)
        (answer,) = node.send(*other.update(BRIDGE, other.changes(BRIDGE)))
        assert isinstance(answer, RejectedError)

    def test_a_link_and_what_stands_on_it_go_out_at_once(self, node: ContractNode) -> None:
        address = on("fd00::1/64", "ours0")
        assert node.send(*BRIDGE.create(), *address.create()) == [None] * 4
        assert node.seen("address")[address.key] == address

    def test_a_link_that_is_deleted_takes_its_addresses_and_routes_along(self, node: ContractNode) -> None:
        route = replace(PLAIN, link="ours0")
        node.make(BRIDGE, on("fd00::1/64", "ours0"), on("192.0.2.1/24", "ours0"), route)
        assert route.key in node.seen("route", frozenset({route.routing_table}))
        assert node.send(*BRIDGE.delete()) == [None]
        addresses = [address for address in node.seen("address").values() if isinstance(address, Address)]
        assert "ours0" not in {address.link for address in addresses}
        assert node.rows("route", frozenset({route.routing_table})) == []

    def test_an_mtu_below_1280_ends_ipv6_on_a_link(self, node: ContractNode) -> None:
        node.make(BRIDGE, on("fd00::1/64", "ours0"), on("192.0.2.1/24", "ours0"))
        other = Bridge(name="ours0", mtu=1200)
        assert node.send(*other.update(BRIDGE, other.changes(BRIDGE))) == [None]
        assert on("fd00::1/64", "ours0").key not in node.seen("address")
        assert on("192.0.2.1/24", "ours0").key in node.seen("address")

    def test_one_by_hand_is_not_ours(self, node: ContractNode) -> None:
        assert node.send(link_by_hand("theirs0", "bridge")) == [None]
        assert seen(node, "theirs0") == ForeignLink(name="theirs0", mtu=1500, up=False, sort="bridge")

    def test_the_loopback_link_is_seen(self, node: ContractNode) -> None:
        found = seen(node, "lo")
        assert isinstance(found, ForeignLink)
        assert found.up
        assert not found.owned()


class LackContract:
    """On a node that cannot make GRE tunnels."""

    def test_it_is_said_before_anything_is_changed(self, node: ContractNode) -> None:
        before = node.seen("link")
        tunnel = GreLink(name="gre7", mode="ip6gre", local="fd00::1", remote="fd00::2")
        (lack,) = node.lacks(*tunnel.create())
        assert isinstance(lack, UnsupportedError)
        assert "ip6_gre" in str(lack)
        # Not the rows themselves: a link that has just come up still settles.
        assert node.seen("link") == before

    def test_several_of_a_kind_lack_one_thing(self, node: ContractNode) -> None:
        tunnels = [GreLink(name=f"g{n}", mode="gre", local="192.0.2.1", remote=f"192.0.2.{n}") for n in range(2, 5)]
        assert len(node.lacks(*(request for tunnel in tunnels for request in tunnel.create()))) == 1

    def test_what_it_can_make_is_not_lacking(self, node: ContractNode) -> None:
        assert node.lacks(*BRIDGE.create(), *PLAIN.create()) == []

    def test_tried_all_the_same_it_is_unsupported(self, node: ContractNode) -> None:
        tunnel = GreLink(name="gre7", mode="ip6gre", local="fd00::1", remote="fd00::2")
        assert isinstance(node.send(tunnel.create()[0])[0], UnsupportedError)
