"""A comparison takes time in proportion to what is compared."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from intent.resources.link import ForeignLink
from intent.resources.resource import Resource
from intent.resources.route import Route
from reconciler.core.diff import diff
from reconciler.core.observe import Observation

SMALL, LARGE = 2_000, 20_000
GENEROUS = 3


def routes(count: int) -> list[Resource]:
    return [
        Route(routing_table=10, destination="::/0", source=f"2001:{number >> 16:x}:{number & 0xFFFF:x}::/48", link="lo")
        for number in range(1, count + 1)
    ]


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of the fastest of three runs: other processes cannot make it shorter."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def of_equal(count: int) -> Callable[[], object]:
    desired = routes(count)
    seen = {route.key: route for route in routes(count)}
    owned = frozenset(seen)
    return lambda: diff(desired, Observation(seen, owned))


def of_missing(count: int) -> Callable[[], object]:
    desired = routes(count)
    link = ForeignLink(name="lo")
    return lambda: diff(desired, Observation({link.key: link}))


def of_surplus(count: int) -> Callable[[], object]:
    seen = {route.key: route for route in routes(count)}
    return lambda: diff([], Observation(seen, frozenset(seen)))


@pytest.mark.parametrize("case", [of_equal, of_missing, of_surplus])
def test_ten_times_as_many_routes_take_about_ten_times_as_long(case: Callable[[int], Callable[[], object]]) -> None:
    small, large = seconds(case(SMALL)), seconds(case(LARGE))
    assert large < small * (LARGE / SMALL) * GENEROUS, f"{small:.3f} s for {SMALL}, {large:.3f} s for {LARGE}"


def test_equal_routes_make_an_empty_plan() -> None:
    plan = of_equal(SMALL)()
    assert plan == diff([], Observation())
