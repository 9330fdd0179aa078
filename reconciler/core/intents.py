"""Which intent a node is held at: the last good one, one on trial, and those that were rolled back.

A change that must be confirmed is written down as a trial *before* anything is changed. Whatever happens then, what
is on disk says how it ends: confirmed, it is the good one; else its digest is quarantined and the good one is
enforced. Every transition is one value, which a store writes in one step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from reconciler.core.clock import Clock

MOST_QUARANTINED = 32
"""How many digests are remembered; the oldest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Document:
    """A node file as it was read. ``digest`` is that of what it means: comments and layout do not change it."""

    name: str
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A document that is undone unless it is confirmed before ``deadline``, in seconds since the boot ``boot``."""

    document: Document
    deadline: float
    boot: str
    since: float

    def seconds_left(self, clock: Clock) -> float:
        """Return the seconds that are left to confirm, none after another boot of the machine."""
        return max(0.0, self.deadline - clock.now()) if self.boot == clock.boot() else 0.0


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A digest that was rolled back, when (seconds since 1970), and why."""

    digest: str
    since: float
    reason: str


@dataclass(frozen=True, slots=True)
class Given:
    """A document that was given by `stellwerk apply`: it counts until the node file changes from ``instead_of``."""

    document: Document
    instead_of: str | None


@dataclass(frozen=True, slots=True)
class Intents:
    """All that is known on disk about intents. ``good_since`` is in seconds since 1970."""

    good: Document | None = None
    good_since: float = 0.0
    trial: Trial | None = None
    quarantine: tuple[Quarantined, ...] = ()
    given: Given | None = None

    def quarantined(self, digest: str) -> Quarantined | None:
        """Return why a digest is not to be tried, ``None`` when it may be."""
        return next((one for one in self.quarantine if one.digest == digest), None)

    def armed(self, document: Document, seconds: float, clock: Clock) -> Intents:
        """Return the intents with the document on trial for so many seconds."""
        return replace(self, trial=Trial(document, clock.now() + seconds, clock.boot(), clock.wall()))

    def confirmed(self, clock: Clock) -> Intents:
        """Return the intents with the document on trial as the good one."""
        return self if self.trial is None else self.settled(self.trial.document, clock)

    def settled(self, document: Document, clock: Clock) -> Intents:
        """Return the intents with the document as the good one, and none on trial."""
        since = self.good_since if self.good is not None and self.good.digest == document.digest else clock.wall()
        quarantine = tuple(one for one in self.quarantine if one.digest != document.digest)
        return replace(self, good=document, good_since=since, trial=None, quarantine=quarantine)

    def rolled_back(self, reason: str, clock: Clock) -> Intents:
        """Return the intents with the document on trial in quarantine."""
        if self.trial is None:
            return self
        digest = self.trial.document.digest
        others = tuple(one for one in self.quarantine if one.digest != digest)
        quarantine = (*others, Quarantined(digest, clock.wall(), reason))[-MOST_QUARANTINED:]
        given = None if self.given is not None and self.given.document.digest == digest else self.given
        return replace(self, trial=None, quarantine=quarantine, given=given)

    def released(self) -> Intents:
        """Return the intents with nothing in quarantine."""
        return replace(self, quarantine=())


class IntentStore(Protocol):
    """Where the intents are kept between runs."""

    def load_intents(self) -> Intents:
        """Return the intents, empty when none were kept. Raises StellwerkError when they are damaged."""
        ...

    def save_intents(self, intents: Intents) -> None:
        """Keep the intents so that they survive a crash from the moment this returns. Raises StellwerkError."""
        ...
