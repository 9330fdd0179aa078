"""What an audit says: how a node is, held against what it should be, as values that every report is made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters, the worst first."""

    CRITICAL = "critical"
    """It harms the mesh, or opens the node or its traffic to others, now."""
    MAJOR = "major"
    """Something that the intent asks for does not work because of it."""
    MINOR = "minor"
    """It is not as the intent says, and what it asks for works all the same."""
    NOTE = "note"
    """Worth knowing: what is there and nobody asked for, or what could not be told."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file that stands which a finding is about; line and column are counted from 1, 0 for all of it."""

    file: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an audit found.

    ``rule`` is a stable name such as ``default-without-from``; ``subject`` is the object in the words of ``ip``;
    ``message`` says what is wrong with it and ``advice`` what to do. All texts may hold names from the network.
    """

    rule: str
    severity: Severity
    subject: str
    message: str
    advice: str = ""
    place: Place | None = None


class State(StrEnum):
    """What an audit of a node comes to."""

    IN_SYNC = "in sync"
    DIFFERS = "differs"
    UNKNOWN = "unknown"
    """Not all of the node could be seen, or there is no snapshot of it."""
    INVALID = "invalid"
    """What it should be cannot be read."""


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """A link of a node: the other node's name, through which interface, and whether it works (``None``: unknown)."""

    to: str
    interface: str
    works: bool | None


@dataclass(frozen=True, slots=True)
class ExitSeen:
    """An exit prefix of a node, and whether it is announced now (``None``: unknown)."""

    prefix: str
    announced: bool | None


@dataclass(frozen=True, slots=True)
class NodeAudit:
    """How one node is, held against what it should be.

    ``taken`` is when it was looked at (seconds since 1970), ``None`` for never; ``seen`` says how, such as ``live`` or
    the snapshot's path; ``digest`` is that of the intent. ``unseen`` says in words what could not be looked at.
    ``unmanaged`` counts, by table, objects that nobody asked for and that are left alone.
    """

    node: str
    file: str
    digest: str = ""
    seen: str = ""
    taken: float | None = None
    findings: tuple[Finding, ...] = ()
    unseen: tuple[str, ...] = ()
    problem: str = ""
    """Why there is nothing to compare: the intent is invalid, or there is no snapshot. Empty where there is."""
    state: State = State.IN_SYNC
    unmanaged: tuple[tuple[str, int], ...] = ()
    links: tuple[LinkSeen, ...] = ()
    exits: tuple[ExitSeen, ...] = ()


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit of one node or of a whole fleet, made at ``made`` (seconds since 1970), by which version of us.

    ``fleet`` is the fleet's name, empty for a single node.
    """

    nodes: tuple[NodeAudit, ...]
    made: float
    version: str
    fleet: str = ""

    def worst(self) -> State:
        """Return the state of the whole: an invalid one counts most, then an unknown, then a difference."""
        return worst(node.state for node in self.nodes)


def worst(states: Iterable[State]) -> State:
    """Return the state that counts most of several; without any, ``IN_SYNC``."""
    order = (State.IN_SYNC, State.DIFFERS, State.UNKNOWN, State.INVALID)
    return max(states, key=order.index, default=State.IN_SYNC)
