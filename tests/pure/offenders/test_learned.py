"""What of others is read out of a dump."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.offences import Announced, Offence, Prefixes, Touch, draws
from intent.resources.babel_learned import MOST_KEPT, LearnedRoutes
from intent.resources.babel_route import BabelRoute
from intent.resources.babel_wire import RouteRow, XrouteRow
from tests.pure.offenders.prefixes import pairs

EXIT = XrouteRow("s", "::/0", "2001:db8:42::/56", 0)


def line(
    route: tuple[str, str],
    router: str = "02:00:00:00:00:00:00:0d",
    metric: int = 96,
    installed: str = "yes",
    via: str = "fe80::7",
) -> bytes:
    return (
        f"add route 55a9d22d1f40 prefix {route[0]} from {route[1]} installed {installed} id {router} metric {metric} "
        f"refmetric 0 via {via} if mesh0"
    ).encode()


def read(lines: list[bytes], *announced: XrouteRow, own: tuple[str, ...] = ()) -> list[RouteRow]:
    return LearnedRoutes().of_concern("s", lines, announced, own)


def test_a_row_says_who_announces_what_and_how_it_came() -> None:
    (row,) = read([line(("::/0", "::/0"), installed="no")])
    assert row == RouteRow(
        *("s", "::/0", "::/0", "02:00:00:00:00:00:00:0d", "fe80::7", "mesh0"), 96, False, Touch(Offence.DEFAULT, None)
    )


def test_of_one_router_the_way_in_use_is_told_or_else_the_best() -> None:
    place = ("::/0", "2001:db8:42:1::/64")
    ways = [line(place, metric=300, installed="no", via="fe80::3"), line(place, metric=200, via="fe80::2")]
    ways += [line(place, metric=100, installed="no", via="fe80::1")]
    (row,) = read(ways, EXIT)
    assert row.neighbour == "fe80::2"
    (row,) = read([ways[0], ways[2]], EXIT)
    assert row.neighbour == "fe80::1"


def test_two_routers_are_two_rows() -> None:
    rows = read([line(("::/0", "::/0"), router="02:0d"), line(("::/0", "::/0"), router="02:0e")])
    assert [row.router_id for row in rows] == ["02:0d", "02:0e"]


def test_what_was_retracted_or_is_our_own_is_none() -> None:
    place = ("::/0", "::/0")
    assert read([line(place, metric=65535, installed="no"), line(place, router="02:01")], own=("02:01",)) == []


def test_what_babeld_keeps_as_unreachable_draws_traffic_and_is_no_offender_any_more() -> None:
    place = Prefixes("::/0", "2001:db8:42:1::/64")
    (row,) = read([line(place, metric=65535)], EXIT)
    assert draws(row.touch, place)
    assert BabelRoute.decode(row, None) is None
    assert BabelRoute.decode(row._replace(metric=65534), None) is not None


def test_what_we_retract_ourselves_is_not_ours_any_more() -> None:
    place = ("::/0", "2001:db8:42::/56")
    assert len(read([line(place)], EXIT)) == 1
    assert read([line(place)], EXIT._replace(metric=65534)) == []


def test_it_follows_what_is_announced() -> None:
    learned, lines = LearnedRoutes(), [line(("::/0", "2001:db8:42:1::/64"))]
    for announced in ([EXIT], [], [EXIT]):
        assert len(learned.of_concern("s", lines, announced, ())) == len(announced)


NETWORK = XrouteRow("s", "2001:db8:200:10::/64", "::/0", 0)
WHOLE = line(("::/0", "2001:db8:200::/56"), router="02:0e")
DRAWN = ("::/0", "2001:db8:200:10::/64")


@pytest.mark.parametrize("source", ["2001:db8:200:10::/64", "2001:db8:200:10::/72"])
@pytest.mark.parametrize("destination", ["::/0", "2000::/3"])
def test_a_way_out_for_our_clients_alone_beside_that_of_their_exit_offends(destination: str, source: str) -> None:
    (row,) = read([WHOLE, line((destination, source))], NETWORK)
    assert (row.source, row.touch) == (source, (Offence.CLIENTS, (NETWORK.destination, "::/0")))


def test_without_another_router_that_serves_them_too_it_is_their_exit() -> None:
    assert read([line(DRAWN)], NETWORK) == []
    assert read([line(DRAWN), line(("::/0", "2001:db8:200::/56"))], NETWORK) == [], "the same router"
    assert read([line(DRAWN), line(("::/0", "2001:db8:300::/56"), router="02:0e")], NETWORK) == []
    gone = line(("::/0", "2001:db8:200::/56"), router="02:0e", metric=65535, installed="no")
    assert read([line(DRAWN), gone], NETWORK) == []
    assert read([WHOLE, line(("::/0", "2001:db8:200:11::/64"))], NETWORK) == [], "clients of others"


def test_parts_of_the_exits_of_this_mesh_offend_everywhere() -> None:
    exits = frozenset({"2001:db8:200::/56", "2001:db8:200:80::/60"})
    lines = [WHOLE, *(line((to, source)) for to in ("::/0", "2000::/3") for source in (DRAWN[1], "2001:db8:200::/56"))]
    lines += [line(("::/0", source)) for source in ("2001:db8:200:80::/60", "2001:db8:300::/64", "2001:db8::/32")]
    rows = LearnedRoutes().of_concern("s", lines, (), (), exits)
    whole = Prefixes("::/0", "2001:db8:200::/56")
    assert {(row.destination, row.source): row.touch for row in rows} == {
        ("::/0", DRAWN[1]): (Offence.PART, whole),
        ("2000::/3", DRAWN[1]): (Offence.PART, whole),
        ("2000::/3", "2001:db8:200::/56"): (Offence.PART, whole),
    }


def test_a_flood_is_cut() -> None:
    lines = [line(("::/0", f"2001:db8:42:{n >> 8:x}:{n & 255:x}::/80")) for n in range(3 * MOST_KEPT)]
    assert len(read(lines, EXIT)) == MOST_KEPT


@given(st.lists(st.tuples(pairs, st.integers(0, 65535), st.sampled_from(["02:0d", "02:0e"])), max_size=20))
def test_it_tells_what_touches_us_and_nothing_else(routes: list[tuple[Prefixes, int, str]]) -> None:
    lines = [line(route, router, metric, "no") for route, metric, router in routes]
    ours = Announced([Prefixes(EXIT.destination, EXIT.source)])
    expected = {(*route, router) for route, metric, router in routes if metric < 65535 and ours.touched_by(route)}
    assert {(row.destination, row.source, row.router_id) for row in read(lines, EXIT)} == expected


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_line_is_an_error(lines: list[bytes]) -> None:
    assert read(lines, EXIT) == []


@given(st.data())
def test_a_line_with_anything_in_it_is_read_as_it_was_or_not_at_all(data: st.DataObject) -> None:
    whole = line(("::/0", "2001:db8:42:1::/64"))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 8)))
    cut = whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:]
    for row in read([cut], EXIT):
        assert re.fullmatch("[0-9a-f:]+", row.router_id)
        assert re.fullmatch("[0-9a-f:.]+", row.neighbour)
        assert row.interface.isprintable()
