"""What becomes of the things that a node offers to others only while it is fit to: told, and shown with since when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from intent.offers import Cause, Offer
from reconciler.core.axis import Axis
from reconciler.core.reconcile import Look

MOST_NAMES = 10
"""How many things that are withdrawn for the same reason are named one by one."""
OVER = {
    Cause.DRAINED: "it is not drained any more",
    Cause.CARRIER: "its interface is up and has a carrier",
    Cause.CHECKS: "its checks pass again",
    Cause.UNKNOWN: "its checks pass",
    Cause.NO_PREFIX: "a prefix is delegated for it",
}
FAULTS = frozenset({Cause.CARRIER, Cause.CHECKS, Cause.NO_PREFIX})
"""What nobody asked for: it makes the node degraded."""


class OfferBook:
    """Remembers how each thing was, to tell what changes.

    ``hindered`` says in words until when nothing is changed, nothing where changes are made.
    """

    def __init__(self) -> None:
        self.hindered: Callable[[], str] = lambda: ""
        self._offers: dict[tuple[str, str], Offer] = {}
        self._states: dict[tuple[str, str], Axis] = {}

    def take(self, offers: Sequence[Offer]) -> list[dict[str, Any]]:
        """Take what is offered now, and return what is to be told of those that were known before."""
        before, self._offers = self._offers, {(one.kind, one.name): one for one in offers}
        self._states = {name: axis for name, axis in self._states.items() if name in self._offers}
        told: dict[tuple[str, str], list[Offer]] = {}
        for name, one in self._offers.items():
            was = before.get(name)
            if was is None or _cause(was) is _cause(one):
                continue
            if one.withheld is not None:
                told.setdefault(("withdrawn", one.withheld.reason), []).append(one)
            elif was.withheld is not None:
                told.setdefault(("taken back", OVER[was.withheld.cause]), []).append(one)
        hindered = self.hindered()
        return [
            {
                **{"event": f"to be {event}" if hindered else event, "because": why},
                "outcome": names(ones) + (f", {hindered}" if hindered else ""),
            }
            for (event, why), ones in told.items()
        ]

    def note(self, seen: Look | None, wall: float) -> None:
        """Take note, at that time in seconds since 1970, of how each thing is by a look."""
        for name, one in self._offers.items():
            self._states.setdefault(name, Axis()).become(state(one, seen, bool(self.hindered())), wall)

    def shown(self, seen: Look | None) -> list[dict[str, Any]]:
        """Return all things with their state as JSON. The times are in seconds since 1970."""
        found, hindered = [], bool(self.hindered())
        for name, one in self._offers.items():
            axis, why = self._states.get(name, Axis()), one.withheld
            since = axis.wall if why is None or why.since is None else why.since
            told: dict[str, Any] = {"kind": one.kind, "name": one.name, "prefix": one.prefix}
            told |= {"state": state(one, seen, hindered), "since": round(since, 3)}
            if why is not None:
                told |= {"cause": str(why.cause), "reason": why.reason, "until": why.until and round(why.until, 3)}
            found.append(told)
        return found


def state(offer: Offer, seen: Look | None, hindered: bool = False) -> str:
    """Return how a thing is by a look: ``announced``, ``withdrawn``, on the way to one of these, or ``unknown``.

    What is ``hindered``, since nothing is changed, is not on its way yet.
    """
    if seen is None:
        return "unknown"
    there = [key in seen.observation.resources for key in offer.keys]
    if offer.withheld is None:
        return "announced" if all(there) else "not announced"
    if not any(there):
        return "withdrawn"
    return "to be withdrawn" if hindered else "being withdrawn"


def faults(offers: Iterable[Offer]) -> Iterator[str]:
    """Yield in words what keeps things from being offered though nobody asked for that."""
    return _withdrawn(one for one in offers if _cause(one) in FAULTS)


def undecided(offers: Iterable[Offer]) -> bool:
    """Return whether it is still to be found out of something whether it is fit."""
    return any(_cause(one) is Cause.UNKNOWN for one in offers)


def notes(offers: Iterable[Offer]) -> Iterator[str]:
    """Yield in words what keeps things from being offered."""
    return _withdrawn(offers)


def names(offers: Sequence[Offer]) -> str:
    """Return which ones, all of one kind: of many the first."""
    more = f" and {len(offers) - MOST_NAMES} more" if len(offers) > MOST_NAMES else ""
    return f"{offers[0].kind} {', '.join(one.name for one in offers[:MOST_NAMES])}{more}"


def _withdrawn(offers: Iterable[Offer]) -> Iterator[str]:
    by_reason: dict[tuple[str, str], list[Offer]] = {}
    for one in offers:
        if one.withheld is not None:
            by_reason.setdefault((one.kind, one.withheld.reason), []).append(one)
    for (_, reason), ones in by_reason.items():
        yield f"{names(ones)} {'is' if len(ones) == 1 else 'are'} withdrawn: {reason}"


def _cause(offer: Offer) -> Cause | None:
    return None if offer.withheld is None else offer.withheld.cause
