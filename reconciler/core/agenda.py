"""When to look at what: after news, by the clock, and after the pauses that follow a failure."""

from __future__ import annotations

import math
from collections.abc import Set

from reconciler.core.backend import News
from reconciler.core.clock import Clock
from reconciler.core.live_references import LiveReferences
from reconciler.core.reconcile import Look, Rounds
from reconciler.core.retries import LONGEST_SECONDS, Random, backoff
from reconciler.core.schedule import Dirty, DirtySet, Timer

FULL_LOOK_SECONDS = 300.0
"""How often everything is looked at, whatever the news are; what is as it was is recognised, not read again."""
FRESH_LOOK_SECONDS = 3600.0
"""How often everything is read as if it had never been seen."""
SLOW_LOOK_SECONDS = 30.0
"""How often the tables are looked at that have no news, such as WireGuard's."""
SHORTEST_REST_SECONDS = 1.0
ECHO_SECONDS = 2.0
"""For how long after a change of ours news may be of that."""


class Agenda:
    """Knows what to look at, and when. Times are by the clock's `now`.

    ``dirty`` is what is to be looked at in the next round, ``rest_until`` the time before which none is to be made.
    """

    def __init__(self, rounds: Rounds, references: LiveReferences, clock: Clock, random: Random) -> None:
        self.dirty = DirtySet()
        self.rest_until = 0.0
        self._rounds, self._references, self._clock, self._random = rounds, references, clock, random
        self._full = Timer(FULL_LOOK_SECONDS, random)
        self._fresh = Timer(FRESH_LOOK_SECONDS, random)
        self._slow = Timer(SLOW_LOOK_SECONDS, random)
        self._without_news = frozenset[str]()
        self._rests = 0
        self._blind = 0
        self._blind_until = 0.0
        self._again_at = math.inf
        self._acted_at = -math.inf
        self._started = False

    def tables_without_news(self, tables: frozenset[str]) -> None:
        """Have these tables looked at by the clock, since they have no news."""
        self._without_news = tables

    def hear(self, news: News) -> None:
        """Take note of what has changed."""
        if news.tables is None:
            self.dirty.mark_all(self._unlike_the_start("news were lost"))
        else:
            self.dirty.mark(news.tables, "something changed")
            self.dirty.mark_rows(news.rows, "something changed")
            self._hasten(news.tables | news.rows.keys())
        self._references.hear(news)
        self.dirty.actors |= news.actors

    def _unlike_the_start(self, because: str) -> str:
        """Return why everything is looked at: for the first time it is no loss, and not the clock, but the start."""
        return because if self._started else "the daemon started"

    def _hasten(self, tables: Set[str]) -> None:
        """Have what failed tried again soon where something has changed, unless that may be our own doing."""
        now = self._clock.now()
        if now >= self._acted_at + ECHO_SECONDS:
            self._rounds.retries.hasten(tables, now)
            # What is due already is not among the next attempts.
            self._again_at = min(self._again_at, self._next_attempt(now))

    def due(self, seen: Look | None, may_change: bool) -> float:
        """Return when there is something to look at, after what was seen last."""
        if self.dirty or self._references.stale:
            return self._clock.now()
        times = [self._full.at, self._slow.at, self._references.due()]
        if seen is not None and seen.plan.unseen:
            times.append(self._blind_until)
        if may_change:
            times.append(self._again_at)
        return min(times)

    def mark_what_is_due(self, now: float, seen: Look | None, may_change: bool) -> bool:
        """Have looked at what it is time for; return whether that is everything, because nobody did for long."""
        is_full = now >= self._full.at
        if is_full:
            if now >= self._fresh.at:
                self._fresh.wind(now)
                self._rounds.forget()
            self.dirty.mark_all(self._unlike_the_start("it was time"))
        elif now >= self._slow.at:
            self.dirty.mark(self._without_news, "it was time")
            self._slow.wind(now)
            self._references.doubt(self._without_news)
        self._references.refresh(now)
        if seen is not None and now >= self._blind_until:
            self.dirty.mark(seen.plan.unseen.keys(), "it could not be seen")
        if now >= self._again_at and may_change:
            self._again_at = math.inf
            self.dirty.mark_all("it was tried again")
        return is_full

    def take(self, now: float) -> Dirty:
        """Return what to look at now, and begin anew."""
        taken = self.dirty.take()
        self._started = True
        if taken.tables is None:
            self._full.wind(now)
            self._slow.wind(now)
        return taken

    def looked(self, seen: Look, tables: Set[str] | None) -> None:
        """Wait longer, each time that it was tried, before what cannot be seen is looked at again."""
        unseen = seen.plan.unseen.keys()
        if not unseen:
            self._blind = 0
        elif tables is None or tables & unseen:
            self._blind += 1
            self._blind_until = self._clock.now() + backoff(
                self._blind, SHORTEST_REST_SECONDS, LONGEST_SECONDS, self._random
            )

    def acted(self, now: float) -> None:
        """Take note of changes of ours: what is heard next may be of them, and who changed something before is past."""
        self.dirty.actors.clear()
        self._acted_at = now

    def try_again_when_due(self, now: float) -> None:
        """Have everything looked at when something that waits for its time may be tried again."""
        self._again_at = self._next_attempt(now)

    def _next_attempt(self, now: float) -> float:
        """Return when something that waits for its time may be tried again."""
        times = (self._rounds.retries.due(now), self._rounds.fights.due(now))
        return min((time for time in times if time is not None), default=math.inf)

    def rest(self) -> None:
        """Wait before the next round, longer each time, after one that failed as a whole."""
        self._rests += 1
        self.dirty.all = True
        self.rest_until = self._clock.now() + backoff(self._rests, SHORTEST_REST_SECONDS, LONGEST_SECONDS, self._random)

    def rest_no_more(self) -> None:
        """Make the next round when it is due."""
        self.rest_until = 0.0

    def begin(self) -> None:
        """Forget that rounds failed."""
        self._rests, self.rest_until = 0, 0.0
