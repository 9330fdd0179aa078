"""What is made once is sent until something may have changed."""

from __future__ import annotations

import time

import pytest

from reconciler.backends.babel_table import RouteCounts, Xroute
from tests.figures import KNOWN, LINKS, NEIGHBOURS, SYSTEM
from tests.pure.respondd.asked import ALL, Asked, crowd

FEWER = KNOWN._replace(neighbours=NEIGHBOURS[1:])


def told_neighbours(asked: Asked) -> list[str]:
    babel = asked.told(b"GET neighbours")["neighbours"]["babel"]
    return sorted(address for one in babel.values() for address in one["neighbours"])


def test_a_thousand_queries_look_once() -> None:
    asked = Asked()
    first = asked.ask(ALL)
    looked = dict(asked.figures.asked)
    assert {asked.ask(ALL) for _ in range(1000)} == {first}
    assert asked.figures.asked == looked


def test_a_neighbour_lost_or_gained_shows_within_50_ms() -> None:
    asked = Asked()
    assert told_neighbours(asked) == ["fe80::b", "fe80::c", "fe80::d"]
    for known, expected in ((FEWER, ["fe80::c", "fe80::d"]), (KNOWN, ["fe80::b", "fe80::c", "fe80::d"]), (None, [])):
        asked.figures.know(known)
        asked.now += 0.04
        assert told_neighbours(asked) == expected


def test_a_link_that_flaps_does_not_cost_more_than_fifty_answers_a_second() -> None:
    asked = Asked()
    told_neighbours(asked)
    before = asked.figures.asked["babel"]
    for number in range(1000):
        asked.figures.know(KNOWN if number % 2 else FEWER)
        asked.now += 0.001
        told_neighbours(asked)
    one = Asked()
    told_neighbours(one)
    assert (asked.figures.asked["babel"] - before) / one.figures.asked["babel"] <= 51


def test_statistics_are_at_most_5_s_old() -> None:
    asked = Asked()
    assert asked.told()["statistics"]["loadavg"] == 0.42
    asked.figures.set(system=SYSTEM._replace(load=(3.5, 1.0, 0.5)))
    asked.now += 4.9
    assert asked.told()["statistics"]["loadavg"] == 0.42
    asked.now += 0.2
    assert asked.told()["statistics"]["loadavg"] == 3.5


def test_neighbours_and_nodeinfo_have_their_lifetimes() -> None:
    asked = Asked()
    asked.told()
    # As if something had changed of which nobody tells.
    asked.figures._values |= {"addresses": {"mesh0": ("fe80::a", "fd00::77")}}
    asked.now += 299
    assert "fd00::77" not in asked.told()["nodeinfo"]["network"]["addresses"]
    asked.now += 2
    assert "fd00::77" in asked.told()["nodeinfo"]["network"]["addresses"]


def test_a_new_address_is_told_soon_after_the_change() -> None:
    asked = Asked()
    asked.told()
    asked.figures.set(addresses={"mesh0": ("fe80::a", "fd00::77")})
    asked.now += 5.1
    assert "fd00::77" in asked.told()["nodeinfo"]["network"]["addresses"]


def test_each_request_has_its_own_answer_of_the_same_sections() -> None:
    asked = Asked()
    told = asked.told()
    asked.figures._values |= {"links": {**LINKS, "mesh0": LINKS["mesh0"]._replace(rx_bytes=0)}}
    assert asked.told(b"GET statistics")["statistics"] == told["statistics"]
    assert asked.plain("statistics") == told["statistics"]


@pytest.mark.parametrize("neighbours", [3, 250])
def test_a_query_costs_the_same_whatever_the_number_of_routes(neighbours: int) -> None:
    def each(routes: int) -> float:
        asked = Asked()
        counts = RouteCounts(routes, 0, 0)
        asked.figures.know(KNOWN._replace(counts=counts, routers=routes, neighbours=crowd(neighbours)))
        begun, count = time.process_time(), 2000
        for _ in range(count):
            asked.now += 0.001
            assert asked.ask(ALL)
        return (time.process_time() - begun) / count

    assert min(each(10_000) for _ in range(3)) < 0.0003


def test_an_answer_that_is_made_again_costs_the_same_whatever_the_number_of_announcements() -> None:
    def each(announcements: int) -> float:
        asked = Asked()
        xroutes = tuple(Xroute(f"fd01:{number:x}::/32", "::/0", 0) for number in range(announcements))
        asked.figures.know(KNOWN._replace(xroutes=xroutes))
        asked.ask(ALL)
        begun, count = time.process_time(), 20
        for number in range(count):
            asked.figures.know(KNOWN._replace(xroutes=xroutes, neighbours=NEIGHBOURS[number % 2 :]))
            asked.now += 301
            assert asked.ask(ALL)
        return (time.process_time() - begun) / count

    few, many = (min(each(count) for _ in range(3)) for count in (10, 10_000))
    assert many < 3 * few + 0.001
