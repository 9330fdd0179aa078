"""The learned routes in babeld's dump that touch what this node announces itself; the others are passed over.

There may be 10,000 lines, nearly all of them none of our concern and the same as at the last look: of each only the
prefixes are cut out, and what was decided about those is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from intent.display import printable
from intent.offences import Announced, Offence, Prefixes, Touch, Ways
from intent.resources.babel_wire import INFINITY, WITHDRAWN, RouteRow, XrouteRow, normal

MOST_KEPT = 1000
"""How many routes of others are told of at most: enough to name who floods a mesh, and no more."""
_MOST_REMEMBERED = 1 << 16

_ROUTE = re.compile(
    rb"add route \S+ prefix (\S+/\d+) from (\S+/\d+) installed (yes|no) id ([0-9a-f:]{1,64}) metric (\d+) "
    rb"refmetric \d+ via ([0-9a-f:.]{2,45}) if (\S{1,15})(?: |$)"
)
_NOTHING = Touch(Offence.CLIENTS, None)
_PREFIXES = re.compile(rb"(\S+/\d+) from (\S+/\d+)")


class _Concern(NamedTuple):
    """Why a route is of concern: what it does to us, and whether it is a way out for clients of ours."""

    touch: Touch | None
    way: bool


_TOLD = re.compile(
    rb"(add|change|flush) route (\S+) prefix (\S+/\d+ from \S+/\d+) installed (yes|no) id ([0-9a-f:]{1,64}) "
    rb"metric (\d+) "
)


class Watch:
    """Says of the lines that babeld tells one by one which bring something new of concern.

    That is by what was announced here when it was made; for one thread, which need not be the one that looks.
    """

    def __init__(self, announced: Announced) -> None:
        self._announced = announced
        self._concerns: dict[bytes, bool] = {}
        self._states: dict[bytes, tuple[bytes, bytes, bytes, bool]] = {}

    def hear(self, line: bytes) -> bool:
        """Return whether a route of concern came, went, or is used or reachable otherwise than before."""
        _, _, rest = line.partition(b" prefix ")
        prefixes, _, _ = rest.partition(b" installed ")
        try:
            concerns = self._concerns[prefixes]
        except KeyError:
            if len(self._concerns) > _MOST_REMEMBERED:
                self._concerns.clear()
            concerns = self._concerns[prefixes] = _decide(self._announced, prefixes) is not None
        return concerns and self._is_new(line)

    def _is_new(self, line: bytes) -> bool:
        match = _TOLD.match(line)
        if match is None:
            return False
        verb, identifier, prefixes, installed, router_id, metric = match.groups()
        if verb == b"flush":
            return self._states.pop(identifier, None) is not None
        state = prefixes, installed, router_id, int(metric) < INFINITY
        if self._states.get(identifier) == state:
            return False
        if len(self._states) > _MOST_REMEMBERED:
            self._states.clear()
        self._states[identifier] = state
        return True


class LearnedRoutes:
    """What is of concern among the learned routes of one babeld, dump after dump."""

    def __init__(self) -> None:
        self._ours: tuple[frozenset[Prefixes], frozenset[str]] = frozenset(), frozenset()
        self._announced = Announced(())
        self._decided: dict[bytes, _Concern | None] = {}
        self._watch = Watch(self._announced)
        self._watched = False

    def watch(self) -> Watch:
        """Return what says of single lines whether they are of concern, as of the last dump; the same until it is not.

        It knows the routes of the dump for which it was made.
        """
        self._watched = True
        return self._watch

    def of_concern(
        self,
        socket: str,
        lines: Iterable[bytes],
        announced: Iterable[XrouteRow],
        own_ids: Collection[str],
        exits: frozenset[str] = frozenset(),
    ) -> list[RouteRow]:
        """Return the routes that others than ``own_ids`` announce and that touch what is announced here.

        So do parts of ``exits``, the exit prefixes of this mesh.

        Of those by which one router announces the same prefixes it is the one in use, or else the best. What has been
        retracted is left out, unless babeld keeps an unreachable route in its place, which is as good as the route was
        at drawing traffic. A line that cannot be read is left out too.
        """
        self._announce(announced, exits)
        best: dict[tuple[Prefixes, str], RouteRow] = {}
        ways = Ways()
        for line, concern in self._touching(lines):
            if not self._watched:
                self._watch.hear(line)
            row = _read(socket, line, concern.touch or _NOTHING)
            if row is None or row.router_id in own_ids or (row.metric >= INFINITY and not row.installed):
                continue
            if concern.way and row.metric < INFINITY:
                ways.add(row.source, row.router_id)
            if concern.touch is None:
                continue
            place = (Prefixes(row.destination, row.source), row.router_id)
            known = best.get(place)
            if (known is None and len(best) < MOST_KEPT) or (known is not None and _order(row) < _order(known)):
                best[place] = row
        # The only way out that there is for our clients is that of their exit.
        return [
            row
            for row in best.values()
            if row.touch.offence is not Offence.CLIENTS or ways.has_wider(row.source, row.router_id)
        ]

    def _announce(self, announced: Iterable[XrouteRow], exits: frozenset[str]) -> None:
        # One that is about to go says already that it cannot be used.
        ours = frozenset(Prefixes(one.destination, one.source) for one in announced if one.metric < WITHDRAWN)
        if (ours, exits) != self._ours:
            self._ours, self._announced = (ours, exits), Announced(ours, exits)
            self._decided.clear()
            self._watch, self._watched = Watch(self._announced), False

    def _touching(self, lines: Iterable[bytes]) -> Iterator[tuple[bytes, _Concern]]:
        decided = self._decided
        if len(decided) > _MOST_REMEMBERED:
            decided.clear()
        for line in lines:
            # Short of a line that is cut: every route is told with these words.
            _, _, rest = line.partition(b" prefix ")
            prefixes, _, _ = rest.partition(b" installed ")
            try:
                concern = decided[prefixes]
            except KeyError:
                concern = decided[prefixes] = _decide(self._announced, prefixes)
            if concern is not None and line.startswith(b"add route "):
                yield line, concern


def _decide(announced: Announced, prefixes: bytes) -> _Concern | None:
    match = _PREFIXES.fullmatch(prefixes)
    if match is None:
        return None
    try:
        route = Prefixes(normal(match[1]), normal(match[2]))
        concern = _Concern(announced.touched_by(route), announced.is_way_of_clients(route))
    except ValueError:
        return None
    return concern if concern.touch is not None or concern.way else None


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
