"""Routes of our own against those of others that would draw our traffic."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from intent.offences import Prefixes, Span, spanned
from intent.references import Reference
from intent.resources.resource import Resource
from intent.resources.route import PROTOCOL_HELD, Route

REFUSAL_METRIC = 512
"""Below babeld's 1024: of two routes with the same prefixes ours is taken."""
MOST_REFUSED = 100
"""Against how many routes of others we put one of our own."""


@dataclass(frozen=True, slots=True)
class DrawingRoutes(Reference[tuple[Prefixes, ...]]):
    """The routes of others that would draw our traffic, in order and at most `MOST_REFUSED`.

    They are learned by the babeld at a socket, installed into a routing table, and inside what that babeld announces
    for us.
    """

    socket: str
    routing_table: int

    @property
    def lives_on(self) -> Mapping[str, frozenset[Hashable] | None]:
        """The table that babeld installs routes into, and babeld itself, which is looked at by the clock."""
        return {"route": frozenset({self.routing_table}), "babel": None}

    def change(self, before: tuple[Prefixes, ...], after: tuple[Prefixes, ...]) -> str:
        """Return how many have come and gone; which ones they are is told as what was noticed."""
        come, gone = len({*after} - {*before}), len({*before} - {*after})
        words = [f"{come} came" for _ in range(bool(come))] + [f"{gone} went" for _ in range(bool(gone))]
        return f"of the routes of others inside ours {' and '.join(words)}" if words else ""

    def assumed(self) -> tuple[Prefixes, ...]:
        """Return none."""
        return ()


class Refusals:
    """Routes of others that are inside some of ours; gives for a route of ours those that keep its traffic."""

    def __init__(self, offending: Iterable[Prefixes]) -> None:
        spans = ((spanned(one.source), spanned(one.destination), one) for one in offending)
        self._by_source: Sequence[tuple[Span, Span, Prefixes]] = sorted(spans)

    def of(self, *ours: Resource) -> Iterator[Route]:
        """Yield a route of our own for each that is inside a route among these: the same way, not announced.

        It is preferred by its metric. One that has the very same prefixes as ours is worse than that already.
        """
        for one in ours if self._by_source else ():
            if isinstance(one, Route):
                yield from self._inside(one)

    def _inside(self, ours: Route) -> Iterator[Route]:
        to, origin = spanned(ours.destination), spanned(ours.source)
        for number in range(bisect_left(self._by_source, ((origin.first, 0),)), len(self._by_source)):
            source, destination, one = self._by_source[number]
            if source.first > origin.last:
                return
            if origin.holds(source) and to.holds(destination) and one != (ours.destination, ours.source):
                yield replace(
                    ours,
                    destination=one.destination,
                    source=one.source,
                    metric=REFUSAL_METRIC,
                    protocol=PROTOCOL_HELD,
                )
