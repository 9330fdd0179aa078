"""The learned routes in babeld's dump that touch what this node announces itself; the others are passed over.

There may be 10,000 lines, nearly all of them none of our concern and the same as at the last look: of each only the
prefixes are cut out, and what was decided about those is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from intent.display import printable
from intent.offences import Announced, Prefixes, Touch
from intent.resources.babel_wire import INFINITY, WITHDRAWN, RouteRow, XrouteRow, normal

MOST_KEPT = 1000
"""How many routes of others are told of at most: enough to name who floods a mesh, and no more."""
_MOST_REMEMBERED = 1 << 16

_ROUTE = re.compile(
    rb"add route \S+ prefix (\S+/\d+) from (\S+/\d+) installed (yes|no) id ([0-9a-f:]{1,64}) metric (\d+) "
    rb"refmetric \d+ via ([0-9a-f:.]{2,45}) if (\S{1,15})(?: |$)"
)
_PREFIXES = re.compile(rb"(\S+/\d+) from (\S+/\d+)")


class LearnedRoutes:
    """What is of concern among the learned routes of one babeld, dump after dump."""

    def __init__(self) -> None:
        self._ours: frozenset[Prefixes] = frozenset()
        self._announced = Announced(())
        self._decided: dict[bytes, Touch | None] = {}

    def of_concern(
        self, socket: str, lines: Iterable[bytes], announced: Iterable[XrouteRow], own_ids: Collection[str]
    ) -> list[RouteRow]:
        """Return the routes that others than ``own_ids`` announce and that touch what is announced here.

        Of those by which one router announces the same prefixes it is the one in use, or else the best. What has been
        retracted is left out, unless babeld keeps an unreachable route in its place, which is as good as the route was
        at drawing traffic. A line that cannot be read is left out too.
        """
        self._announce(announced)
        best: dict[tuple[Prefixes, str], RouteRow] = {}
        for line, touch in self._touching(lines):
            row = _read(socket, line, touch)
            if row is None or row.router_id in own_ids or (row.metric >= INFINITY and not row.installed):
                continue
            place = (Prefixes(row.destination, row.source), row.router_id)
            known = best.get(place)
            if (known is None and len(best) < MOST_KEPT) or (known is not None and _order(row) < _order(known)):
                best[place] = row
        return list(best.values())

    def _announce(self, announced: Iterable[XrouteRow]) -> None:
        # One that is about to go says already that it cannot be used.
        ours = frozenset(Prefixes(one.destination, one.source) for one in announced if one.metric < WITHDRAWN)
        if ours != self._ours:
            self._ours, self._announced = ours, Announced(ours)
            self._decided.clear()

    def _touching(self, lines: Iterable[bytes]) -> Iterator[tuple[bytes, Touch]]:
        decided = self._decided
        if len(decided) > _MOST_REMEMBERED:
            decided.clear()
        for line in lines:
            # Short of a line that is cut: every route is told with these words.
            _, _, rest = line.partition(b" prefix ")
            prefixes, _, _ = rest.partition(b" installed ")
            try:
                touch = decided[prefixes]
            except KeyError:
                touch = decided[prefixes] = self._decide(prefixes)
            if touch is not None and line.startswith(b"add route "):
                yield line, touch

    def _decide(self, prefixes: bytes) -> Touch | None:
        match = _PREFIXES.fullmatch(prefixes)
        if match is None:
            return None
        try:
            return self._announced.touched_by(Prefixes(normal(match[1]), normal(match[2])))
        except ValueError:
            return None


def _order(row: RouteRow) -> tuple[bool, bool, int, str, str]:
    return row.metric >= INFINITY, not row.installed, row.metric, row.neighbour, row.interface


def _read(socket: str, line: bytes, touch: Touch) -> RouteRow | None:
    match = _ROUTE.match(line)
    if match is None:
        return None
    neighbour, interface = match[6].decode(), printable(match[7].decode(errors="replace"))
    return RouteRow(
        socket,
        normal(match[1]),
        normal(match[2]),
        match[4].decode(),
        neighbour,
        interface,
        int(match[5]),
        match[3] == b"yes",
        touch,
    )
