"""Where the nodes of a graph are drawn: a place for each, the same for the same graph, near to what they are linked to.

Each connected part is laid out by pivot MDS (Brandes and Pich, 2006: distances in hops to a few pivots, projected on
the two axes that keep most of them), then loosened by springs and by repulsion among those that are near. What is
apart is put side by side. Nothing is left to chance.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

PIVOTS = 24
_POWER_STEPS = 40
_REACH = 2.2
"""How far two that are not linked push each other away, in lengths of a link."""
_GOLDEN_ANGLE = 2.399963


class Point(NamedTuple):
    """A place, in lengths of a link."""

    x: float
    y: float


def places(neighbours: Sequence[Sequence[int]]) -> list[Point]:
    """Return a place for each of the nodes ``0 … n - 1``; ``neighbours[i]`` are those that ``i`` is linked to.

    All places are at 0 or above in both directions, about 16 units wide for each 9 high.
    """
    parts = sorted(_parts(neighbours), key=lambda part: (-len(part), part))
    drawn = [_drawn(part, neighbours) for part in parts]
    found = [Point(0.0, 0.0)] * len(neighbours)
    for part, points, corner in zip(parts, drawn, _packed(drawn), strict=True):
        for node, point in zip(part, points, strict=True):
            found[node] = Point(point.x + corner.x, point.y + corner.y)
    return found


def _parts(neighbours: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the connected parts."""
    left = set(range(len(neighbours)))
    for start in range(len(neighbours)):
        if start in left:
            part = sorted(_hops(start, neighbours))
            left.difference_update(part)
            yield part


def _hops(start: int, neighbours: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return how many links each node that can be reached is away."""
    hops = {start: 0}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for other in neighbours[node]:
            if other not in hops:
                hops[other] = hops[node] + 1
                waiting.append(other)
    return hops


def _drawn(part: list[int], neighbours: Sequence[Sequence[int]]) -> list[Point]:
    """Return the places of one connected part, from (0, 0) on."""
    if len(part) == 1:
        return [Point(0.0, 0.0)]
    position = {node: number for number, node in enumerate(part)}
    links = [[position[other] for other in neighbours[node]] for node in part]
    xs, ys = _projected(links)
    _loosen(xs, ys, links)
    if max(ys) - min(ys) > max(xs) - min(xs):
        xs, ys = ys, xs
    low_x, low_y = min(xs), min(ys)
    return [Point(x - low_x, y - low_y) for x, y in zip(xs, ys, strict=True)]


def _projected(links: list[list[int]]) -> tuple[list[float], list[float]]:
    """Return the two coordinates of pivot MDS, a link being about 1 long."""
    size = len(links)
    pivot = max(range(size), key=lambda node: (len(links[node]), -node))
    nearest = [size] * size
    columns = []
    for _ in range(min(PIVOTS, size)):
        hops = _hops(pivot, links)
        columns.append([float(hops[node]) ** 2 for node in range(size)])
        nearest = [min(nearest[node], hops[node]) for node in range(size)]
        pivot = max(range(size), key=lambda node: (nearest[node], -node))
    count = len(columns)
    column_means = [sum(column) / size for column in columns]
    row_means = [sum(column[node] for column in columns) / count for node in range(size)]
    mean = sum(column_means) / count
    rows = [
        [-(columns[k][node] - column_means[k] - row_means[node] + mean) / 2 for k in range(count)]
        for node in range(size)
    ]
    products = [[sum(row[a] * row[b] for row in rows) for b in range(count)] for a in range(count)]
    first = _leading(products, ())
    second = _leading(products, (first,))
    coordinates = []
    for axis in (first, second):
        values = [sum(a * b for a, b in zip(row, axis, strict=True)) for row in rows]
        coordinates.append(values)
    xs, ys = coordinates
    pairs = [(a, b) for a, others in enumerate(links) for b in others if a < b]
    length = sum(math.hypot(xs[a] - xs[b], ys[a] - ys[b]) for a, b in pairs) / len(pairs) or 1.0
    # Leaves of one node have the same distances to all: a little spiral tells them apart.
    scattered = [0.3 * math.sqrt((node + 1) / size) for node in range(size)]
    return (
        [x / length + scattered[node] * math.cos(node * _GOLDEN_ANGLE) for node, x in enumerate(xs)],
        [y / length + scattered[node] * math.sin(node * _GOLDEN_ANGLE) for node, y in enumerate(ys)],
    )


def _leading(matrix: list[list[float]], without: tuple[list[float], ...]) -> list[float]:
    """Return the eigenvector of the largest eigenvalue, of those at right angles to the ones ``without``."""
    vector = [1.0 + 0.1 * number for number in range(len(matrix))]
    for _ in range(_POWER_STEPS):
        for other in without:
            along = sum(a * b for a, b in zip(vector, other, strict=True))
            vector = [a - along * b for a, b in zip(vector, other, strict=True)]
        vector = [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]
        length = math.sqrt(sum(a * a for a in vector))
        if length < 1e-9:
            return [0.0] * len(matrix)
        vector = [a / length for a in vector]
    return vector


def _loosen(xs: list[float], ys: list[float], links: list[list[int]]) -> None:
    """Move the places so that links are about 1 long and nodes do not lie on one another."""
    size = len(links)
    pairs = [(a, b) for a, others in enumerate(links) for b in others if a < b]
    steps = 260 if size <= 100 else 120 if size <= 500 else 90
    for step in range(steps):
        warmth = 0.25 * (1 - step / steps) + 0.01
        push_x, push_y = [0.0] * size, [0.0] * size
        for a, b in pairs:
            dx, dy = xs[b] - xs[a], ys[b] - ys[a]
            distance = math.sqrt(dx * dx + dy * dy) + 1e-6
            # Those with many links give way less, so that a hub does not pull all of its leaves onto itself.
            pull = 0.5 * (distance - 1.0) / distance
            push_x[a] += pull * dx / math.sqrt(len(links[a]))
            push_y[a] += pull * dy / math.sqrt(len(links[a]))
            push_x[b] -= pull * dx / math.sqrt(len(links[b]))
            push_y[b] -= pull * dy / math.sqrt(len(links[b]))
        _repel(xs, ys, push_x, push_y)
        for node in range(size):
            length = math.sqrt(push_x[node] ** 2 + push_y[node] ** 2) + 1e-9
            share = min(1.0, warmth / length)
            xs[node] += push_x[node] * share
            ys[node] += push_y[node] * share


def _repel(xs: list[float], ys: list[float], push_x: list[float], push_y: list[float]) -> None:
    """Add the pushes among nodes that are near each other, found by the cell of a grid that they are in."""
    cells: dict[tuple[int, int], list[int]] = {}
    for node, (x, y) in enumerate(zip(xs, ys, strict=True)):
        cells.setdefault((math.floor(x / _REACH), math.floor(y / _REACH)), []).append(node)
    for (column, row), inside in cells.items():
        near = [
            other
            for right, down in ((1, 0), (-1, 1), (0, 1), (1, 1))
            for other in cells.get((column + right, row + down), ())
        ]
        for number, a in enumerate(inside):
            x, y = xs[a], ys[a]
            for b in (*inside[number + 1 :], *near):
                dx, dy = xs[b] - x, ys[b] - y
                squared = dx * dx + dy * dy + 0.01
                if squared < _REACH * _REACH:
                    push = 0.22 / squared
                    push_x[a] -= push * dx
                    push_y[a] -= push * dy
                    push_x[b] += push * dx
                    push_y[b] += push * dy


def _packed(drawn: list[list[Point]]) -> list[Point]:
    """Return where the corner of each part comes: in rows, as wide as makes the whole 16 to 9."""
    sizes = [(max(p.x for p in points) + 1.0, max(p.y for p in points) + 1.0) for points in drawn]
    area = sum(width * height for width, height in sizes)
    limit = max([math.sqrt(area * 16 / 9), *(width for width, _ in sizes)], default=1.0)
    corners = []
    x = y = row_height = 0.0
    for width, height in sizes:
        if x and x + width > limit + 1e-6:
            x, y, row_height = 0.0, y + row_height, 0.0
        corners.append(Point(x, y))
        x, row_height = x + width, max(row_height, height)
    return corners
