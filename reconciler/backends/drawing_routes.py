"""Resolve which routes of others would draw our traffic, by asking babeld what it has learned."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from intent.offences import Prefixes, draws, spanned
from intent.references import Reference
from intent.refusals import MOST_REFUSED, DrawingRoutes
from intent.resources.babel_learned import MOST_KEPT
from intent.resources.babel_wire import RouteRow
from reconciler.backends.babeld import Learned
from reconciler.backends.references import Resolution, Resolver
from reconciler.core.clock import Clock
from reconciler.core.errors import BackendError

ANSWER_SECONDS = 1.0
"""How long babeld may take. Without an answer all stays as it was."""
KEPT_SECONDS = 60.0
"""How long a route counts as there after it was last seen: one that comes and goes is refused all the time."""
PAUSE_SECONDS = 0.5
"""How long babeld is left in peace after it was asked, however many routes change meanwhile."""


class OnceAsked(Resolver[DrawingRoutes]):
    """Asks babeld each time; where it does not answer, nothing is known to be drawn away."""

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (DrawingRoutes,)

    def resolve(self, reference: DrawingRoutes) -> Resolution:
        """Return what draws our traffic, with a note where that is too much to be refused."""
        try:
            found = _drawing(Learned().ask(reference.socket, ANSWER_SECONDS))
        except BackendError:
            found = set()
        return _resolution(dict.fromkeys(found, 0.0))


class AgainAndAgain(Resolver[DrawingRoutes]):
    """Asks babeld at most every `PAUSE_SECONDS`, and remembers what was there for `KEPT_SECONDS`."""

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (DrawingRoutes,)

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._asked: dict[str, float] = {}
        self._seen: dict[str, dict[Prefixes, float]] = {}
        self._first: dict[str, dict[Prefixes, float]] = {}
        self._learned: dict[str, Learned] = {}
        self._due = math.inf

    def resolve(self, reference: DrawingRoutes) -> Resolution:
        """Return what draws our traffic or did so a moment ago, with a note where that is too much to be refused."""
        now, address = self._clock.now(), reference.socket
        seen = self._seen.setdefault(address, {})
        if now < (again := self._asked.get(address, -math.inf) + PAUSE_SECONDS):
            self._due = min(self._due, again)
            return _resolution(self._first[address])
        self._asked[address] = now
        try:
            found = _drawing(self._learned.setdefault(address, Learned()).ask(address, ANSWER_SECONDS))
        except BackendError:
            # Who has vanished with a babeld that hangs is not known.
            found = set(seen)
        seen |= dict.fromkeys(found, now)
        # In a flood only what is there counts.
        kept = KEPT_SECONDS if len(seen) <= MOST_KEPT else 0.0
        for route in [route for route, at in seen.items() if now > at and now >= at + kept]:
            del seen[route]
        known = self._first.get(address, {})
        first = self._first[address] = {route: known.get(route, now) for route in seen}
        self._due = min((at + KEPT_SECONDS for at in seen.values()), default=math.inf)
        return _resolution(first)

    def due(self) -> float:
        """Return when babeld may be asked again, or a route that is gone stops to count."""
        return self._due

    def refresh(self) -> bool:
        """Have the references resolved anew."""
        self._due = math.inf
        return True


RESOLVER = OnceAsked
LASTING = AgainAndAgain


def _drawing(rows: list[RouteRow]) -> set[Prefixes]:
    routes = ((Prefixes(row.destination, row.source), row.touch) for row in rows)
    return {route for route, touch in routes if draws(touch, route)}


def _lengths(route: Prefixes) -> tuple[int, int]:
    return spanned(route.source).length, spanned(route.destination).length


def _resolution(found: Mapping[Prefixes, float]) -> Resolution:
    """Return which are refused; of too many those that draw most, and then those that were there first."""
    chosen = found if len(found) <= MOST_REFUSED else sorted(found, key=lambda one: (*_lengths(one), found[one], one))
    refused = tuple(sorted(list(chosen)[:MOST_REFUSED]))
    if len(found) <= MOST_REFUSED:
        return Resolution(refused)
    return Resolution(
        refused,
        (
            f"{len(found)} routes of others are inside what this node announces; {MOST_REFUSED} of them are refused, "
            "and the others draw traffic away",
        ),
    )
