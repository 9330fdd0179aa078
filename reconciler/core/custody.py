"""At which document a node is held, and how it comes to be held at another one.

What the node file says, what was given by hand, what is on trial and what was rolled back come together here; every
step is on disk before anything follows from it. See `reconciler.core.intents` for how a trial ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.core.clock import Clock
from reconciler.core.commits import Commit
from reconciler.core.errors import RefusedError, RolledBackError, StellwerkError
from reconciler.core.intents import MOST_QUARANTINED, Document, Given, Intents, IntentStore, Quarantined


@dataclass(frozen=True, slots=True)
class FileState:
    """The node file as it was read last: a document, or what is wrong with it. ``name`` is its path.

    ``commit`` is the one that the problem is of, where it is one's.
    """

    name: str | None = None
    document: Document | None = None
    problem: str | None = None
    commit: Commit | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that was not adopted, why, and since when (seconds since 1970).

    It is tried again by itself only where the reason is a ``passing`` one, such as a full disk.
    """

    document: Document
    reason: str
    since: float
    passing: bool = False


@dataclass
class Custody:
    """Keeps the intents of a node. Raises StellwerkError where the disk fails; the step is not taken then.

    ``unsaved`` is why what is held is not on disk, ``None`` when it is: a few steps are taken all the same. ``lost``
    says that it is not known what the node was held at, which is then left as it is. ``to_undo`` was on trial, and the
    node is not held at the one before yet.
    """

    store: IntentStore
    clock: Clock
    file: FileState = field(default_factory=FileState)
    intents: Intents = field(default_factory=Intents)
    refusal: Refusal | None = None
    unsaved: str | None = None
    lost: bool = False
    to_undo: Document | None = None

    def load(self) -> None:
        """Take what is on disk."""
        self.intents = self.store.load_intents()

    def remember_quarantine(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Take from the history what was rolled back, oldest first: for where the intents themselves were lost."""
        found: dict[str, Quarantined] = {}
        for fact in history:
            event, digest = fact.get("event"), str(fact.get("digest"))
            if event == "rolled back":
                found[digest] = Quarantined(digest, float(fact.get("time", 0.0)), str(fact.get("because", "")))
            elif event == "confirmed":
                found.pop(digest, None)
            elif event == "released":
                found.clear()
        self.lost = bool(found)
        self.intents = replace(self.intents, quarantine=tuple(found.values())[-MOST_QUARANTINED:])

    def take_file(self, file: FileState) -> None:
        """Take what the node file holds now. When it has changed, what was given by hand instead of it is over."""
        self.file = file
        given = self.intents.given
        if given is not None and file.document is not None and file.document.digest != given.instead_of:
            self._save_in_any_case(replace(self.intents, given=None))
        if file.document is not None and file.document.commit is not None:
            self._follow_commit(file.document)

    def _follow_commit(self, document: Document) -> None:
        """Take note of the newest commit by which what is held is asked for."""
        held = self.held()
        if held is not None and held.digest == document.digest and held.commit != document.commit:
            self._save_in_any_case(self.intents.said_by(document))

    def candidate(self) -> Document | None:
        """Return the document that the node is asked to be held at, before it is asked whether that may be.

        The latest word counts: a document given by hand holds until the node file changes.
        """
        file, given = self.file.document, self.intents.given
        if given is not None and (file is None or given.instead_of == file.digest):
            return given.document
        return file

    def held(self) -> Document | None:
        """Return the document that the node is held at, ``None`` for none."""
        trial = self.intents.trial
        return trial.document if trial is not None else self.intents.adopted or self.intents.good

    def emptied(self) -> bool:
        """Return whether the node is held at nothing, since the first document ever was rolled back."""
        return self.held() is None and bool(self.intents.quarantine) and not self.lost

    def is_new(self, candidate: Document) -> bool:
        """Return whether a document is another one than the node is held at, and may be tried."""
        known = [self.held(), None if self.refusal is None else self.refusal.document]
        if self.intents.trial is not None:
            known.append(self.intents.trial.before)
        if any(one is not None and one.digest == candidate.digest for one in known):
            return False
        return self.intents.quarantined(candidate.digest) is None

    def returns_to(self, candidate: Document) -> bool:
        """Return whether a document is the one that was held before what is on trial."""
        trial = self.intents.trial
        return trial is not None and trial.before is not None and trial.before.digest == candidate.digest

    def forgot_what_was_before(self) -> bool:
        """Return whether nothing is on disk about what the node was held at."""
        return self.held() is None

    def needs_trial(self, document: Document) -> bool:
        """Return whether a document is another one than the node was last held at without being on trial."""
        return self.intents.adopted is None or self.intents.adopted.digest != document.digest

    def check_not_quarantined(self, document: Document) -> None:
        """Raise RefusedError for a document that was rolled back."""
        if (known := self.intents.quarantined(document.digest)) is not None:
            raise RefusedError(
                f"this intent was rolled back ({known.reason}) and is in quarantine; change it, or say "
                "`stellwerk retry` to have it tried again"
            )

    def by_hand(self, document: Document) -> Given | None:
        """Return a document as given by hand instead of the node file's, ``None`` where that says the same."""
        if self.file.document is not None and self.file.document.digest == document.digest:
            return None
        return Given(document, None if self.file.document is None else self.file.document.digest)

    def adopt(self, document: Document, given: Given | None) -> None:
        """Hold the node at a document from now on."""
        self._save(replace(self.intents, given=given).adopting(document))
        self.refusal = None

    def arm(self, document: Document, given: Given | None, seconds: float) -> None:
        """Hold the node at a document on trial."""
        intents = replace(self.intents, given=given, trial=None)
        self._save(intents.armed(document, seconds, self.clock))
        self.refusal = None

    def refuse(self, document: Document, reason: str, passing: bool) -> None:
        """Take note that a document cannot be adopted."""
        self.refusal = Refusal(document, reason, self.clock.wall(), passing)

    def try_again(self) -> None:
        """Let be tried again what a disk or a backend that failed kept from being done."""
        if self.refusal is not None and self.refusal.passing:
            self.refusal = None
        if self.unsaved is not None:
            self._save_in_any_case(self.intents)

    def trial_is_over(self) -> bool:
        """Return whether the time of what is on trial has run out."""
        return self.intents.trial is not None and not self.intents.trial.seconds_left(self.clock)

    def confirm(self) -> Document:
        """Keep what is on trial, and return it. Raises RefusedError when nothing is, RolledBackError when too late."""
        trial = self.intents.trial
        if trial is None:
            raise RefusedError("nothing waits to be confirmed" + self._rolled_back_last())
        if self.trial_is_over():
            raise RolledBackError("it is too late to confirm: the time is over, and the change is undone")
        self._save(self.intents.confirmed(self.clock))
        return trial.document

    def roll_back(self, because: str) -> Document:
        """Put what is on trial in quarantine, and return it; the one before is held again. Raises RefusedError.

        Where the disk fails this holds all the same for as long as the program lives: what is on disk says that it
        is on trial, so that it is undone after a restart too.
        """
        trial = self.intents.trial
        if trial is None:
            raise RefusedError("nothing is on trial that could be rolled back" + self._rolled_back_last())
        self._save_in_any_case(self.intents.rolled_back(because, self.clock))
        self.to_undo = trial.document
        return trial.document

    def abandon(self) -> None:
        """Leave a trial without a verdict, because the one before is asked for, which is held again.

        As at a roll-back, this holds though the disk fails.
        """
        if self.intents.trial is not None:
            self.to_undo = self.intents.trial.document
            self._save_in_any_case(replace(self.intents, adopted=self.intents.trial.before, trial=None))

    def reached(self, document: Document) -> None:
        """Take note that the node is what a document asks for, which makes it a good one unless it is on trial."""
        adopted = self.intents.adopted
        if self.intents.trial is None and adopted is not None and adopted.digest == document.digest:
            reached = self.intents.reached(self.clock)
            if reached is not self.intents:
                self._save(reached)

    def release(self) -> None:
        """Let what was rolled back be tried again. Raises RefusedError when nothing was."""
        if not self.intents.quarantine:
            raise RefusedError("nothing is in quarantine")
        self._save(self.intents.released())

    def _save(self, intents: Intents) -> None:
        self.store.save_intents(intents)
        self.intents, self.unsaved = intents, None

    def _save_in_any_case(self, intents: Intents) -> None:
        self.intents = intents
        try:
            self._save(intents)
        except StellwerkError as exc:
            self.unsaved = str(exc)

    def _rolled_back_last(self) -> str:
        last = self.intents.quarantine[-1] if self.intents.quarantine else None
        return "" if last is None else f"; intent {last.digest[:12]} was rolled back: {last.reason}"
