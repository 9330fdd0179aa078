"""Small plots of the last hour, as paths of SVG that a template draws: numbers only, at most one step a minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reconciler.services.statistics.page.history import HELLOS, Point

MINUTES = 60
STEP = 2
WIDTH = MINUTES * STEP
HEIGHT = 24
FLOOR = HEIGHT - 1
"""Where nothing is, so that the line of the least is still seen."""
INFINITY = 0xFFFF


class Plot(NamedTuple):
    """Paths in a box of `WIDTH` by `HEIGHT`, and the same in words.

    ``area`` is filled, ``line`` is drawn, ``away`` marks the minutes in which there was nothing to be reached.
    """

    area: str
    line: str
    away: str
    words: str


class _Minute(NamedTuple):
    cost: int
    heard: int


def plots(points: Sequence[Point]) -> tuple[Plot, Plot]:
    """Return the plots of a neighbour's cost, and of how much of it was heard."""
    minutes = _by_minute(points)
    return _cost(minutes), _heard(minutes)


def _by_minute(points: Sequence[Point]) -> list[_Minute | None]:
    """Return the worst of each minute, the oldest first."""
    found: list[_Minute | None] = [None] * MINUTES
    for point in points:
        at = MINUTES - 1 - int(point.seconds_ago // 60)
        if 0 <= at < MINUTES:
            was = found[at]
            worst = _Minute(point.cost, point.heard)
            found[at] = worst if was is None else _Minute(max(was.cost, worst.cost), min(was.heard, worst.heard))
    return found


def _cost(minutes: Sequence[_Minute | None]) -> Plot:
    costs = [None if one is None or one.cost >= INFINITY else one.cost for one in minutes]
    away = [one is not None and one.cost >= INFINITY for one in minutes]
    there = [one for one in costs if one is not None]
    most = max(there, default=0)
    heights = [None if one is None else _height(one, most * 1.15) for one in costs]
    words = "no samples yet"
    if there:
        low, high = min(there), max(there)
        words = f"cost {low}" if low == high else f"cost from {low} to {high}"
    if any(away):
        words = (f"{words}, " if there else "") + f"unreachable in {_minutes(sum(away))}"
    return Plot(_filled(heights), _steps(heights), _marks(away), words)


def _heard(minutes: Sequence[_Minute | None]) -> Plot:
    heights = [None if one is None else _height(one.heard, HELLOS) for one in minutes]
    there = [one.heard for one in minutes if one is not None]
    silent = [one is not None and one.heard == 0 for one in minutes]
    words = "no samples yet" if not there else f"at worst {min(there)} of {HELLOS} hellos"
    return Plot(_filled(heights), _steps(heights), _marks(silent), words)


def _height(value: float, most: float) -> int:
    return FLOOR if most <= 0 else round(FLOOR - (FLOOR - 2) * min(1.0, value / most))


def _steps(heights: Sequence[int | None]) -> str:
    """Return the path of a line of steps, with nothing where a height is None."""
    path, pen = [], None
    for number, height in enumerate(heights):
        if height is None:
            pen = None
            continue
        if pen is None:
            path.append(f"M{number * STEP} {height}h{STEP}")
        elif height == pen:
            path[-1] = _longer(path[-1])
        else:
            path.append(f"V{height}")
            path.append(f"h{STEP}")
        pen = height
    return "".join(path)


def _longer(part: str) -> str:
    start, _, length = part.rpartition("h")
    return f"{start}h{int(length) + STEP}"


def _filled(heights: Sequence[int | None]) -> str:
    """Return the path of an area under steps."""
    path: list[str] = []
    start = 0
    while start < len(heights):
        height, end = heights[start], start
        while end < len(heights) and heights[end] == height:
            end += 1
        if height is not None and height < FLOOR:
            width = (end - start) * STEP
            path.append(f"M{start * STEP} {FLOOR}V{height}h{width}V{FLOOR}z")
        start = end
    return "".join(path)


def _marks(where: Sequence[bool]) -> str:
    """Return the path of blocks that stand on the floor under the minutes."""
    return _filled([FLOOR - 6 if is_it else None for is_it in where])


def _minutes(count: int) -> str:
    return "1 minute" if count == 1 else f"{count} minutes"
