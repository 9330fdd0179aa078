"""The drawing of a fleet: its nodes, what is wrong with them, the links between them and the exits, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reconciler.cli.audit_reports.page.layout import places
from reconciler.cli.audit_reports.ranking import nodes_by_name, nodes_worst_first, rank, worst_severity
from reconciler.cli.audit_reports.wording import WORDS, line, plural
from reconciler.core.audit import Audit, NodeAudit, Severity, State

MOST_NODES = 2000
"""How many nodes are drawn; of more, the worst."""
MOST_OUTSIDE = 40
"""How many nodes that links lead to and that the audit knows nothing of are drawn."""
MOST_LABELLED = 60
"""In fleets of up to so many all names are written that fit, in others only those of nodes that are not in sync."""
_LONGEST_LABEL = 24
_CHARACTER = 6.9
_LINE = 15.0


class Drawn(NamedTuple):
    """A node in the drawing: its shape and colour, and its name where there is room.

    ``kind`` is the shape's: that of the state, or ``outside`` for what the audit knows nothing of. ``label_at`` says
    where the name is written from, ``quiet`` that it is only seen while the node is pointed at.
    """

    id: str
    kind: str
    severity: str
    x: float
    y: float
    size: float
    label: str
    label_at: tuple[float, float, str]
    quiet: bool
    words: str
    exit: str


class Line(NamedTuple):
    """A link that does not work."""

    x1: float
    y1: float
    x2: float
    y2: float
    words: str


class Topology(NamedTuple):
    """The drawing, ``width`` and ``height`` in pixels at its own size; paths are of SVG."""

    width: int
    height: int
    nodes: tuple[Drawn, ...]
    working: str
    unknown: str
    broken: tuple[Line, ...]
    words: str
    left_out: str


class _Edge(NamedTuple):
    one: str
    other: str
    works: bool | None


def topology(audit: Audit, ids: Mapping[str, str]) -> Topology | None:
    """Return the drawing, ``None`` where nothing has a link; ``ids`` names the row of each node by its name."""
    shown = nodes_by_name(nodes_worst_first(audit.nodes)[:MOST_NODES])
    by_name = {node.node: node for node in shown}
    edges = _edges(shown)
    outside = sorted({name for edge in edges for name in (edge.one, edge.other)} - by_name.keys())
    unknown_here = set(outside[MOST_OUTSIDE:])
    edges = [edge for edge in edges if not {edge.one, edge.other} & unknown_here]
    if not edges and len(shown) < 2:
        return None
    names = [*by_name, *outside[:MOST_OUTSIDE]]
    spots, width, height = _spots(names, edges)
    return Topology(
        width=width,
        height=height,
        nodes=tuple(_labelled(_nodes(names, by_name, ids, spots), len(names), width)),
        working=_path((edge for edge in edges if edge.works), spots),
        unknown=_path((edge for edge in edges if edge.works is None), spots),
        broken=tuple(
            Line(*spots[edge.one], *spots[edge.other], f"{line(edge.one, 60)} – {line(edge.other, 60)}: does not work")
            for edge in edges
            if edge.works is False
        ),
        words=_words(shown, edges),
        left_out=_left_out(len(audit.nodes) - len(shown), len(unknown_here)),
    )


def _edges(nodes: Sequence[NodeAudit]) -> list[_Edge]:
    """Return each link once; one that either side finds broken is broken, one that neither could tell is unknown."""
    told: dict[tuple[str, str], list[bool | None]] = {}
    for node in nodes:
        for link in node.links:
            if link.to != node.node:
                told.setdefault((min(node.node, link.to), max(node.node, link.to)), []).append(link.works)
    return [
        _Edge(*pair, False if False in said else True if True in said else None) for pair, said in sorted(told.items())
    ]


def _spots(names: Sequence[str], edges: Iterable[_Edge]) -> tuple[dict[str, tuple[float, float]], int, int]:
    numbers = {name: number for number, name in enumerate(names)}
    neighbours: list[list[int]] = [[] for _ in names]
    for edge in edges:
        neighbours[numbers[edge.one]].append(numbers[edge.other])
        neighbours[numbers[edge.other]].append(numbers[edge.one])
    unit = 96.0 if len(names) <= 20 else 80.0 if len(names) <= 60 else 48.0 if len(names) <= 200 else 30.0
    margin = 36.0
    points = places(neighbours)
    # A single row needs room for the names at both ends.
    sides = 110.0 if len(names) <= MOST_LABELLED else margin
    width = max(point.x for point in points) * unit + 2 * sides
    height = max(point.y for point in points) * unit + 2 * margin
    spots = {
        name: (round(point.x * unit + sides, 1), round(point.y * unit + margin, 1))
        for name, point in zip(names, points, strict=True)
    }
    return spots, round(width), round(height)


def _nodes(
    names: Sequence[str],
    by_name: Mapping[str, NodeAudit],
    ids: Mapping[str, str],
    spots: Mapping[str, tuple[float, float]],
) -> list[tuple[int, Drawn]]:
    """Return the nodes with how soon each wants to be looked at, in the order of their names."""
    small = 6.5 if len(names) <= MOST_LABELLED else 4.5
    found = []
    for name in names:
        node = by_name.get(name)
        x, y = spots[name]
        label = line(name, _LONGEST_LABEL)
        if node is None:
            words = f"{line(name, 100)}: not in this audit"
            found.append((99, Drawn("", "outside", "", x, y, small - 1, label, (0, 0, ""), True, words, "")))
            continue
        severity = worst_severity(node) if node.state is State.DIFFERS else None
        scale = 1.0 if node.state is State.IN_SYNC else 1.5 if severity is Severity.CRITICAL else 1.25
        found.append(
            (
                rank(node),
                Drawn(
                    ids[name],
                    node.state.name.lower().replace("_", "-"),
                    severity.value if severity else "",
                    x,
                    y,
                    round(small * scale, 1),
                    label,
                    (0, 0, ""),
                    True,
                    _node_words(node, severity),
                    _exit(node),
                ),
            )
        )
    return found


def _exit(node: NodeAudit) -> str:
    """Return how a node's exits are: the worst of them, empty for a node that is no exit."""
    said = {offer.announced for offer in node.exits}
    return "" if not said else "withdrawn" if False in said else "unknown" if None in said else "announced"


def _node_words(node: NodeAudit, severity: Severity | None) -> str:
    parts = [f"{line(node.node, 100)}: {WORDS[node.state]}"]
    if severity is not None:
        parts.append(f"{plural(len(node.findings), 'finding')}, {severity.value}")
    broken = sum(link.works is False for link in node.links)
    if broken:
        parts.append(f"{plural(broken, 'link')} not working")
    if node.exits:
        parts.append(f"exit, {sum(offer.announced is True for offer in node.exits)} of {len(node.exits)} announced")
    return ", ".join(parts)


def _labelled(nodes: list[tuple[int, Drawn]], count: int, width: float) -> list[Drawn]:
    """Return the nodes with their names where those cover nothing, the worst first."""
    taken: _Boxes = _Boxes()
    for _, node in nodes:
        taken.add((node.x - node.size, node.y - node.size, node.x + node.size, node.y + node.size))
    labelled: dict[int, Drawn] = {}
    for number in sorted(range(len(nodes)), key=lambda one: (nodes[one][0], one)):
        node = nodes[number][1]
        wanted = count <= MOST_LABELLED or node.kind not in ("in-sync", "outside")
        labelled[number] = _with_label(node, taken, width, wanted)
    return [labelled[number] for number in range(len(nodes))]


def _with_label(node: Drawn, taken: _Boxes, width: float, wanted: bool) -> Drawn:
    length = len(node.label) * _CHARACTER + 4
    gap = node.size + (8 if node.exit else 4)
    choices = (
        (node.x + gap, node.y + 4, "start", node.x + gap),
        (node.x - gap, node.y + 4, "end", node.x - gap - length),
        (node.x, node.y + gap + 11, "middle", node.x - length / 2),
        (node.x, node.y - gap - 3, "middle", node.x - length / 2),
    )
    for x, y, anchor, left in choices:
        box = (left, y - _LINE + 3, left + length, y + 4)
        if wanted and left >= 0 and left + length <= width and taken.free(box):
            taken.add(box)
            return node._replace(label_at=(round(x, 1), round(y, 1), anchor), quiet=False)
    x, y, anchor, _ = choices[0 if node.x + gap + length <= width else 1]
    return node._replace(label_at=(round(x, 1), round(y, 1), anchor), quiet=True)


class _Boxes:
    """Rectangles (left, top, right, bottom) that must not be covered, found by the cell of a grid."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], list[tuple[float, float, float, float]]] = {}

    def add(self, box: tuple[float, float, float, float]) -> None:
        """Keep a rectangle free of others."""
        for cell in self._around(box):
            self._cells.setdefault(cell, []).append(box)

    def free(self, box: tuple[float, float, float, float]) -> bool:
        """Return whether a rectangle covers none of the others."""
        left, top, right, bottom = box
        return not any(
            left < other[2] and right > other[0] and top < other[3] and bottom > other[1]
            for cell in self._around(box)
            for other in self._cells.get(cell, ())
        )

    def _around(self, box: tuple[float, float, float, float]) -> Iterable[tuple[int, int]]:
        left, top, right, bottom = (int(side // 40) for side in box)
        return ((x, y) for x in range(left, right + 1) for y in range(top, bottom + 1))


def _path(edges: Iterable[_Edge], spots: Mapping[str, tuple[float, float]]) -> str:
    """Return many links as the ``d`` of one path."""
    ends = ((spots[edge.one], spots[edge.other]) for edge in edges)
    return "".join(f"M{a:g} {b:g}L{c:g} {d:g}" for (a, b), (c, d) in ends)


def _words(nodes: Sequence[NodeAudit], edges: Sequence[_Edge]) -> str:
    broken = sum(edge.works is False for edge in edges)
    exits = sum(bool(node.exits) for node in nodes)
    return (
        f"{plural(len(nodes), 'node')}, {plural(len(edges), 'link')} of which {broken:,} not working, "
        f"{plural(exits, 'exit')}"
    )


def _left_out(nodes: int, outside: int) -> str:
    parts = [f"{plural(nodes, 'node')} in better state"] if nodes else []
    if outside:
        parts.append(f"{plural(outside, 'node')} that this audit knows nothing of")
    return f"Not drawn: {' and '.join(parts)}." if parts else ""
