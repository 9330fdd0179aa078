"""What the node is held at: which document, and what that asks for by now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from intent.offers import Offer
from intent.problems import IntentError
from reconciler.core.check_schedule import CheckSchedule
from reconciler.core.custody import Custody
from reconciler.core.errors import DamagedStateError, RefusedError, StellwerkError
from reconciler.core.guards import check_deletions
from reconciler.core.intents import Document, Given
from reconciler.core.live_references import LiveReferences
from reconciler.core.offers import OfferBook
from reconciler.core.reconcile import Look, Rounds, check_nothing_in_the_way
from reconciler.core.schedule import DirtySet
from reconciler.core.telling import Telling, commit_facts
from reconciler.core.wanted import NOTHING, Wanted


class Terms(NamedTuple):
    """How a document is adopted: for how long on trial, ``None`` for what it says itself, and what it may lead to.

    ``strict`` says that nothing may be in its way; ``check`` is told the look, and may refuse what it led to.
    """

    confirm_seconds: float | None = None
    allow_deletes: bool = False
    strict: bool = False
    check: Callable[[Look], None] = lambda _: None


USUAL = Terms()
"""The terms of a document that comes by itself."""


class NotUndone(NamedTuple):
    """An intent that is on trial no more, and why the node is not held at the one before all the same."""

    digest: str
    reason: str


class Holding:
    """Holds the node at what custody says. ``wanted`` is what that asks for, ``None`` where nobody has said anything.

    Who holds it at something else has it looked at, and begins anew with what failed and was checked.
    """

    def __init__(
        self,
        custody: Custody,
        references: LiveReferences,
        rounds: Rounds,
        checks: CheckSchedule,
        dirty: DirtySet,
        telling: Telling,
    ) -> None:
        self.wanted: Wanted | None = None
        self.offers = OfferBook()
        self._before: Wanted | None = None
        self._custody, self._references, self._rounds = custody, references, rounds
        self._checks, self._dirty, self._telling = checks, dirty, telling
        self._told_refusal = ("", "")
        self.not_undone: NotUndone | None = None

    def choose(self, may_change: bool) -> Look | None:
        """Decide at which document the node is held; return the look by which a new one was adopted, if it was.

        Raises IntentError and StellwerkError where it is not known what that asks for.
        """
        candidate, trial = self._custody.candidate(), self._custody.intents.trial
        if candidate is not None and self._custody.is_new(candidate):
            try:
                if not may_change:
                    self._hold_at(self._interpreted(candidate))
                    return None
                given = None if candidate is self._custody.file.document else self._custody.intents.given
                return self.adopt(candidate, given)
            except (StellwerkError, IntentError) as exc:
                self._custody.refuse(candidate, str(exc), passing=_passes(exc))
                if (told := (candidate.digest, str(exc))) != self._told_refusal:
                    self._told_refusal = told
                    self._telling.tell("refused", because="a new intent", outcome=str(exc), **_named(candidate))
        elif trial is not None and candidate is not None and self._custody.returns_to(candidate) and may_change:
            self._custody.abandon()
            self._telling.tell("abandoned", because="another intent is asked for", **_named(trial.document))
        held = self._custody.held()
        if held is not None:
            try:
                self._hold_at(self._interpreted(held))
            except (StellwerkError, IntentError) as exc:
                self._tell_not_undone(str(exc))
                raise
        else:
            self._references.release()
            self._hold_at(NOTHING if self._custody.emptied() else None)
        self.not_undone, self._custody.to_undo = None, None
        return None

    def follow_references(self) -> None:
        """Hold the node at what its document asks for by now, where something may have changed that it refers to.

        Raises IntentError and StellwerkError.
        """
        if not self._references.stale:
            return
        self._references.stale = False
        if self.wanted is not None and self.wanted.document is not None:
            self._hold_at(self._interpreted(self.wanted.document))
        elif self._custody.held() is None:
            self._references.release()

    def offered(self) -> tuple[Offer, ...]:
        """Return what the node offers to others by what it is held at.

        Raises RefusedError where that is nothing, other StellwerkErrors.
        """
        if self.wanted is None:
            held = self._custody.held()
            if held is None:
                raise RefusedError("this node is held at nothing; `stellwerk apply` a node file first")
            self._hold_at(self._interpreted(held))
        return () if self.wanted is None else self.wanted.offers

    def adopt(self, document: Document, given: Given | None, terms: Terms = USUAL) -> Look:
        """Have the node held at a new document, on trial where that is asked for: on disk, before any change.

        Returns the look by which it was decided. Raises what keeps it from being adopted; nothing was changed then.
        """
        wanted = self._references.interpret(document)
        self._dirty.mark_all("a new intent")
        seen = self._rounds.look(wanted.desired)
        terms.check(seen)
        if terms.strict:
            check_nothing_in_the_way(seen)
        if not terms.allow_deletes:
            check_deletions(seen, wanted.largest_deleted_share)
        seconds = wanted.confirm_seconds if terms.confirm_seconds is None else terms.confirm_seconds
        trial, news = self._custody.intents.trial, self._custody.needs_trial(document)
        # While another one is on trial the node is as nobody has confirmed, though nothing may be left to change.
        # So is what cannot be seen now, or waits: it is changed later, by itself.
        if seconds and news and (not seen.plan.empty or trial is not None):
            blind = self._custody.forgot_what_was_before() and bool(seen.observation.owned)
            if blind and terms.confirm_seconds is not None:
                raise RefusedError(
                    "what this node was held at is not known any more, so that the change could not be undone; apply "
                    "it without --confirm first"
                )
            if blind:
                # To go back to nothing would take away what the node is reached by.
                self._telling.tell("not armed", because="what the node was held at is not known", **_named(document))
                self._custody.adopt(document, given)
            else:
                self._custody.arm(document, given, seconds)
        else:
            self._custody.adopt(document, given)
        if trial is not None and trial.document.digest != document.digest:
            self._telling.tell("abandoned", because="another intent is asked for", **_named(trial.document))
        self._before = self.wanted
        self.not_undone, self._custody.to_undo = None, None
        self._take(wanted)
        self._checks.after_roll_back = False
        self._begin()
        if self._custody.intents.trial is not None:
            self._telling.tell("armed", because="a new intent", outcome=f"undone in {seconds:g} s unless confirmed")
        elif document.commit is not None:
            # Whoever asks who wanted what finds it here, though nothing was left to do.
            self._telling.tell("adopted", because="a new commit", outcome=document.commit.subject)
        return seen

    def _interpreted(self, document: Document) -> Wanted:
        return self._references.interpret_or_recall(document, (self.wanted, self._before))

    def _tell_not_undone(self, why: str) -> None:
        undone = self._custody.to_undo
        if undone is None:
            return
        if self.not_undone is None or self.not_undone.digest != undone.digest:
            because = "it is not known what the intent before it asks for"
            self._telling.tell("not undone", because=because, outcome=why, **_named(undone))
        self.not_undone = NotUndone(undone.digest, why)

    def _hold_at(self, wanted: Wanted | None) -> None:
        if wanted is self.wanted:
            return
        before = self.wanted
        self._take(wanted)
        if before is None or wanted is None or before.document != wanted.document:
            self._begin()
        elif before.desired is not wanted.desired:
            self._rounds.follow(before.desired, wanted.desired)
            # What was seen counts for the objects that were desired.
            self._dirty.mark_all(wanted.because or "something that the node file refers to changed")

    def _take(self, wanted: Wanted | None) -> None:
        self.wanted = wanted
        self.concern()
        for told in self.offers.take(() if wanted is None else wanted.offers):
            self._telling.tell(**told)

    def concern(self) -> None:
        """Have told from now on of what the node is held at."""
        wanted, held = self.wanted, self._custody.held()
        document = None if wanted is None else wanted.document
        if document is not None and held is not None and held.digest == document.digest:
            # The same words may have come again, of another commit.
            document = held
        self._telling.concern("" if wanted is None else wanted.node, document)

    def _begin(self) -> None:
        """Begin with another intent: what failed under the last one says nothing."""
        self._rounds.begin()
        self._telling.begin()
        self._checks.begin()


def _named(document: Document) -> dict[str, Any]:
    """Return what tells of a document that the node is not held at."""
    return {"digest": document.digest, **commit_facts(document)}


def _passes(error: Exception) -> bool:
    """Return whether an error says nothing about the document that could not be adopted."""
    verdict = isinstance(error, IntentError | RefusedError) and not isinstance(error, DamagedStateError)
    return not verdict
