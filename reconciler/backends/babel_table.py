"""What a babeld knows, kept from its lines as they come (babeld(8), local configuration protocol, 1.10 to 1.14).

A line that says what is known already is recognised by its bytes. Nothing here waits, and nothing here is shared
between threads: who keeps a table guards it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import filterfalse
from operator import attrgetter
from typing import Any, overload

from intent.resources.babel_configuration import NO_LINK
from reconciler.backends.babel_entries import Entries, T
from reconciler.backends.babel_lines import (
    DEFAULTS,
    FLUSH,
    LONGEST_LINE_BYTES,
    OTHER_ROUTE,
    Event,
    RouteWords,
    canonical,
    event,
    is_event,
    parse,
    route_words,
)
from reconciler.backends.babel_rows import Interface, Known, Neighbour, Route, RouteCounts, Xroute
from reconciler.backends.babel_tally import RouteTally

__all__ = ["BabelTable", "Interface", "Known", "Neighbour", "Route", "RouteCounts", "Xroute"]

MOST_KEPT = 200_000
"""How many objects are kept of one babeld: more than any mesh has routes."""

# Longer ones are kept without the fields that are not known.
_LONGEST_KEPT_BYTES = 512

_Identified = tuple[bytes, Any]
"""An identifier and the row that it stands for."""


class BabelTable:
    """What one babeld knows; of routes the defaults alone unless ``routes``.

    ``changes`` rises with each change of interfaces, neighbours, announcements and reachable default routes, and
    ``route_changes`` with each change of a kept route. Lines that say nothing new change neither.
    """

    def __init__(self, routes: bool) -> None:
        self._keeps_routes = routes
        self._version = self._router_id = ""
        # The line by which each object was last told of; and while a dump comes, those that it told of.
        self._kept: set[bytes] = set()
        self._told: set[bytes] | None = None
        self._entries = {kind: Entries(event, self._kept) for kind in (b"interface", b"neighbour", b"xroute")}
        self._routes = Entries(route_words, self._kept)
        # By identifier. Of routes the reachable default ones.
        self._rows: dict[bytes, dict[bytes, Any]] = {kind: {} for kind in (*self._entries, b"route")}
        self._sorted: dict[bytes, tuple[Any, ...]] = {}
        self._tally = RouteTally()
        self._known: Known | None = None
        self.changes = 0
        self.route_changes = 0
        self.lines_total = 0
        self.bytes_total = 0
        self.refused_lines_total = 0
        """Lines that cannot be read, and are left out."""
        self.garbled_lines_total = 0
        """Those of them that are no lines of any babeld."""
        self.dropped_lines_total = 0
        """Lines of objects for which there was no room."""
        self._left_out_before = 0
        self._left_out_before_snapshot = 0

    def begin(self, version: str, router_id: str) -> None:
        """Forget everything: a new connection begins, to a babeld that greets with these."""
        self._version, self._router_id = version, router_id
        self._kept.clear()
        self._told = None
        self._routes.clear()
        for entries in self._entries.values():
            entries.clear()
        for rows in self._rows.values():
            rows.clear()
        self._sorted.clear()
        self._tally = RouteTally()
        self._known = None
        self._left_out_before = self._left_out()
        self.changes += 1
        self.route_changes += 1

    def begin_snapshot(self) -> None:
        """Note that a dump of everything follows."""
        self._told = set()
        self._left_out_before_snapshot = self._left_out()

    def end_snapshot(self) -> None:
        """Forget what the dump did not tell of. Without a beginning nothing is forgotten."""
        told, self._told = self._told, None
        if told is not None:
            for line in self._kept - told:
                self._apply(FLUSH + b" " + line.partition(b" ")[2])
            self._left_out_before = self._left_out_before_snapshot

    @property
    def whole(self) -> bool:
        """Whether nothing was left out since the latest dump began, nor in it."""
        return self._left_out() == self._left_out_before

    def take(self, lines: Iterable[bytes]) -> None:
        """Learn from complete lines, without their line feeds. One that cannot be read is counted and left out."""
        batch = lines if isinstance(lines, list) else list(lines)
        self.lines_total += len(batch)
        self.bytes_total += sum(map(len, batch)) + len(batch)
        # Both filters look at a line only when the one before it has been learned.
        left: Iterable[bytes] = batch if self._keeps_routes else filterfalse(OTHER_ROUTE.match, batch)
        for line in filterfalse(self._kept.__contains__, left):
            self._learn(line)
        if self._told is not None:
            self._told.update(filter(self._kept.__contains__, batch))
            if len(self._told) > 2 * MOST_KEPT:
                self._told &= self._kept

    def known(self) -> Known:
        """Return what is known, the same object as before when nothing has changed.

        The link that our own configuration names so that babeld starts without any is none of its interfaces.
        """
        if self._known is None:
            keeps = self._keeps_routes
            self._known = Known(
                self._version,
                self._router_id,
                tuple(one for one in self._in_order(b"interface") if one.name != NO_LINK),
                self._in_order(b"neighbour"),
                self._in_order(b"xroute"),
                self._in_order(b"route"),
                self._tally.counts if keeps else None,
                self._tally.routers if keeps else None,
                _Routes(tuple(self._routes.lines())) if keeps else None,
            )
        return self._known

    def dump(self) -> list[bytes]:
        """Return the lines that babeld would answer a dump with; complete where routes are kept."""
        kinds = (*(entries.lines() for entries in self._entries.values()), self._routes.lines())
        return [b"add " + line.partition(b" ")[2] for lines in kinds for line in lines]

    def _left_out(self) -> int:
        return self.refused_lines_total + self.dropped_lines_total

    def _in_order(self, kind: bytes) -> tuple[Any, ...]:
        if kind not in self._sorted:
            self._sorted[kind] = tuple(sorted(self._rows[kind].values(), key=_ORDERS[kind]))
        return self._sorted[kind]

    def _learn(self, line: bytes) -> None:
        try:
            if len(line) > LONGEST_LINE_BYTES:
                raise ValueError("too long")
            self._apply(canonical(line) if len(line) > _LONGEST_KEPT_BYTES else line)
        except ValueError:
            self.refused_lines_total += 1
            self.garbled_lines_total += not is_event(line)

    def _apply(self, line: bytes) -> None:
        told = parse(line)
        if told is None:
            return
        if isinstance(told, Event):
            self._apply_event(told, line)
        elif self._keeps_routes or told.destination in DEFAULTS:
            self._apply_route(told, line)

    def _apply_event(self, event: Event, line: bytes) -> None:
        gone, come = self._keep(self._entries[event.kind], event, line)
        self._replace(event.kind, *([(one.identifier, one.row) for one in some] for some in (gone, come)))

    def _apply_route(self, words: RouteWords, line: bytes) -> None:
        if not self._routes.has_place(words.place):
            # Read once of each: the later lines have the same prefixes and addresses.
            words.row()
        gone, come = self._keep(self._routes, words, line)
        if len(gone) == len(come) == 1 and gone[0][1:] == come[0][1:]:
            return
        if gone or come:
            self._known = None
            self.route_changes += 1
            self._tally.exchange(gone, come)
            if any(one.destination in DEFAULTS for one in (*gone, *come)):
                self._replace(b"route", _defaults(gone), _defaults(come))

    def _replace(self, kind: bytes, gone: list[_Identified], come: list[_Identified]) -> None:
        """Have new rows instead of others, of what is told to everybody."""
        rows = self._rows[kind]
        for identifier, _ in gone:
            rows.pop(identifier, None)
        rows.update(come)
        if [row for _, row in gone] != [row for _, row in come]:
            self._sorted.pop(kind, None)
            self._known = None
            self.changes += 1

    def _keep(self, entries: Entries[T], told: T, line: bytes) -> tuple[list[T], list[T]]:
        """Return what is gone and what has come by a line."""
        if told.verb == FLUSH:
            before = entries.remove(told.identifier)
            return [] if before is None else [before], []
        if len(self._kept) >= MOST_KEPT and not entries.has(told):
            self.dropped_lines_total += 1
            return [], []
        gone = entries.put(told, line)
        if self._told is not None:
            self._told.add(line)
        return gone, [told]


class _Routes(Sequence[Route]):
    """Rows that are read from their lines each time."""

    def __init__(self, lines: tuple[bytes, ...]) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Route]:
        return (route_words(line).row() for line in self._lines)

    @overload
    def __getitem__(self, index: int) -> Route: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Route]: ...

    def __getitem__(self, index: int | slice) -> Route | Sequence[Route]:
        if isinstance(index, slice):
            return _Routes(self._lines[index])
        return route_words(self._lines[index]).row()


def _defaults(routes: list[RouteWords]) -> list[_Identified]:
    return [(one.identifier, one.row()) for one in routes if one.destination in DEFAULTS and one.reachable]


def _order_of_default(row: Route) -> tuple[Any, ...]:
    return not row.installed, row.metric, row.destination, row.source, row.via, row.interface


_ORDERS: dict[bytes, Callable[[Any], Any]] = {
    b"interface": attrgetter("name"),
    b"neighbour": attrgetter("interface", "address"),
    b"xroute": attrgetter("destination", "source"),
    b"route": _order_of_default,
}
