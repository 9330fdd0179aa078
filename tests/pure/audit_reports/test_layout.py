"""Where nodes are drawn: near to what they are linked to, not on one another, the same each time."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.cli.audit_reports.page.layout import Point, places


def _neighbours(count: int, links: Sequence[tuple[int, int]]) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(count)]
    for one, other in links:
        found[one].append(other)
        found[other].append(one)
    return found


def _length(points: Sequence[Point], one: int, other: int) -> float:
    return math.dist(points[one], points[other])


GRAPHS = {
    "pair": (2, [(0, 1)]),
    "ring": (12, [(n, (n + 1) % 12) for n in range(12)]),
    "star": (30, [(0, n) for n in range(1, 30)]),
    "chain": (40, [(n, n + 1) for n in range(39)]),
    "full": (8, [(a, b) for a in range(8) for b in range(a)]),
    "grid": (100, [(n, n + 1) for n in range(99) if n % 10 != 9] + [(n, n + 10) for n in range(90)]),
    "apart": (30, [(n, n + 1) for n in range(9)]),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_nobody_lies_on_another_and_links_are_short(name: str) -> None:
    count, links = GRAPHS[name]
    points = places(_neighbours(count, links))
    distances = [_length(points, one, other) for one in range(count) for other in range(one)]
    assert min(distances) > 0.25
    lengths = [_length(points, *link) for link in links]
    assert sum(lengths) / len(lengths) < 2.5
    assert min(min(point) for point in points) >= 0


def test_it_is_the_same_each_time() -> None:
    neighbours = _neighbours(*GRAPHS["grid"])
    assert places(neighbours) == places(neighbours)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 25).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.tuples(*[st.integers(0, max(0, n - 1))] * 2)))
    )
)
def test_every_graph_has_places(graph: tuple[int, set[tuple[int, int]]]) -> None:
    count, pairs = graph
    links = [(one, other) for one, other in pairs if one < other < count]
    points = places(_neighbours(count, links))
    assert len(points) == count
    assert all(math.isfinite(value) and value >= 0 for point in points for value in point)
    assert len(set(points)) == count


def test_a_thousand_nodes_take_seconds() -> None:
    chance = random.Random(7)
    links = {(chance.randrange(n), n) for n in range(1, 1000)} | {
        tuple(sorted(chance.sample(range(1000), 2))) for _ in range(500)
    }
    begun = time.process_time()
    places(_neighbours(1000, sorted((one, other) for one, other in links)))
    # About a second; what would be quadratic took minutes.
    assert time.process_time() - begun < 20
