"""The loop that keeps a node at its intent: when to make a round, and what to do after it.

It has no thread and does not wait: whoever drives it tells it what happened (`hear`, `give_file`, the commands), lets
it take a `turn`, and asks when the next one is `due`. News mark what to look at, and what to do is decided by a look;
only what they tell of single rows is taken at its word.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence, Set
from random import random as any_number
from typing import Any, Protocol, TypeVar

from intent.offers import Offer
from intent.problems import IntentError
from reconciler.core import facts, status
from reconciler.core.apply import Watcher
from reconciler.core.axis import Axis
from reconciler.core.backend import Backend, News, Partitions
from reconciler.core.checks import CheckResult
from reconciler.core.clock import Clock
from reconciler.core.custody import Custody, FileState
from reconciler.core.errors import DamagedStateError, RefusedError, StellwerkError
from reconciler.core.guards import check_deletions
from reconciler.core.history import History
from reconciler.core.intents import Document, Given, Intents, IntentStore
from reconciler.core.inventory import InventoryStore
from reconciler.core.notices import Notices
from reconciler.core.offers import OfferBook, undecided
from reconciler.core.permission import Mode, Permission
from reconciler.core.reconcile import Look, Round, Rounds, check_nothing_in_the_way
from reconciler.core.retries import LONGEST_SECONDS, Random, backoff
from reconciler.core.schedule import DirtySet, Timer
from reconciler.core.suspension import SuspensionStore
from reconciler.core.telling import Telling, log
from reconciler.core.wanted import NOTHING, Checker, Interpreter, Wanted

FULL_LOOK_SECONDS = 300.0
"""How often everything is looked at, whatever the news are; what is as it was is recognised, not read again."""
FRESH_LOOK_SECONDS = 3600.0
"""How often everything is read as if it had never been seen."""
SLOW_LOOK_SECONDS = 30.0
"""How often the tables are looked at that have no news, such as WireGuard's."""
CHECKS_SECONDS = 60.0
"""How often the checks are carried out when nothing is on trial."""
TRIAL_CHECKS_SECONDS = 1.0
"""How long to wait before checks are carried out again in a trial."""
LONGEST_STEADY_SECONDS = 15.0
"""For how long checks must go on passing to confirm a trial: what was cut looks well for a moment more."""
STEADY_SHARE = 0.25
SHORTEST_REST_SECONDS = 1.0
ECHO_SECONDS = 2.0
"""For how long after a change of ours news may be of that."""
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
        self.wanted: Wanted | None = None
        self._before: Wanted | None = None
        self.seen: Look | None = None
        self.checks: tuple[CheckResult, ...] = ()
        self.troubles: dict[str, str] = {}
        self.sync, self.health, self.offers = Axis(), Axis(), OfferBook()
        self.notices = Notices()
        self.telling = Telling(history, clock)
        self.rounds_made = 0
        self.before_a_round: Callable[[], None] = lambda: None
        self._interpreter, self._checker = interpreter, checker
        self._random = random
        self._full = Timer(FULL_LOOK_SECONDS, random)
        self._fresh = Timer(FRESH_LOOK_SECONDS, random)
        self._slow = Timer(SLOW_LOOK_SECONDS, random)
        self._checks_timer = Timer(CHECKS_SECONDS, random)
        self._without_news = frozenset[str]()
        self._dirty = DirtySet()
        self._listened: Mapping[str, Partitions] = {}
        self._stale = False
        self._ask_from = 0.0
        self._rests = 0
        self._rest_until = 0.0
        self._blind = 0
        self._blind_until = 0.0
        self._again_at = math.inf
        self._acted_at = -math.inf
        self._checks_turn = 0
        self._checks_begun = 0.0
        self._well_at: float | None = None
        self._rolled_back = False
        self._told_refusal = ("", "")
        self._guarded("intents", self.custody.load)
        if self.custody.intents == Intents():
            self.custody.remember_quarantine(self.telling.recall(MOST_RECALLED))

    # What happened.

    def tables_without_news(self, tables: frozenset[str]) -> None:
        """Say which tables have no news, so that they are looked at by the clock."""
        self._without_news = tables

    def give_file(self, name: str, document: Document | None, problem: str | None = None) -> None:
        """Say what the node file holds now: a document, or what is wrong with it, which changes nothing."""
        before = self.custody.file
        self.custody.take_file(FileState(name, document, problem))
        if problem is not None and problem != before.problem:
            self._tell("refused", because="the node file cannot be used", outcome=problem)
        if problem is None and before.problem is not None:
            self._tell("accepted", because="the node file can be used again")
        if document is not None and document != before.document:
            self.custody.refusal = None
            self._rest_until = 0.0
        self._dirty.mark_all("the node file changed")

    def damaged(self, because: str, outcome: str) -> None:
        """Say that what was kept on disk was damaged before the start, and what became of it."""
        self._tell("damaged", because=because, outcome=outcome)

    def hear(self, news: News) -> None:
        """Take note of what has changed."""
        if news.tables is None:
            self._dirty.mark_all("news were lost")
        else:
            self._dirty.mark(news.tables, "something changed")
            self._dirty.mark_rows(news.rows, "something changed")
            self._hasten(news.tables | news.rows.keys())
        self._hear_of_references(news)
        self._dirty.actors |= news.actors

    def _hear_of_references(self, news: News) -> None:
        """Have what the document refers to resolved anew where something has changed that it depends on."""
        whole = {table for table, parts in self._listened.items() if parts is None}
        if news.tables is None or news.heard or not whole.isdisjoint(news.tables | news.rows.keys()):
            self._stale = True

    def _hasten(self, tables: Set[str]) -> None:
        """Have what failed tried again soon where something has changed, unless that may be our own doing."""
        now = self.clock.now()
        if now >= self._acted_at + ECHO_SECONDS:
            self.rounds.retries.hasten(tables, now)
            # What is due already is not among the next attempts.
            self._again_at = min(self._again_at, self._next_attempt(now))

    def references_changed(self) -> None:
        """Say that something the documents refer to may have changed, such as what one of them was refused for."""
        self.custody.refusal = None
        self._rest_until = 0.0
        self._dirty.mark_all("something that the node file refers to changed")

    def checked(self, results: Sequence[CheckResult], turn: int) -> None:
        """Take the results of checks, with the turn that they were started with."""
        if turn != self._checks_turn:
            # Begun before the latest change of the intent: they say nothing about it.
            self._checks_timer.at = 0.0
            return
        self.checks = tuple(results)
        if self._rolled_back:
            self._rolled_back = False
            failed = self.failed_checks()
            words = f"these checks fail now as well: {facts.shortened(failed)}" if failed else "all checks pass now"
            self._tell("checked", because="it was rolled back", outcome=words)
        trial, now = self.custody.intents.trial, self.clock.now()
        if trial is None or self.permission.mode is Mode.REPORT:
            return
        self._checks_timer.at = now + TRIAL_CHECKS_SECONDS
        if self.failed_checks() or not self.in_sync:
            self._well_at = None
            return
        if self._well_at is None:
            self._well_at = self._checks_begun + min(LONGEST_STEADY_SECONDS, STEADY_SHARE * trial.seconds)
        if now >= self._well_at:
            self._guarded("intents", lambda: self.confirm("all checks pass"))

    def failed_checks(self) -> list[str]:
        """Return the checks that failed last, each with the reason."""
        return [f"{one.check.describe()}: {one.reason}" for one in self.checks if not one.passed]

    def offered(self) -> tuple[Offer, ...]:
        """Return what the node offers to others by what it is held at.

        Raises RefusedError where that is nothing, other StellwerkErrors.
        """
        if self.wanted is None:
            held = self.custody.held()
            if held is None:
                raise RefusedError("this node is held at nothing; `stellwerk apply` a node file first")
            self._hold_at(self._interpreted(held))
        return () if self.wanted is None else self.wanted.offers

    # Commands.

    def confirm(self, because: str = "confirmed by hand") -> None:
        """Keep what is on trial. Raises RefusedError, other StellwerkErrors where the disk fails."""
        self.permission.check_not_reporting()
        document = self.custody.confirm()
        self._tell("confirmed", because=because, digest=document.digest)
        self._dirty.mark_all("confirmed")

    def roll_back(self, because: str = "rolled back by hand") -> None:
        """Undo what is on trial. Raises RefusedError."""
        self.permission.check_not_reporting()
        trial = self.custody.intents.trial
        self.custody.roll_back(because)
        self._tell("rolled back", because=because, digest=None if trial is None else trial.document.digest)
        self._rolled_back = True
        # Checks that are under way say nothing about what is held from now on.
        self._checks_turn += 1
        self._rests, self._rest_until = 0, 0.0
        self._dirty.mark_all("rolled back")

    def suspend(self, reason: str, seconds: float | None) -> None:
        """Change nothing for some time, ``None`` for until it is resumed. Raises StellwerkError."""
        if self.custody.intents.trial is not None:
            raise RefusedError("a change is on trial: `stellwerk confirm` or `stellwerk rollback` it first")
        self.permission.suspend(reason, seconds)
        self._tell("suspended", because=reason)

    def resume(self, because: str = "resumed by hand") -> None:
        """End a suspension. Raises StellwerkError."""
        self.permission.lift()
        self._resumed(because)

    def _resume_where_that_is_over(self) -> None:
        if (over := self.permission.lift_where_over()) is not None:
            self._resumed(over)

    def _resumed(self, because: str) -> None:
        self._tell("resumed", because=because)
        self.reconcile(because)

    def reconcile(self, because: str = "asked by hand") -> None:
        """Read everything from nothing and try everything again, a document that was refused too."""
        self.rounds.forget()
        self.custody.refusal = None
        self.rounds.begin()
        self._rests, self._rest_until = 0, 0.0
        self._dirty.mark_all(because)

    def allow_deletes(self) -> None:
        """Adopt the document that was refused, whatever share of the node it deletes. Raises what else is wrong."""
        self._check_may_change()
        refusal = self.custody.refusal
        if refusal is None:
            raise RefusedError("no intent waits for that: none was refused")
        self._adopt(refusal.document, self.custody.intents.given, None, allow_deletes=True)

    def retry(self) -> None:
        """Let what was rolled back be tried again. Raises StellwerkError."""
        released = [one.digest for one in self.custody.intents.quarantine]
        self.custody.release()
        for digest in released:
            self._tell("released", because="asked by hand", digest=digest)
        self._dirty.mark_all("asked by hand")

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
        seen = self._adopt(document, given, confirm_seconds, allow_deletes, strict=True, check=check)
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
            self._tell("stopped", because=because, outcome=f"how much was done is not known: {exc}")
            return
        done = len(planned - {operation.key for operation in left.operations})
        words = f"{done} of {len(planned)} operations were done; {facts.difference(left)}"
        self._tell("stopped", because=because, outcome=words)

    # Turns.

    def due(self) -> float:
        """Return when the next turn is due, by the clock's `now`."""
        now = self.clock.now()
        times = [self._full.at, self._slow.at]
        if self.seen is not None and self.seen.plan.unseen:
            times.append(self._blind_until)
        if self._dirty or self._stale:
            times.append(now)
        times.append(max(self._ask_from, self._interpreter.due()))
        times.append(self.notices.due())
        if self.permission:
            times.append(self._again_at)
        times.append(self.permission.due())
        times = [max(self._rest_until, min(times))]
        if self.wanted is not None and self.wanted.checks:
            times.append(self._checks_timer.at)
        if self.custody.intents.trial is not None and self.permission.mode is Mode.ENFORCE:
            times.append(now + self.custody.intents.trial.seconds_left(self.clock))
        return min(times)

    def turn(self) -> bool:
        """Do what is due, one round at most. Returns whether that was more than to look."""
        worked = False
        if self.custody.trial_is_over() and self.permission.mode is Mode.ENFORCE:
            self.roll_back(self._why_not_confirmed())
        try:
            worked = self.clock.now() >= self._rest_until and self._round_where_due(self.clock.now())
        except (StellwerkError, IntentError) as exc:
            self._rest(str(exc))
        self._start_checks_when_due()
        self._judge()
        return worked

    def _judge(self) -> None:
        """Keep the two axes, and log when one changes: who reads that something failed reads when it was over, too."""
        wall, before = self.clock.wall(), (self.sync.value, self.health.value)
        self._take_notices(wall)
        reasons = status.reasons(self)
        self.sync.become(status.sync(self), wall)
        self.offers.note(self.seen, wall)
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
            self._tell(**told)

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
        return (self._rolled_back and bool(self.wanted.checks)) or undecided(self.wanted.offers)

    def _round_where_due(self, now: float) -> bool:
        """Look where that is due, and act; return whether something was done. Raises IntentError, StellwerkError."""
        self._mark_what_is_due(now)
        if self._stale:
            self._resolve_anew()
        seen = self._choose() if self._dirty.all else None
        if seen is None and not self._dirty:
            return False
        tables, rows, because = self._dirty.take()
        if tables is None:
            self._full.wind(now)
            self._slow.wind(now)
        if self.wanted is None:
            return False
        if seen is None:
            try:
                seen = self.rounds.look(self.wanted.desired, tables, rows)
            except StellwerkError:
                self._dirty.all = True
                raise
        self.seen = seen
        self.rounds_made += 1
        self.rounds.take_note(seen, now)
        self._note_blindness(seen, tables)
        decided = self.clock.now()
        to_do = self._is_open(seen, decided)
        if to_do:
            self._make_round(seen, because)
            # What was done may be much: it is let go before anything is written.
            del seen
            self._take_note_if_reached()
        else:
            self._again_at = self._next_attempt(decided)
            if self.permission:
                self.rounds.forget_what_is_gone(seen, self.wanted.desired)
            self._take_note_if_reached()
            if not seen.plan.operations:
                # Who made them did no harm.
                self._dirty.actors.clear()
        self._rests = 0
        self.troubles.pop("round", None)
        return to_do

    def _note_blindness(self, seen: Look, tables: Set[str] | None) -> None:
        """Wait longer, each time that it was tried, before what cannot be seen is looked at again."""
        unseen = seen.plan.unseen.keys()
        if not unseen:
            self._blind = 0
        elif tables is None or tables & unseen:
            self._blind += 1
            self._blind_until = self.clock.now() + backoff(
                self._blind, SHORTEST_REST_SECONDS, LONGEST_SECONDS, self._random
            )

    def _mark_what_is_due(self, now: float) -> None:
        """Have looked at what it is time for."""
        self._resume_where_that_is_over()
        if now >= self._full.at:
            if now >= self._fresh.at:
                self._fresh.wind(now)
                self.rounds.forget()
            self.custody.try_again()
            self._dirty.mark_all("it was time")
        elif now >= self._slow.at:
            self._dirty.mark(self._without_news, "it was time")
            self._slow.wind(now)
            self._stale |= not self._without_news.isdisjoint(self._listened)
        if now >= max(self._ask_from, self._interpreter.due()):
            self._stale |= self._interpreter.refresh(now)
        if self.seen is not None and now >= self._blind_until:
            self._dirty.mark(self.seen.plan.unseen.keys(), "it could not be seen")
        if now >= self._again_at and self.permission:
            self._again_at = math.inf
            self._dirty.mark_all("it was tried again")

    def _next_attempt(self, now: float) -> float:
        """Return when something that waits for its time may be tried again."""
        times = (self.rounds.retries.due(now), self.rounds.fights.due(now))
        return min((time for time in times if time is not None), default=math.inf)

    def _is_open(self, seen: Look, now: float) -> bool:
        """Return whether there is something to do that may be done now."""
        if self.wanted is None or not self.permission:
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
            done = self.rounds.apply(seen, self.wanted.desired, self.clock.now, self._dirty.actors, watch)
        except BaseException:
            self._dirty.all = True
            raise
        self.seen = done.remaining
        self._dirty.actors.clear()
        self._acted_at = ended = self.clock.now()
        self._again_at = self._next_attempt(ended)
        for told in self.telling.of_round(done, self.rounds, ended - begun):
            self._tell(**{"because": because, **told})
        if self._is_open(done.remaining, ended):
            self._dirty.mark_all("what was left")
        return done

    # Which document.

    def _choose(self) -> Look | None:
        """Decide at which document the node is held; return the look by which a new one was adopted, if it was."""
        candidate, trial = self.custody.candidate(), self.custody.intents.trial
        if candidate is not None and self.custody.is_new(candidate):
            try:
                if not self.permission:
                    self._hold_at(self._interpreted(candidate))
                    return None
                given = None if candidate is self.custody.file.document else self.custody.intents.given
                return self._adopt(candidate, given)
            except (StellwerkError, IntentError) as exc:
                self.custody.refuse(candidate, str(exc), passing=_passes(exc))
                if (told := (candidate.digest, str(exc))) != self._told_refusal:
                    self._told_refusal = told
                    self._tell("refused", because="a new intent", digest=candidate.digest, outcome=str(exc))
        elif trial is not None and candidate is not None and self.custody.returns_to(candidate) and self.permission:
            self.custody.abandon()
            self._tell("abandoned", because="another intent is asked for", digest=trial.document.digest)
        held = self.custody.held()
        if held is not None:
            self._hold_at(self._interpreted(held))
        else:
            self._hold_at(NOTHING if self.custody.emptied() else None)
        return None

    def _resolve_anew(self) -> None:
        """Hold the node at what the document asks for now that something has changed which it refers to."""
        self._stale = False
        before = self.wanted
        if before is None or before.document is None:
            return
        wanted = self._interpreted(before.document)
        self._hold_at(wanted)
        if wanted.desired is not before.desired:
            # What was seen counts for the objects that were desired.
            self._dirty.all = True

    def _interpret(self, document: Document) -> Wanted:
        """Return what a document asks for, and listen to what that depends on. Raises IntentError, BackendError."""
        try:
            return self._interpreter.interpret(document)
        finally:
            if self._interpreter.lives_on != self._listened:
                self._listened = self._interpreter.lives_on
                self.rounds.listen(self._listened)
                # What changed before that was not told.
                self._stale = bool(self._listened)

    def _interpreted(self, document: Document) -> Wanted:
        """Return what a document asks for; what it asked for last where that cannot be said now."""
        try:
            wanted = self._interpret(document)
        except (StellwerkError, IntentError) as exc:
            for known in (self.wanted, self._before):
                if known is not None and known.document is not None and known.document.digest == document.digest:
                    self.troubles["references"] = str(exc)
                    self._ask_from = self.clock.now() + SHORTEST_REST_SECONDS
                    return known
            raise
        self.troubles.pop("references", None)
        return wanted

    def _hold_at(self, wanted: Wanted | None) -> None:
        if wanted is self.wanted:
            return
        before, self.wanted = self.wanted, wanted
        self._tell_of_offers()
        if before is None or wanted is None or before.document != wanted.document:
            self._begin()
        elif before.desired is not wanted.desired:
            self.rounds.follow(before.desired, wanted.desired)
            self._dirty.because[wanted.because or "something that the node file refers to changed"] = None

    def _tell_of_offers(self) -> None:
        for told in self.offers.take(() if self.wanted is None else self.wanted.offers):
            self._tell(**told)

    def _begin(self) -> None:
        """Begin with another intent: what failed under the last one says nothing."""
        self.rounds.begin()
        self.telling.begin()
        self._checks_turn += 1
        self._checks_timer.at = 0.0
        self._well_at = None
        self.checks = ()

    def _adopt(
        self,
        document: Document,
        given: Given | None,
        confirm_seconds: float | None = None,
        allow_deletes: bool = False,
        strict: bool = False,
        check: Callable[[Look], None] = lambda _: None,
    ) -> Look:
        """Have the node held at a new document, on trial where that is asked for: on disk, before any change.

        Returns the look by which it was decided. Raises what keeps it from being adopted; nothing was changed then.
        """
        wanted = self._interpret(document)
        self._dirty.mark_all("a new intent")
        seen = self.rounds.look(wanted.desired)
        check(seen)
        if strict:
            check_nothing_in_the_way(seen)
        if not allow_deletes:
            check_deletions(seen, wanted.largest_deleted_share)
        seconds = wanted.confirm_seconds if confirm_seconds is None else confirm_seconds
        trial, news = self.custody.intents.trial, self.custody.needs_trial(document)
        # While another one is on trial the node is as nobody has confirmed, though nothing may be left to change.
        # So is what cannot be seen now, or waits: it is changed later, by itself.
        if seconds and news and (not seen.plan.empty or trial is not None):
            blind = self.custody.forgot_what_was_before() and bool(seen.observation.owned)
            if blind and confirm_seconds is not None:
                raise RefusedError(
                    "what this node was held at is not known any more, so that the change could not be undone; apply "
                    "it without --confirm first"
                )
            if blind:
                # To go back to nothing would take away what the node is reached by.
                self._tell("not armed", because="what the node was held at is not known", digest=document.digest)
                self.custody.adopt(document, given)
            else:
                self.custody.arm(document, given, seconds)
        else:
            self.custody.adopt(document, given)
        if trial is not None and trial.document.digest != document.digest:
            self._tell("abandoned", because="another intent is asked for", digest=trial.document.digest)
        self._before, self.wanted, self.seen = self.wanted, wanted, seen
        self._tell_of_offers()
        self._rolled_back = False
        self._begin()
        if self.custody.intents.trial is not None:
            self._tell("armed", because="a new intent", outcome=f"undone in {seconds:g} s unless confirmed")
        return seen

    def _take_note_if_reached(self) -> None:
        document = None if self.wanted is None else self.wanted.document
        if document is not None and self.permission and self.in_sync:
            self._guarded("intents", lambda: self.custody.reached(document))

    def _why_not_confirmed(self) -> str:
        trial = self.custody.intents.trial
        if trial is not None and trial.boot != self.clock.boot():
            return "the machine was started anew before it was confirmed"
        if failed := self.failed_checks():
            return f"not confirmed in time; these checks failed: {facts.shortened(failed)}"
        if not self.in_sync:
            left = "" if self.seen is None else f"; {facts.difference(self.seen.plan)}"
            return f"not confirmed in time{left}"
        return "not confirmed in time"

    # Small print.

    @property
    def in_sync(self) -> bool:
        """Whether nothing was left to do at the last look, but for what waits for something outside."""
        plan = None if self.seen is None else self.seen.plan
        return plan is not None and not (plan.operations or plan.conflicts or plan.unseen)

    def _check_may_change(self) -> None:
        self._resume_where_that_is_over()
        self.permission.check()

    def _start_checks_when_due(self) -> None:
        now = self.clock.now()
        if self.wanted is not None and self.wanted.checks and now >= self._checks_timer.at:
            self._checks_timer.wind(now)
            self._checks_begun = now
            self._checker.start(self.wanted.checks, self._checks_turn)

    def _rest(self, problem: str) -> None:
        """Wait before the next round, longer each time, after one that failed as a whole."""
        self._rests += 1
        self._dirty.all = True
        self._rest_until = self.clock.now() + backoff(self._rests, SHORTEST_REST_SECONDS, LONGEST_SECONDS, self._random)
        if self.troubles.get("round") != problem:
            self.troubles["round"] = problem
            self._tell("failed", because="a round could not be made", outcome=problem)

    def _guarded(self, name: str, step: Callable[[], T]) -> T | None:
        """Take a step that the disk may refuse, which is a trouble that is told and not the end."""
        try:
            result = step()
        except StellwerkError as exc:
            self.troubles[name] = str(exc)
            return None
        self.troubles.pop(name, None)
        return result

    def _tell(self, event: str, **told: Any) -> None:
        """Write down what happened to the node."""
        document = None if self.wanted is None else self.wanted.document
        node = "" if self.wanted is None else self.wanted.node
        self.telling.tell({"event": event, "node": node, "digest": document and document.digest, **told})


def _passes(error: Exception) -> bool:
    """Return whether an error says nothing about the document that could not be adopted."""
    verdict = isinstance(error, IntentError | RefusedError) and not isinstance(error, DamagedStateError)
    return not verdict
