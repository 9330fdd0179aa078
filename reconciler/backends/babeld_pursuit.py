"""How one connection follows a babeld: what to ask it and when, and what becomes of what it says.

While babeld monitors, its events come at any time, also between a command and its answer: lines that begin with
``add``, ``change`` or ``flush`` are events, ``ok``, ``bad`` and ``no`` end an answer. The events that a command causes
come before the end of its answer. Nothing here waits.
"""

from __future__ import annotations

import math
import time
from itertools import islice

from intent.statistics import Following
from reconciler.backends.babel_cost import Choice
from reconciler.backends.babeld_concern import Concern
from reconciler.backends.babeld_exchange import Peer
from reconciler.backends.babeld_following import Knowledge, Wish
from reconciler.backends.babeld_socket import Answer, Wire, ends_answer
from reconciler.core.errors import UnreachableError

SILENT_SECONDS = 3.0
"""After so long without a word babeld is asked for a sign of life. One with neighbours speaks at every hello."""

SIGN_SECONDS = 3.0
"""How long it may take to give that: in a large mesh its main loop is busy for a second now and then."""

SNAPSHOT_SECONDS = 600.0
"""How often one that monitors is asked for everything all the same: a change that it does not tell is then seen."""

UNREAD_SECONDS = 60.0
"""The same where it told what cannot be read: what is known of that is as old as the snapshot."""

LATE_SECONDS = 1.0
"""How late a dump may be beyond twice its time until what is known counts as old."""

_BATCH_LINES = 128
"""How many lines are learned until babeld is listened to again: 1.5 ms of work, and less than 20 on a slow router."""

_EVENTS = (b"add ", b"change ", b"flush ")
_SIGN_OF_LIFE = b""
"""babeld answers an empty line with ``ok``, which costs it less than anything else."""


class Pursuit:
    """Follows over one connection as long as somebody wants it."""

    def __init__(
        self, wire: Wire, peer: Peer, knowledge: Knowledge, choice: Choice, concern: Concern, *, streams: bool
    ) -> None:
        self._wire = wire
        self._greeting = peer.greeting
        self._knowledge = knowledge
        self._choice = choice
        self._concern = concern
        self._streaming = False
        self._able = streams
        self._asked: bytes | None = None
        self._collected: list[bytes] | None = None
        self._asked_at = self._answered_at = 0.0
        self._lines = 0
        self._heard_at = time.monotonic()
        self._whole_at: float | None = None
        self._every_seconds = 0.0
        self._pending = False

    @property
    def streaming(self) -> bool:
        """Whether babeld tells all by itself now."""
        return self._streaming

    def command(self) -> bytes | None:
        """Return what to ask babeld now, None for nothing."""
        now = time.monotonic()
        wish = self._knowledge.wish
        if wish is None:
            self._knowledge.end()
            self._whole_at = None
            return b"unmonitor" if self._streaming else None
        mode = self._mode(wish)
        # Who reads whole dumps gets them from babeld where that does not tell all by itself: no copy is of use then.
        routes = wish.routes or (wish.whole and mode is Following.MONITOR)
        if not self._knowledge.begins(routes=routes):
            self._knowledge.begin(self._greeting.version, self._greeting.router_id, routes=routes)
            self._whole_at = None
        if mode is Following.DUMP:
            if self._streaming:
                return b"unmonitor"
            return b"dump" if now >= self._next_whole(self._every_seconds) else None
        if not self._streaming:
            return b"monitor"
        if now >= self._next_whole(self._snapshot_seconds()):
            return b"dump"
        return _SIGN_OF_LIFE if now >= self._heard_at + SILENT_SECONDS else None

    def due(self) -> float | None:
        """Return when (monotonic) to look whether there is something to do, None when there is nothing to come."""
        if self._pending:
            return 0.0
        if self._knowledge.wish is None:
            return None
        whole = self._next_whole(self._snapshot_seconds() if self._streaming else self._every_seconds)
        sign = self._heard_at + SILENT_SECONDS if self._streaming else math.inf
        return min(whole, sign, self.watched_until())

    def ask(self, line: bytes, *, for_caller: bool = False) -> None:
        """Send a command. Raises UnreachableError."""
        self._wire.ask(line)
        self._asked = line
        self._asked_at = time.monotonic()
        self._lines = 0
        self._collected = [] if for_caller and line == b"dump" else None
        self._streaming = self._streaming or line == b"monitor"
        if self._streaming and line in (b"monitor", b"dump"):
            self._knowledge.begin_snapshot()

    def hear(self) -> Answer | None:
        """Take what has come, and return the answer to the command if that was among it. Raises UnreachableError."""
        if not self._streaming:
            if (answer := self._wire.receive()) is not None:
                if self._asked is None:
                    raise self._wire.unasked()
                self._asked, self._answered_at = None, time.monotonic()
            elif self._asked is None and self._wire.begun:
                raise self._wire.unasked()
            return answer
        self._wire.drain()
        lines = self._wire.lines()
        answer = None
        for start in range(0, len(lines), _BATCH_LINES):
            if start:
                self._wire.drain()
            answer = self._sort(lines[start : start + _BATCH_LINES]) or answer
        self._pending = self._wire.holds_line
        if lines:
            self._heard_at = now = time.monotonic()
            if self._streaming:
                self._choice.heard(len(lines), now)
                self._knowledge.renew(Following.MONITOR, now + SILENT_SECONDS + SIGN_SECONDS)
            self._knowledge.tell()
            self._concern.tell(now)
        return answer

    def learn(self, line: bytes, answer: Answer) -> None:
        """Learn from the whole answer to a command of one that does not monitor."""
        if self._streaming or self._knowledge.wish is None:
            return
        if line == b"unmonitor":
            if self._whole_at is not None:
                # All is known as of this moment.
                self._renew_dump(time.monotonic())
        elif line == b"dump":
            if answer.end != "ok":
                raise UnreachableError(f"babeld at {self._wire.address} answered `dump` with {answer.end[:60]!r}")
            self._knowledge.begin_snapshot()
            rest = iter(answer.lines)
            while batch := list(islice(rest, _BATCH_LINES)):
                self._knowledge.take(batch, self._wire.drain)
            self._lines = len(answer.lines)
            self._end_snapshot()

    def watched_until(self) -> float:
        """Return when (monotonic) to `watch` again at the latest, also while babeld owes an answer."""
        if self._pending:
            return 0.0
        expires = self._knowledge.expires_at
        return min(math.inf if expires is None else expires, self._concern.due())

    def watch(self) -> None:
        """See whether what is known has become old, or something of concern is to be told by now."""
        self._knowledge.expire()
        self._concern.tell(time.monotonic())

    def _mode(self, wish: Wish) -> Following:
        self._every_seconds = wish.every_seconds or self._choice.every_seconds
        if not self._able:
            return Following.DUMP
        return self._choice.mode if wish.following is Following.AUTO else wish.following

    def _snapshot_seconds(self) -> float:
        return SNAPSHOT_SECONDS if self._knowledge.whole else UNREAD_SECONDS

    def _next_whole(self, every_seconds: float) -> float:
        return 0.0 if self._whole_at is None else self._whole_at + every_seconds

    def _sort(self, lines: list[bytes]) -> Answer | None:
        """Learn from the events, and return the answer if its end is among the lines."""
        others = [number for number, line in enumerate(lines) if not line.startswith(_EVENTS)]
        if not others:
            self._take(lines)
            return None
        end = others[0]
        if len(others) > 1 or self._asked is None or not ends_answer(lines[end]):
            raise self._wire.unasked()
        self._take(lines[:end])
        answer = self._answered(lines[end])
        self._take(lines[end + 1 :])
        return answer

    def _take(self, lines: list[bytes]) -> None:
        if not lines:
            return
        if not self._streaming:
            raise self._wire.unasked()
        if self._collected is not None:
            self._collected += lines
        self._lines += len(lines)
        self._concern.hear(lines)
        if self._knowledge.take(lines, self._wire.drain):
            raise UnreachableError(f"babeld at {self._wire.address} says what no babeld writes: it is heard wrong")

    def _answered(self, end: bytes) -> Answer:
        asked, self._asked = self._asked, None
        self._answered_at = time.monotonic()
        answer = self._wire.answered(self._dumped(), end)
        if asked in (b"monitor", b"dump"):
            if answer.end == "ok":
                self._end_snapshot()
            else:
                self._able = False
        if asked == b"unmonitor" or not self._able:
            self._streaming = False
        return answer

    def _dumped(self) -> list[bytes]:
        """Return the lines of the dump alone: events may have come before it, also of what it then tells of again."""
        lines, self._collected = self._collected or [], None
        begin = next((number for number in range(len(lines), 0, -1) if not lines[number - 1].startswith(b"add ")), 0)
        return list(dict.fromkeys(lines[begin:]))

    def _end_snapshot(self) -> None:
        if self._whole_at is None:
            self._concern.settle()
        self._whole_at = now = self._answered_at
        self._choice.whole(self._lines, now - self._asked_at, now)
        if self._streaming:
            self._knowledge.end_snapshot(Following.MONITOR, now + SILENT_SECONDS + SIGN_SECONDS)
        else:
            self._knowledge.end_snapshot(Following.DUMP, self._old_at(now))
        self._knowledge.tell()

    def _renew_dump(self, now: float) -> None:
        self._whole_at = now
        self._knowledge.renew(Following.DUMP, self._old_at(now))
        self._knowledge.tell()

    def _old_at(self, now: float) -> float:
        return now + 2 * self._every_seconds + LATE_SECONDS
