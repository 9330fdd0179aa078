"""The loop that keeps a node at its intent: when to make a round, and what to do after it.

It has no thread and does not wait: whoever drives it tells it what happened (`hear`, `give_file`, the commands), lets
it take a `turn`, and asks when the next one is `due`. News mark what to look at, and what to do is decided by a look;
only what they tell of single rows is taken at its word.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from random import random as any_number
from typing import Any, Protocol, TypeVar

from intent.checks import Check
from intent.problems import IntentError
from reconciler.core import facts, status
from reconciler.core.agenda import Agenda
from reconciler.core.apply import Watcher
from reconciler.core.axis import Axis
from reconciler.core.backend import Backend, News
from reconciler.core.check_schedule import CheckSchedule
from reconciler.core.checks import CheckResult
from reconciler.core.clock import Clock
from reconciler.core.commits import Commit
from reconciler.core.custody import Custody, FileState
from reconciler.core.errors import RefusedError, StellwerkError
from reconciler.core.history import History
from reconciler.core.holding import Holding, Terms
from reconciler.core.intents import Document, Intents, IntentStore
from reconciler.core.inventory import InventoryStore
from reconciler.core.live_references import LiveReferences
from reconciler.core.notices import Notices
from reconciler.core.offers import undecided
from reconciler.core.permission import Mode, Permission
from reconciler.core.reconcile import Look, Round, Rounds
from reconciler.core.retries import Random
from reconciler.core.suspension import SuspensionStore
from reconciler.core.telling import Telling, commit_facts, log
from reconciler.core.wanted import Checker, Interpreter, Wanted
from reconciler.core.work import Work

MOST_RECALLED = 1000
"""How many entries of the history are searched for roll-backs where the intents were lost."""
MOST_TURNS = 8

T = TypeVar("T")


class Store(InventoryStore, IntentStore, SuspensionStore, Protocol):
    """What is kept on disk."""


class Loop:
    """Keeps one node. Commands are refused with RefusedError; nothing else raises."""

    def __init__(
        self,
        interpreter: Interpreter,
        backends: Sequence[Backend],
        store: Store,
        history: History,
        checker: Checker,
        clock: Clock,
        mode: Mode = Mode.ENFORCE,
        random: Random = any_number,
    ) -> None:
        self.clock = clock
        self.permission = Permission(mode, store, clock)
        self.custody = Custody(store, clock)
        self.rounds = Rounds(backends, store, random)
        self.references = LiveReferences(interpreter, self.rounds, clock)
        self.agenda = Agenda(self.rounds, self.references, clock, random)
        self.checks = CheckSchedule(checker, clock, random)
        self.telling = Telling(history, clock)
        self.holding = Holding(self.custody, self.references, self.rounds, self.checks, self.agenda.dirty, self.telling)
        self.holding.offers.hindered = self.permission.hindered
        self.seen: Look | None = None
        self.troubles: dict[str, str] = {}
        self.services: tuple[Mapping[str, Any], ...] = ()
        """How what runs beside the loop is, as the status shows it; who runs it says so."""
        self.git: Mapping[str, Any] | None = None
        """How the repository is that the node file comes from, ``None`` for a file; who fetches from it says so."""
        self.sync, self.health, self.behind = Axis(), Axis(), Axis()
        self.notices = Notices()
        self.work = Work()
        self.before_a_round: Callable[[], None] = lambda: None
        self._guarded("intents", self.custody.load)
        if self.custody.intents == Intents():
            self.custody.remember_quarantine(self.telling.recall(MOST_RECALLED))

    # What happened.

    def tables_without_news(self, tables: frozenset[str]) -> None:
        """Say which tables have no news, so that they are looked at by the clock."""
        self.agenda.tables_without_news(tables)

    def give_file(
        self, name: str, document: Document | None, problem: str | None = None, commit: Commit | None = None
    ) -> None:
        """Say what the node file holds now: a document, or what is wrong with it, which changes nothing.

        ``commit`` is the one that has what is wrong.
        """
        before = self.custody.file
        self.custody.take_file(FileState(name, document, problem, commit))
        self.holding.concern()
        if problem is not None and problem != before.problem:
            told = {} if commit is None else commit.facts(name)
            self.telling.tell("refused", **{"because": "the node file cannot be used", "outcome": problem, **told})
        if problem is None and before.problem is not None:
            self.telling.tell("accepted", because="the node file can be used again")
        if document is not None and document != before.document:
            self.custody.refusal = None
            self.agenda.rest_no_more()
        self.agenda.dirty.mark_all("the node file changed")

    def damaged(self, because: str, outcome: str) -> None:
        """Say that what was kept on disk was damaged before the start, and what became of it."""
        self.telling.tell("damaged", because=because, outcome=outcome)

    def hear(self, news: News) -> None:
        """Take note of what has changed."""
        self.agenda.hear(news)

    def references_changed(self) -> None:
        """Say that something the documents refer to may have changed, such as what one of them was refused for."""
        self.custody.refusal = None
        self.agenda.rest_no_more()
        self.agenda.dirty.mark_all("something that the node file refers to changed")

    def checked(self, results: Sequence[CheckResult], turn: int) -> None:
        """Take the results of checks, with the turn that they were started with."""
        if not self.checks.take(results, turn):
            return
        if self.checks.after_roll_back:
            self.checks.after_roll_back = False
            failed = self.checks.failed()
            words = f"these checks fail now as well: {facts.shortened(failed)}" if failed else "all checks pass now"
            self.telling.tell("checked", because="it was rolled back", outcome=words)
        trial = self.custody.intents.trial
        if trial is None or self.permission.mode is Mode.REPORT:
            return
        if self.checks.suffice(trial.seconds, self.in_sync):
            self._guarded("intents", lambda: self.confirm("all checks pass"))

    # Commands.

    def confirm(self, because: str = "confirmed by hand") -> None:
        """Keep what is on trial. Raises RefusedError, other StellwerkErrors where the disk fails."""
        self.permission.check_not_reporting()
        document = self.custody.confirm()
        self.telling.tell("confirmed", because=because, digest=document.digest, **commit_facts(document))
        self.agenda.dirty.mark_all("confirmed")

    def roll_back(self, because: str = "rolled back by hand") -> None:
        """Undo what is on trial. Raises RefusedError."""
        self.permission.check_not_reporting()
        trial = self.custody.intents.trial
        self.custody.roll_back(because)
        undone = None if trial is None else trial.document
        digest = None if undone is None else undone.digest
        self.telling.tell("rolled back", because=because, digest=digest, **commit_facts(undone))
        self.checks.after_roll_back = True
        # Checks that are under way say nothing about what is held from now on.
        self.checks.drop()
        self.agenda.begin()
        self.agenda.dirty.mark_all("rolled back")

    def suspend(self, reason: str, seconds: float | None) -> None:
        """Change nothing for some time, ``None`` for until it is resumed. Raises StellwerkError."""
        if self.custody.intents.trial is not None:
            raise RefusedError("a change is on trial: `stellwerk confirm` or `stellwerk rollback` it first")
        self.permission.suspend(reason, seconds)
        self.telling.tell("suspended", because=reason)

    def resume(self, because: str = "resumed by hand") -> None:
        """End a suspension. Raises StellwerkError."""
        self.permission.lift()
        self._resumed(because)

    def _resume_where_that_is_over(self) -> None:
        if (over := self.permission.lift_where_over()) is not None:
            self._resumed(over)

    def _resumed(self, because: str) -> None:
        self.telling.tell("resumed", because=because)
        self.reconcile(because)

    def reconcile(self, because: str = "asked by hand") -> None:
        """Read everything from nothing and try everything again, a document that was refused too."""
        self.rounds.forget()
        self.custody.refusal = None
        self.rounds.begin()
        self.agenda.begin()
        self.agenda.dirty.mark_all(because)

    def allow_deletes(self) -> None:
        """Adopt the document that was refused, whatever share of the node it deletes. Raises what else is wrong."""
        self._check_may_change()
        refusal = self.custody.refusal
        if refusal is None:
            raise RefusedError("no intent waits for that: none was refused")
        self.seen = self.holding.adopt(refusal.document, self.custody.intents.given, Terms(allow_deletes=True))

    def retry(self) -> None:
        """Let what was rolled back be tried again. Raises StellwerkError."""
        released = [one.digest for one in self.custody.intents.quarantine]
        self.custody.release()
        for digest in released:
            self.telling.tell("released", because="asked by hand", digest=digest)
        self.agenda.dirty.mark_all("asked by hand")

    def apply(
        self,
        document: Document,
        confirm_seconds: float | None = None,
        allow_deletes: bool = False,
        check: Callable[[Look], None] = lambda _: None,
        watch: Watcher = lambda _: None,
    ) -> Round:
        """Hold the node at a document that was given by hand, as a whole or not at all, and make the first round.

        ``check`` is told the look and may refuse what it led to, ``watch`` is told each outcome. Raises IntentError and
        RefusedError, and then nothing was changed; another StellwerkError says what was. Where the keyboard stops it,
        a "stopped" is told of what was done until then.
        """
        self._check_may_change()
        self.custody.check_not_quarantined(document)
        given = self.custody.by_hand(document)
        seen = self.seen = self.holding.adopt(
            document, given, Terms(confirm_seconds, allow_deletes, strict=True, check=check)
        )
        try:
            done = self._make_round(seen, "applied by hand", watch)
        except StellwerkError as exc:
            raise StellwerkError(
                f"it is adopted and will be carried out, but not all of it could be done now: {exc}"
            ) from exc
        except KeyboardInterrupt:
            self._tell_stopped(seen)
            raise
        self._take_note_if_reached()
        return done

    def _tell_stopped(self, before: Look) -> None:
        """Tell how far a round came that was stopped, by a look: of what is on its way nobody has heard."""
        if self.wanted is None:
            return
        because, planned = "stopped by the keyboard", {operation.key for operation in before.plan.operations}
        try:
            left = self.rounds.look(self.wanted.desired).plan
        except StellwerkError as exc:
            self.telling.tell("stopped", because=because, outcome=f"how much was done is not known: {exc}")
            return
        done = len(planned - {operation.key for operation in left.operations})
        words = f"{done} of {len(planned)} operations were done; {facts.difference(left)}"
        self.telling.tell("stopped", because=because, outcome=words)

    # Turns.

    def due(self) -> float:
        """Return when the next turn is due, by the clock's `now`."""
        times = [self.agenda.due(self.seen, self.permission.granted), self.notices.due(), self.permission.due()]
        times = [max(self.agenda.rest_until, min(times))]
        times.append(self.checks.due(self._wanted_checks()))
        if self.custody.intents.trial is not None and self.permission.mode is Mode.ENFORCE:
            times.append(self.clock.now() + self.custody.intents.trial.seconds_left(self.clock))
        return min(times)

    def turn(self) -> bool:
        """Do what is due, one round at most. Returns whether that was more than to look."""
        worked, begun, rounds = False, self.clock.now(), self.work.rounds
        if self.custody.trial_is_over() and self.permission.mode is Mode.ENFORCE:
            self.roll_back(self._why_not_confirmed())
        try:
            worked = self.clock.now() >= self.agenda.rest_until and self._round_where_due(self.clock.now())
        except (StellwerkError, IntentError) as exc:
            self._rest(str(exc))
        if self.work.rounds > rounds:
            self.work.ended(self.clock.wall(), self.clock.now() - begun)
        self.checks.start_when_due(self._wanted_checks())
        self._judge()
        return worked

    def _judge(self) -> None:
        """Keep the two axes, and log when one changes: who reads that something failed reads when it was over, too."""
        wall, before = self.clock.wall(), (self.sync.value, self.health.value)
        self._take_notices(wall)
        reasons = status.reasons(self)
        self.sync.become(status.sync(self), wall)
        self.behind.become("behind" if status.behind(self) else "level", wall)
        self.holding.offers.note(self.seen, wall)
        self.health.become("degraded" if reasons else "healthy", wall)
        now = (self.sync.value, self.health.value)
        if now != before:
            fact = {"state": " and ".join(now), "because": facts.shortened([one.partition("\n")[0] for one in reasons])}
            log.log(logging.WARNING if reasons else logging.INFO, "status", extra={"fact": fact})

    def _take_notices(self, wall: float) -> None:
        """Take note of what others do, as the last look saw it."""
        desired = {} if self.wanted is None else self.wanted.desired.by_key
        observation = None if self.seen is None else self.seen.observation
        for told in self.notices.take(desired, observation, self.clock.now(), wall):
            self.telling.tell(**told)

    def settle(self) -> None:
        """Take the turns that are due now, as many as one thing may lead to."""
        for _ in range(MOST_TURNS):
            self.turn()
            if self.due() > self.clock.now():
                return

    @property
    def awaits_checks(self) -> bool:
        """Whether checks are still to come: those after a roll-back, or the first of something that is offered."""
        if self.wanted is None:
            return False
        return (self.checks.after_roll_back and bool(self.wanted.checks)) or undecided(self.wanted.offers)

    def _round_where_due(self, now: float) -> bool:
        """Look where that is due, and act; return whether something was done. Raises IntentError, StellwerkError."""
        self._resume_where_that_is_over()
        if self.agenda.mark_what_is_due(now, self.seen, self.permission.granted):
            self.custody.try_again()
        self.holding.follow_references()
        seen = self.holding.choose(self.permission.granted) if self.agenda.dirty.all else None
        if seen is None and not self.agenda.dirty:
            return False
        tables, rows, because = self.agenda.take(now)
        if self.wanted is None:
            return False
        if seen is None:
            try:
                seen = self.rounds.look(self.wanted.desired, tables, rows)
            except StellwerkError:
                self.agenda.dirty.all = True
                raise
        self.seen = seen
        self.work.rounds += 1
        self.rounds.take_note(seen, now)
        self.agenda.looked(seen, tables)
        decided = self.clock.now()
        to_do = self._is_open(seen, decided)
        if to_do:
            self._make_round(seen, because)
            # What was done may be much: it is let go before anything is written.
            del seen
            self._take_note_if_reached()
        else:
            self.agenda.try_again_when_due(decided)
            if self.permission.granted:
                self.rounds.forget_what_is_gone(seen, self.wanted.desired)
            self._take_note_if_reached()
            if not seen.plan.operations:
                # Who made them did no harm.
                self.agenda.dirty.actors.clear()
        self.agenda.begin()
        self.troubles.pop("round", None)
        return to_do

    def _is_open(self, seen: Look, now: float) -> bool:
        """Return whether there is something to do that may be done now."""
        if self.wanted is None or not self.permission.granted:
            return False
        return self.rounds.open(seen, self.wanted.desired, now)

    def _make_round(self, seen: Look, because: str, watch: Watcher = lambda _: None) -> Round:
        if self.wanted is None:
            raise ValueError("a round without anything that is wanted")
        begun = self.clock.now()
        # What is found is known to all before it is mended, which may take its time.
        self._judge()
        self.before_a_round()
        try:
            done = self.rounds.apply(seen, self.wanted.desired, self.clock.now, self.agenda.dirty.actors, watch)
        except BaseException:
            self.agenda.dirty.all = True
            raise
        self.seen = done.remaining
        self.work.did(done.outcomes)
        ended = self.clock.now()
        self.agenda.acted(ended)
        self.agenda.try_again_when_due(ended)
        for told in self.telling.of_round(done, self.rounds, ended - begun):
            self.telling.tell(**{"because": because, **told})
        if self._is_open(done.remaining, ended):
            self.agenda.dirty.mark_all("what was left")
        return done

    def _take_note_if_reached(self) -> None:
        document = None if self.wanted is None else self.wanted.document
        if document is not None and self.permission.granted and self.in_sync:
            self._guarded("intents", lambda: self.custody.reached(document))

    def _why_not_confirmed(self) -> str:
        trial = self.custody.intents.trial
        if trial is not None and trial.boot != self.clock.boot():
            return "the machine was started anew before it was confirmed"
        if failed := self.checks.failed():
            return f"not confirmed in time; these checks failed: {facts.shortened(failed)}"
        if not self.in_sync:
            left = "" if self.seen is None else f"; {facts.difference(self.seen.plan)}"
            return f"not confirmed in time{left}"
        return "not confirmed in time"

    # Small print.

    @property
    def wanted(self) -> Wanted | None:
        """What the node is held at asks for, ``None`` where nobody has said anything."""
        return self.holding.wanted

    def _wanted_checks(self) -> Sequence[Check]:
        return () if self.wanted is None else self.wanted.checks

    @property
    def in_sync(self) -> bool:
        """Whether nothing was left to do at the last look, but for what waits for something outside."""
        plan = None if self.seen is None else self.seen.plan
        return plan is not None and not (plan.operations or plan.conflicts or plan.unseen)

    def _check_may_change(self) -> None:
        self._resume_where_that_is_over()
        self.permission.check()

    def _rest(self, problem: str) -> None:
        """Wait before the next round, longer each time, after one that failed as a whole."""
        self.agenda.rest()
        if self.troubles.get("round") != problem:
            self.troubles["round"] = problem
            self.telling.tell("failed", because="a round could not be made", outcome=problem)

    def _guarded(self, name: str, step: Callable[[], T]) -> T | None:
        """Take a step that the disk may refuse, which is a trouble that is told and not the end."""
        try:
            result = step()
        except StellwerkError as exc:
            self.troubles[name] = str(exc)
            return None
        self.troubles.pop(name, None)
        return result
