"""What a node offers to others only while it is fit to, such as a way out of the mesh, and what keeps it from that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from intent.resources.resource import Key


class Cause(StrEnum):
    """What keeps something from being offered."""

    DRAINED = "drained"
    CARRIER = "carrier"
    CHECKS = "checks"
    UNKNOWN = "unknown"
    """Its checks have not said anything yet."""
    NO_PREFIX = "prefix"
    """There is nothing to be offered now, since no prefix is delegated for it."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why something is not offered; ``since`` and ``until`` are seconds since 1970 where they are known."""

    cause: Cause
    reason: str
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that a node offers to others while it is fit to.

    ``kind`` says what it is and ``name`` which one, and ``prefix`` which addresses it is for now, ``None`` where there
    are none: a name may stand for a prefix that changes. ``keys`` are the objects that are there only while it is
    offered; ``withheld`` is why it is not, ``None`` when it is.
    """

    kind: str
    name: str
    keys: tuple[Key, ...]
    withheld: Withheld | None = None
    prefix: str | None = None
