"""Which intent a node is held at: the last good one, one on trial, and those that were rolled back.

A change that must be confirmed is written down as a trial *before* anything is changed. Whatever happens then, what
is on disk says how it ends: confirmed, it is the good one; else its digest is quarantined and the good one is
enforced. Every transition is one value, which a store writes in one step.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from reconciler.core.clock import Clock
from reconciler.core.commits import Commit

MOST_QUARANTINED = 32
"""How many digests are remembered; the oldest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Document:
    """A node file as it was read. ``digest`` is that of what it means: comments and layout do not change it.

    ``commit`` is the one that it was read of, ``None`` for a file. Another commit does not make it another document.
    """

    name: str
    text: str
    digest: str
    commit: Commit | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Trial:
    """A document that is undone unless it is confirmed before ``deadline``, in seconds since the boot ``boot``.

    ``before`` is the one to go back to; ``None`` means that there was nothing of ours. ``seconds`` is how long the
    whole trial takes, ``since`` in seconds since 1970.
    """

    document: Document
    before: Document | None
    seconds: float
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
    """All that is known on disk about intents.

    ``adopted`` is the one that the node was last held at without being on trial, written before its first change.
    ``good`` is the last one that was seen to be reached, ``good_since`` in seconds since 1970.
    """

    adopted: Document | None = None
    good: Document | None = None
    good_since: float = 0.0
    trial: Trial | None = None
    quarantine: tuple[Quarantined, ...] = ()
    given: Given | None = None

    def said_by(self, document: Document) -> Intents:
        """Return the intents with what is held said to be of the document's commit, where it means the same."""

        def of_commit(one: Document | None) -> Document | None:
            same = one is not None and one.digest == document.digest
            return replace(one, commit=document.commit) if same and one is not None else one

        trial = self.trial
        if trial is not None and (tried := of_commit(trial.document)) is not None:
            trial = replace(trial, document=tried)
        return replace(self, adopted=of_commit(self.adopted), good=of_commit(self.good), trial=trial)

    def quarantined(self, digest: str) -> Quarantined | None:
        """Return why a digest is not to be tried, ``None`` when it may be."""
        return next((one for one in self.quarantine if one.digest == digest), None)

    def armed(self, document: Document, seconds: float, clock: Clock) -> Intents:
        """Return the intents with the document on trial for so many seconds."""
        deadline = clock.now() + seconds
        return replace(self, trial=Trial(document, self.adopted, seconds, deadline, clock.boot(), clock.wall()))

    def adopting(self, document: Document) -> Intents:
        """Return the intents with the node held at the document, and none on trial."""
        return replace(self, adopted=document, trial=None)

    def confirmed(self, clock: Clock) -> Intents:
        """Return the intents with the node held at the document that was on trial, which is a good one."""
        return self if self.trial is None else self.adopting(self.trial.document).reached(clock)

    def reached(self, clock: Clock) -> Intents:
        """Return the intents with the one that the node is held at as the good one."""
        if self.adopted is None or (self.good is not None and self.good.digest == self.adopted.digest):
            return self
        return replace(self, good=self.adopted, good_since=clock.wall())

    def rolled_back(self, reason: str, clock: Clock) -> Intents:
        """Return the intents with the document on trial in quarantine, and the one before it held again."""
        if self.trial is None:
            return self
        digest = self.trial.document.digest
        others = tuple(one for one in self.quarantine if one.digest != digest)
        quarantine = (*others, Quarantined(digest, clock.wall(), reason))[-MOST_QUARANTINED:]
        before, given = self.trial.before, self.given
        if given is not None and given.document.digest == digest:
            # What was held before may have been given by hand too: the file did not count then, nor does it now.
            stays = before is not None and before.digest != given.instead_of
            given = Given(before, given.instead_of) if before is not None and stays else None
        return replace(self, adopted=before, trial=None, quarantine=quarantine, given=given)

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
