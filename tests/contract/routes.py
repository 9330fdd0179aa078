"""What is promised about IPv6 routes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from intent.resources import netlink
from intent.resources.netlink import NetlinkRequest
from intent.resources.resource import Change
from intent.resources.route import PROTOCOL_HELD, PROTOCOL_WITHDRAWN, RTPROT_STATIC, Route
from reconciler.core.errors import OccupiedError, RejectedError, StaleError
from tests.contract.node import ContractNode, address_by_hand

TABLE = 10
PLAIN = Route(routing_table=TABLE, destination="2001:db8:1::/48", link="mesh0")
ONLINK = Route(routing_table=TABLE, destination="2001:db8:2::/48", link="mesh0", gateway="2001:db8:ffff::1")
LINK_LOCAL = replace(ONLINK, gateway="fe80::1234")
EXIT = Route(routing_table=TABLE, destination="::/0", source="2001:db8:42::/56", link="mesh0", gateway="fd00:aa::1")
GUARD = Route(
    routing_table=TABLE,
    destination="2001:db8:42::/56",
    kind="unreachable",
    metric=4096,
    protocol=PROTOCOL_HELD,
)
ALL = {
    "plain": PLAIN,
    "onlink gateway": ONLINK,
    "link-local gateway": LINK_LOCAL,
    "source-specific": EXIT,
    "source-specific without gateway": replace(EXIT, gateway=None),
    "source and destination": replace(ONLINK, source="2001:db8:42::/56"),
    "host route": replace(PLAIN, destination="2001:db8:1::1/128"),
    "unreachable": GUARD,
    "source-specific unreachable": replace(GUARD, source="2001:db8:43::/64"),
    "metric 1": replace(PLAIN, metric=1),
    "largest metric": replace(PLAIN, metric=2**32 - 1),
    "table above 255": replace(PLAIN, routing_table=70_000),
    "table main": replace(PLAIN, routing_table=254),
    "withdrawn": EXIT.withdrawn(),
}
UPDATES = {
    "gateway": (ONLINK, replace(ONLINK, gateway="2001:db8:ffff::2")),
    "gateway gone": (ONLINK, replace(ONLINK, gateway=None)),
    "gateway new": (PLAIN, replace(PLAIN, gateway="fe80::1")),
    "link": (PLAIN, replace(PLAIN, link="mesh1")),
    "link and gateway": (EXIT, replace(EXIT, link="mesh1", gateway="fd00:bb::1")),
    "protocol": (EXIT, replace(EXIT, protocol=PROTOCOL_WITHDRAWN)),
    "unicast to unreachable": (EXIT, replace(EXIT, kind="unreachable", link=None, gateway=None)),
    "unreachable to unicast": (GUARD, replace(GUARD, kind="unicast", link="mesh0")),
    "protocol of an unreachable one": (GUARD, replace(GUARD, protocol=242)),
}

NLM_F_APPEND = 0x800
BESIDE = {
    "both with a gateway": (EXIT, "fe80::9"),
    "theirs with a gateway": (PLAIN, "fe80::9"),
    "ours with a gateway": (EXIT, None),
    "none with a gateway": (PLAIN, None),
}


def seen(node: ContractNode, like: Route) -> Route | None:
    found = node.seen("route", frozenset({like.routing_table})).get(like.key)
    assert found is None or isinstance(found, Route)
    return found


def append(node: ContractNode, *routes: Route) -> None:
    """Add routes beside what is there under the same key, as ``ip -6 route append`` does."""
    for route in routes:
        (request,) = route.create()
        assert isinstance(request, NetlinkRequest)
        assert node.send(replace(request, flags=netlink.NLM_F_CREATE | NLM_F_APPEND)) == [None]


def ways(node: ContractNode) -> list[Route]:
    """Return all routes of our table, those under one key too."""
    dump = node.dump("route", frozenset({TABLE}))
    return [route for row in dump.rows if (route := Route.decode(row, dump.context)) is not None]


class RouteContract:
    @pytest.mark.parametrize("route", ALL.values(), ids=ALL)
    def test_what_is_created_is_seen_as_it_was_asked_for(self, node: ContractNode, route: Route) -> None:
        node.make(route)
        assert seen(node, route) == route
        assert route.owned()

    @pytest.mark.parametrize("route", ALL.values(), ids=ALL)
    def test_created_twice_it_is_occupied(self, node: ContractNode, route: Route) -> None:
        node.make(route)
        (answer,) = node.send(*replace(route, link=route.link and "mesh1").create())
        assert isinstance(answer, OccupiedError)
        assert seen(node, route) == route

    @pytest.mark.parametrize("route", ALL.values(), ids=ALL)
    def test_deleted_it_is_gone_and_deleted_again_that_is_no_error(self, node: ContractNode, route: Route) -> None:
        node.make(route)
        assert node.send(*route.delete()) == [None]
        assert seen(node, route) is None
        assert node.send(*route.delete()) == [None]

    @pytest.mark.parametrize(("before", "after"), UPDATES.values(), ids=UPDATES)
    def test_every_field_changes_in_place(self, node: ContractNode, before: Route, after: Route) -> None:
        node.make(before)
        changes = after.changes(before)
        assert changes
        assert node.send(*after.update(before, changes)) == [None]
        assert seen(node, after) == after
        assert len(node.rows("route", frozenset({TABLE}))) == 1

    def test_routes_that_differ_in_source_or_metric_stand_side_by_side(self, node: ContractNode) -> None:
        others = [replace(EXIT, source="2001:db8:43::/56"), replace(EXIT, metric=2048), replace(EXIT, source="::/0")]
        several = [EXIT, *others]
        node.make(*several)
        assert set(node.seen("route", frozenset({TABLE})).values()) == set(several)
        assert node.send(*EXIT.delete()) == [None]
        assert set(node.seen("route", frozenset({TABLE})).values()) == set(others)

    @pytest.mark.parametrize(("route", "gateway"), BESIDE.values(), ids=BESIDE)
    @pytest.mark.parametrize("ours_first", [True, False])
    def test_a_foreign_way_beside_ours_stays_when_ours_is_deleted(
        self, node: ContractNode, route: Route, gateway: str | None, ours_first: bool
    ) -> None:
        theirs = replace(route, protocol=RTPROT_STATIC, link="mesh1", gateway=gateway)
        append(node, *((route, theirs) if ours_first else (theirs, route)))
        assert node.send(*route.delete()) == [None]
        assert ways(node) == [theirs]

    @pytest.mark.parametrize("ours_first", [True, False])
    def test_a_route_of_several_next_hops_is_not_ours_and_differs(self, node: ContractNode, ours_first: bool) -> None:
        theirs = replace(EXIT, protocol=RTPROT_STATIC, link="mesh1", gateway="fe80::9")
        append(node, *((EXIT, theirs) if ours_first else (theirs, EXIT)))
        (found,) = ways(node)
        assert EXIT.changes(found)["next_hops"] == Change(2, 1)
        assert not found.owned()
        assert not found.automatic()
        append(node, replace(theirs, gateway="fe80::a"))
        (found,) = ways(node)
        assert EXIT.changes(found)["next_hops"] == Change(3, 1)

    def test_one_of_another_protocol_is_not_deleted(self, node: ContractNode) -> None:
        foreign = replace(EXIT, protocol=4)
        node.make(foreign)
        assert node.send(*EXIT.delete()) == [None]
        assert seen(node, foreign) == foreign
        assert not foreign.owned()

    def test_a_thousand_routes_go_out_at_once(self, node: ContractNode) -> None:
        thousand = [replace(EXIT, source=f"2001:db8:{number:x}::/48") for number in range(1, 1001)]
        node.make(*thousand)
        assert set(node.seen("route", frozenset({TABLE})).values()) == set(thousand)
        assert node.send(*(request for route in thousand for request in route.delete())) == [None] * 1000
        assert node.rows("route", frozenset({TABLE})) == []

    def test_each_of_many_refusals_lies_with_its_request(self, node: ContractNode) -> None:
        node.make(*(replace(PLAIN, metric=number) for number in range(10, 40, 2)))
        metrics = range(10, 40)
        answers = node.send(*(request for number in metrics for request in replace(PLAIN, metric=number).create()))
        assert [isinstance(answer, OccupiedError) for answer in answers] == [number % 2 == 0 for number in metrics]
        assert all(answer is None or PLAIN.destination in str(answer) for answer in answers)

    def test_an_unknown_link_is_stale_and_the_others_are_done(self, node: ContractNode) -> None:
        lost = replace(PLAIN, link="absent", metric=7)
        answers = node.send(*PLAIN.create(), *lost.create(), *EXIT.create())
        assert [type(answer) for answer in answers] == [type(None), StaleError, type(None)]
        assert "absent" in str(answers[1])
        assert seen(node, EXIT) == EXIT

    def test_a_link_that_is_down_carries_no_route(self, node: ContractNode) -> None:
        node.make(PLAIN, EXIT, GUARD, replace(PLAIN, metric=9, link="mesh1"))
        node.set_link("mesh0", up=False)
        assert [seen(node, route) for route in (PLAIN, EXIT)] == [None, None]
        assert seen(node, GUARD) == GUARD
        assert seen(node, replace(PLAIN, metric=9)) is not None
        (answer,) = node.send(*PLAIN.create())
        assert isinstance(answer, StaleError)
        node.set_link("mesh0", up=True)
        assert seen(node, PLAIN) is None
        node.make(PLAIN)

    def test_a_gateway_that_another_link_reaches_is_rejected(self, node: ContractNode) -> None:
        there = IPv6Address("2001:db8:ffff::9")
        assert node.send(address_by_hand("mesh1", there.packed, 64)) == [None]
        (answer,) = node.send(*ONLINK.create())
        assert isinstance(answer, RejectedError)
        assert node.rows("route", frozenset({TABLE})) == []

    def test_only_the_named_tables_are_seen(self, node: ContractNode) -> None:
        elsewhere = replace(PLAIN, routing_table=11)
        node.make(PLAIN, elsewhere)
        assert set(node.seen("route", frozenset({TABLE}))) == {PLAIN.key}
        assert set(node.seen("route", frozenset({TABLE, 11}))) == {PLAIN.key, elsewhere.key}
        assert {PLAIN.key, elsewhere.key} <= set(node.seen("route", None))

    def test_a_table_that_nobody_has_used_has_no_routes(self, node: ContractNode) -> None:
        assert node.rows("route", frozenset({4242})) == []

    def test_a_route_of_an_address_is_the_kernels_own(self, node: ContractNode) -> None:
        assert node.send(address_by_hand("mesh0", IPv6Address("2001:db8:5::1").packed, 64)) == [None]
        route = seen(node, Route(routing_table=254, destination="2001:db8:5::/64", metric=256))
        assert route is not None
        assert route.link == "mesh0"
        assert route.automatic()
        assert not route.owned()
