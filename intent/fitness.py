"""What decides whether a node is fit to offer something: its links, its checks, and an operator's word."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv6Network

from intent.checks import Check
from intent.offers import Cause, Withheld
from intent.references import Reference


class Carrier(StrEnum):
    """Whether an interface can carry packets, as far as the node itself knows."""

    READY = "ready"
    """It is up and has a carrier, or is not there: what needs it waits for it then."""
    DOWN = "is down"
    MISSING = "has no carrier"


@dataclass(frozen=True, slots=True)
class LinkCarrier(Reference[Carrier]):
    """Whether an interface is up and has a carrier: IFF_RUNNING (Documentation/networking/operstates.rst).

    One that is ``made_here``, by the same intent, is set up by it: that it is down says nothing.
    """

    name: str
    made_here: bool = False

    @property
    def lives_on(self) -> Mapping[str, frozenset[Hashable] | None]:
        """The links."""
        return {"link": None}

    def change(self, before: Carrier, after: Carrier) -> str:
        """Return what became of the interface."""
        return f"{self.name} is up and has a carrier" if after is Carrier.READY else f"{self.name} {after}"

    def assumed(self) -> Carrier:
        """Return that it can carry packets."""
        return Carrier.READY


@dataclass(frozen=True, slots=True)
class Health:
    """What checks say: ``fit``, ``None`` while nothing is known.

    ``since`` is when they first said so (seconds since 1970) and ``reason`` what was seen then; both are only told.
    """

    fit: bool | None
    reason: str = field(default="", compare=False)
    since: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class WayOut:
    """A way out of the mesh by ``link`` from a ``source``, which is ``None`` where that is not known yet."""

    routing_table: int
    link: str
    source: IPv6Network | None


@dataclass(frozen=True, slots=True)
class CheckedHealth(Reference[Health]):
    """Whether something is fit by its checks, all of which are carried out each ``every_seconds``.

    So many failures in a row, ``fall``, make it unfit, and so many passes, ``rise``, fit again. Without checks it is
    fit. ``of`` names it: until other checks than before have said something, what is held of it holds on. Where nothing
    is held of it, and this node announces the ``way_out`` already, it counts as fit until its checks say otherwise.
    """

    of: str
    checks: tuple[Check, ...]
    every_seconds: int
    fall: int
    rise: int
    way_out: WayOut | None = field(default=None, compare=False)

    def change(self, before: Health, after: Health) -> str:
        """Return what the checks say now."""
        return after.reason

    def assumed(self) -> Health:
        """Return that all checks pass."""
        return Health(fit=True)


@dataclass(frozen=True, slots=True)
class DrainOrder:
    """An operator's word that something is not to be offered, until when (seconds since 1970), ``None`` for no end."""

    reason: str
    since: float
    until: float | None


@dataclass(frozen=True, slots=True)
class Drained(Reference[DrainOrder | None]):
    """Whether an operator has drained something, by its name."""

    of: str

    def change(self, before: DrainOrder | None, after: DrainOrder | None) -> str:
        """Return what the operator says."""
        return "not drained any more" if after is None else f"drained by hand{_why(after)}"

    def assumed(self) -> None:
        """Return that nobody has drained it."""


def withheld(drain: DrainOrder | None, carriers: Mapping[str, Carrier], health: Health) -> Withheld | None:
    """Return what keeps something from being offered, ``None`` where nothing does.

    ``carriers`` are those of the interfaces that it needs, by name.
    """
    if drain is not None:
        return Withheld(Cause.DRAINED, f"drained by hand{_why(drain)}", drain.since, drain.until)
    for name, carrier in carriers.items():
        if carrier is not Carrier.READY:
            return Withheld(Cause.CARRIER, f"{name} {carrier}")
    if health.fit:
        return None
    if health.fit is None:
        return Withheld(Cause.UNKNOWN, "its checks have not said anything yet")
    return Withheld(Cause.CHECKS, health.reason, health.since)


def _why(drain: DrainOrder) -> str:
    return f": {drain.reason}" if drain.reason else ""
