"""Which way traffic leaves the mesh from here, by what babeld knows."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.backends.babel_table import Known, Route, Xroute
from reconciler.services.statistics import ways_out as module
from reconciler.services.statistics.ways_out import Leaving, WayOut, WaysOut, ways_out
from tests import figures as node

OWN_ROUTER = "02:00:00:ff:fe:00:00:0a"
ANY, ANY_IPV4 = "::/0", "0.0.0.0/0"


def default(source: str = ANY, via: str = "fe80::b", metric: int = 96, **others: Any) -> Route:
    route = Route(ANY, source, True, f"02:00:00:ff:fe:00:00:{via[-1:]:0>2}", metric, 0, via, "mesh0")
    return route._replace(**others)


def known(defaults: Iterable[Route] = (), xroutes: Iterable[Xroute] = ()) -> Known:
    return node.KNOWN._replace(defaults=tuple(defaults), xroutes=tuple(xroutes))


def found(*defaults: Route, own: Iterable[str] = (), exits: Iterable[str] = (), **others: Any) -> WaysOut:
    return ways_out(known(defaults, **others), exits, own)


def via(way: WayOut | None) -> str | None:
    """Return in short where a way goes."""
    return None if way is None else "here" if way.here else f"{way.source} {way.next_hop}"


def test_without_any_way_out_there_is_none() -> None:
    assert found(own=["2001:db8:42::1"]) == WaysOut((), None, None)


def test_one_for_all_takes_what_the_node_sends() -> None:
    ways = found(default(), own=["fd00::a"])
    assert ways.ipv6 == WayOut(ANY, ANY, False, "02:00:00:ff:fe:00:00:0b", "fe80::b", "mesh0", 96, True)
    assert ways.ways == (ways.ipv6,)
    assert ways.ipv4 is None


def test_the_longest_source_prefix_with_an_own_address_wins_whatever_it_costs() -> None:
    ways = found(
        default(),
        default("2001:db8::/32", "fe80::c", 200),
        default("2001:db8:42::/56", "fe80::d", 3000),
        default("2001:db8:42:100::/56", "fe80::e", 1),
        own=["2001:db8:42::1"],
    )
    assert via(ways.ipv6) == "2001:db8:42::/56 fe80::d"
    assert [one.source for one in ways.ways] == [ANY, "2001:db8::/32", "2001:db8:42::/56", "2001:db8:42:100::/56"]
    assert [one.contains_own for one in ways.ways] == [True, True, True, False]


def test_of_several_own_addresses_the_one_in_the_longest_prefix_counts() -> None:
    ways = found(
        default("2001:db8:42::/56", "fe80::c"),
        default("2001:db8:43::/64", "fe80::d"),
        own=["2001:db8:42::1", "2001:db8:43::1"],
    )
    assert via(ways.ipv6) == "2001:db8:43::/64 fe80::d"


def test_only_for_others_the_one_that_costs_least_is_shown_but_one_for_all_comes_first() -> None:
    others = default("2001:db8:42::/56", "fe80::c", 300), default("2001:db8:43::/48", "fe80::d", 200)
    ways = found(*others, own=["fd00::a"])
    assert via(ways.ipv6) == "2001:db8:43::/48 fe80::d"
    assert ways.ipv6 is not None
    assert not ways.ipv6.contains_own
    assert via(found(*others, default(metric=9000)).ipv6) == f"{ANY} fe80::b"


def test_what_leaves_here_is_told_without_a_neighbour() -> None:
    ways = found(xroutes=[Xroute(ANY, "2001:db8:42::/56", 128)], own=["2001:db8:42::1"])
    assert ways.ipv6 == WayOut(ANY, "2001:db8:42::/56", True, OWN_ROUTER, None, None, 128, True)


def test_an_own_exit_wins_over_one_that_is_learned_for_the_same_source() -> None:
    learned = default("2001:db8:42::/56", metric=1)
    for ways in (
        found(learned, xroutes=[Xroute(ANY, "2001:db8:42::/56", 0)], own=["2001:db8:42::1"]),
        found(learned, exits=["2001:db8:42::/56"], own=["2001:db8:42::1"]),
    ):
        assert (len(ways.ways), via(ways.ipv6)) == (1, "here")


def test_an_own_exit_for_others_does_not_take_what_the_node_sends_elsewhere() -> None:
    ways = found(default("2001:db8:42::/56", "fe80::c"), exits=["2001:db8:43::/56"], own=["2001:db8:42::1"])
    assert via(ways.ipv6) == "2001:db8:42::/56 fe80::c"
    assert [one.here for one in ways.ways] == [False, True]


def test_an_exit_with_no_address_in_any_prefix_shows_itself() -> None:
    ways = found(default("2001:db8:42::/56", "fe80::c", 1), exits=["2001:db8:43::/56"])
    assert via(ways.ipv6) == "here"


def test_an_exit_that_is_being_withdrawn_is_none() -> None:
    assert found(xroutes=[Xroute(ANY, "2001:db8:42::/56", 65534)]).ways == ()


def test_other_announcements_are_no_way_out() -> None:
    assert found(xroutes=[Xroute("2001:db8:42::/56", ANY, 0), Xroute("fd00::a/128", ANY, 0)]).ways == ()


def test_a_route_that_is_not_installed_or_is_down_takes_nothing() -> None:
    down = default("2001:db8:42::/56", metric=65535)
    fallback = default("2001:db8:43::/56", installed=False)
    assert found(down, fallback, own=["2001:db8:42::1", "2001:db8:43::1"]).ways == ()


def test_the_families_are_apart() -> None:
    for any_source in (ANY, ANY_IPV4):
        ways = found(
            default(),
            default(any_source, "fe80::c", destination=ANY_IPV4),
            default("10.0.0.0/8", "fe80::d", destination=ANY_IPV4),
            own=["10.1.2.3", "fd00::a"],
        )
        assert (via(ways.ipv6), via(ways.ipv4)) == (f"{ANY} fe80::b", "10.0.0.0/8 fe80::d")
        assert [one.source for one in ways.ways] == [ANY_IPV4, "10.0.0.0/8", ANY]


def test_a_default_route_of_ipv4_that_leaves_here() -> None:
    assert via(found(xroutes=[Xroute(ANY_IPV4, ANY, 0)], own=["10.0.0.1"]).ipv4) == "here"


def test_what_is_no_prefix_and_no_address_is_left_out() -> None:
    ways = found(default("nonsense"), default("10.0.0.0/8"), own=["nonsense"], exits=["nonsense:"])
    assert ways == WaysOut((), None, None)


def test_without_babeld_own_exits_are_still_known() -> None:
    ways = ways_out(None, ["2001:db8:42::/56"], ["2001:db8:42::1"])
    assert ways.ipv6 == WayOut(ANY, "2001:db8:42::/56", True, "", None, None, 0, True)


PREFIXES = ["2001:db8::/32", "2001:db8:42::/48", "2001:db8:42::/56", "2001:db8:42:100::/56", "2001:db8:43::/56", ANY]
ADDRESSES = ["2001:db8::1", "2001:db8:42::1", "2001:db8:42:100::1", "2001:db8:43::1", "fd00::1"]
DEFAULTS = st.lists(
    st.builds(
        default,
        st.sampled_from(PREFIXES),
        st.sampled_from(["fe80::b", "fe80::c"]),
        st.integers(0, 70_000),
        installed=st.booleans(),
    ),
    max_size=8,
)


@given(DEFAULTS, st.lists(st.sampled_from(PREFIXES), max_size=2), st.lists(st.sampled_from(ADDRESSES), max_size=2))
def test_what_the_kernel_would_do_is_told(defaults: list[Route], exits: list[str], own: list[str]) -> None:
    """The kernel takes, for a source address, the matching default route of the longest source prefix (RFC 9079)."""
    ways = ways_out(known(defaults), exits, own)
    there = {one.source for one in defaults if one.installed and one.metric < 65535} | set(exits)
    assert {one.source for one in ways.ways} == there
    assert len(ways.ways) == len(there)
    matching = [
        ip_network(source).prefixlen for source in there for one in own if ip_address(one) in ip_network(source)
    ]
    assert (ways.ipv6 is None) == (not there)
    if ways.ipv6 is not None:
        assert ways.ipv6.here == (ways.ipv6.source in exits)
        assert ways.ipv6.contains_own == bool(matching)
    if ways.ipv6 is not None and matching:
        assert ip_network(ways.ipv6.source).prefixlen == max(matching)


@given(DEFAULTS, st.lists(st.sampled_from(ADDRESSES), max_size=3), st.randoms())
def test_the_order_of_neighbours_and_addresses_says_nothing(defaults: list[Route], own: list[str], random: Any) -> None:
    # Of one source prefix only one route is installed.
    defaults = list({one.source: one for one in defaults}.values())
    before = ways_out(known(defaults), (), own)
    random.shuffle(defaults)
    assert ways_out(known(defaults), (), own[::-1]) == before


# From the figures of a node.


def test_the_node_with_an_exit() -> None:
    ways = module.of(node.FakeFigures())
    assert ways is not None
    assert [via(one) for one in ways.ways] == ["here", "2001:db8:77::/48 fe80::b"]
    assert via(ways.ipv6) == "here"


def test_addresses_in_the_mesh_count_and_those_of_uplinks_only_without_them() -> None:
    routes = [default("2001:db8:42::/56", "fe80::c"), default("2001:db8:ffff::/48", "fe80::d")]
    addresses = {"eth0": ("2001:db8:ffff::1",), "mesh0": ("fe80::a",), "lo": ("::1",)}
    figures = node.FakeFigures(babel=node.BABEL._replace(known=known(routes)), addresses=addresses, status=None)
    assert via(getattr(module.of(figures), "ipv6")) == "2001:db8:ffff::/48 fe80::d"  # noqa: B009
    figures.set(addresses={**addresses, "lo": ("2001:db8:42::1",)})
    assert via(getattr(module.of(figures), "ipv6")) == "2001:db8:42::/56 fe80::c"  # noqa: B009
    announced = [Xroute("2001:db8:ffff::2/128", ANY, 0), Xroute("fd00::/8", ANY, 0)]
    figures.set(addresses={}, babel=node.BABEL._replace(known=known(routes, announced)))
    assert via(getattr(module.of(figures), "ipv6")) == "2001:db8:ffff::/48 fe80::d"  # noqa: B009


def test_while_babeld_is_away_only_what_leaves_here_is_known() -> None:
    figures = node.FakeFigures()
    figures.know(None, "babeld does not run")
    ways = module.of(figures)
    assert ways is not None
    assert [via(one) for one in ways.ways] == ["here"]
    figures.set(status=None)
    assert module.of(figures) is None
    figures.set(babel=None)
    assert module.of(figures) == module.NOWHERE


def test_it_is_put_together_once_until_something_changes() -> None:
    figures = node.FakeFigures()
    leaving = Leaving(figures)
    first = leaving.now()
    assert leaving.now() is first
    figures.know(node.KNOWN._replace(neighbours=()))
    assert leaving.now() is first
    figures.know(known([default("2001:db8:77::/48", "fe80::c")]))
    assert leaving.now() != first


def test_of_many_defaults_only_those_that_changed_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = module._source

    def reads(destination: str, source: str, addresses: Any) -> Any:
        read.append(source)
        return real(destination, source, addresses)

    monkeypatch.setattr(module, "_source", reads)
    routes = [default(f"2001:db8:{number:x}::/48", "fe80::c") for number in range(100)]
    addresses = {"lo": ("2001:db8:5::1",)}
    figures = node.FakeFigures(addresses=addresses, status=None)
    figures.know(known(routes))
    leaving = Leaving(figures)
    first = leaving.now()
    assert len(read) == 100
    routes[5] = routes[5]._replace(metric=7)
    routes[7] = default("2001:db8:fff::/48", "fe80::c")
    figures.know(known(routes))
    second = leaving.now()
    assert read[100:] == ["2001:db8:fff::/48"]
    assert first is not None
    assert second is not None
    assert second.ipv6 is not None
    assert (second.ipv6.metric, len(set(second.ways) - set(first.ways))) == (7, 2)
    figures.set(addresses={"lo": ("2001:db8:6::1",)})
    third = leaving.now()
    assert third is not None
    assert via(third.ipv6) == "2001:db8:6::/48 fe80::c"


ANNOUNCED = st.lists(
    st.tuples(st.sampled_from([*ADDRESSES, "10.0.0.1", "fe80::1", "x"]), st.integers(-1, 129)).map(
        lambda one: f"{one[0]}/{one[1]}"
    ),
    max_size=5,
)


@given(ANNOUNCED, st.lists(st.sampled_from([*ADDRESSES, "10.0.0.1", "10.255.0.1"]), max_size=3))
def test_an_address_in_what_is_announced_is_an_own_one(announced: list[str], addresses: list[str]) -> None:
    figures = node.FakeFigures(addresses={"clients": tuple(addresses)}, status=None)
    figures.know(known([], [Xroute(one, ANY, 0) for one in announced]))

    def network(text: str) -> Any:
        try:
            return ip_network(text, strict=False)
        except ValueError:
            return None

    networks = [one for one in map(network, announced) if one is not None and one.prefixlen]
    inside = {one for one in addresses if any(ip_address(one) in prefix for prefix in networks)}
    assert set(Leaving(figures).mesh_addresses()) == inside
