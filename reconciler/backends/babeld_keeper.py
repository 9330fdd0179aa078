"""The thread that keeps a connection to babeld: it connects, carries out commands and notices at once when it is lost.

A babeld that does not greet is waited for on the same connection: when it goes on it is heard at once, and it has
few places for those who wait. One that leaves a command without an answer is connected to again, and counts as
working when it has answered a command of the thread's own.
"""

from __future__ import annotations

import logging
import math
import os
import random
import select
import threading
import time
from collections import deque
from contextlib import closing, suppress

from reconciler.backends.babel_cost import Choice
from reconciler.backends.babeld_concern import Concern
from reconciler.backends.babeld_exchange import AnewError, EndedError, Exchange, Peer
from reconciler.backends.babeld_following import Knowledge
from reconciler.backends.babeld_process import Identity
from reconciler.backends.babeld_pursuit import Pursuit
from reconciler.backends.babeld_socket import Answer, Wire
from reconciler.backends.bell import Bell
from reconciler.core.errors import BackendError, UnreachableError

_LOG = logging.getLogger("stellwerk")

ANSWER_SECONDS = 10.0
"""How long an answer may take as a whole until the connection is given up; 10,000 routes take 0.05 s."""

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_UNCONNECTED_SECONDS = 1.0
"""To connect where nobody listens costs nothing, and a babeld that starts shall have its interfaces back soon."""

_PROVEN_SECONDS = 5.0
"""A connection that lasted so long and gave an answer was a good one: the next is made as if it were the first."""

_HURRIED_SECONDS = 30.0
"""How often a caller has one that was lost after its greeting made again at once.

Its loss is news, so somebody looks: where the next one is lost for the same reason, that must not go round at once.
"""

_CUT_STREAMS = 3
_CUT_WITHIN_SECONDS = 600.0
_DISTRUST_SECONDS = 3600.0
"""Of a babeld that lost so many streams within the former time no stream is wanted for the latter."""

_REPLACED_SECONDS = 1.0
"""How often a babeld that does not greet is compared with the one that has the socket's path by now."""

_MOST_CAUSES = 64

_NICE = -10
"""How urgent it is that this thread takes what babeld says, as soon as it says it."""

_PROOF = b"dump"
"""What a babeld that left a command without an answer has to answer: the command that a look needs."""


class Keeper:
    """What runs in the thread."""

    def __init__(self, exchange: Exchange, bell: Bell, knowledge: Knowledge, concern: Concern) -> None:
        self._address = exchange.address
        self._exchange = exchange
        self._bell = bell
        self._knowledge = knowledge
        self._concern = concern
        self._choice = Choice()
        self._failures = 0
        self._wire: Wire | None = None
        self._connected_before = False
        self._came_at: float | None = None
        self._answered = False
        self._lost_at = -math.inf
        self._pursuit: Pursuit | None = None
        self._process: Identity | None = None
        self._cuts: deque[float] = deque(maxlen=_CUT_STREAMS)
        self._unforeseen: set[str] = set()

    def run(self) -> None:
        """Keep a connection until the exchange says that it is to end."""
        # babeld stops routing while it waits for us, and hangs up after 0.1 s: not for want of a processor. Linux has a
        # nice value for each thread (setpriority(2)); to raise it may be refused.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            while True:
                try:
                    self._converse_and_pause()
                except AnewError:
                    error = UnreachableError(f"another connection to babeld at {self._address} was wanted: look again")
                    self._exchange.failed(error, wanted=True)
                    self._knowledge.closed()
        except EndedError:
            error = UnreachableError(f"the connection to babeld at {self._address} was closed")
            self._exchange.failed(error, wanted=True)
            self._knowledge.closed()

    def _converse_and_pause(self) -> None:
        try:
            self._converse()
        except (EndedError, AnewError):
            raise
        except Exception as exc:  # noqa: BLE001 - without this thread nobody speaks with babeld any more
            with suppress(Exception):
                self._fail(exc)
        self._pause()

    def _fail(self, error: Exception) -> None:
        now = time.monotonic()
        if self._pursuit is not None and self._pursuit.streaming:
            self._cuts.append(now)
        if isinstance(error, BackendError):
            problem: BackendError = error.with_traceback(None)
        else:
            cause = f"{type(error).__name__}: {error}".rstrip(": ")
            problem = UnreachableError(f"babeld at {self._address} could not be followed: {cause}; trying again")
            if cause not in self._unforeseen and len(self._unforeseen) < _MOST_CAUSES:
                self._unforeseen.add(cause)
                _LOG.error("%s", problem, exc_info=error)
        try:
            self._exchange.failed(problem)
        finally:
            self._knowledge.lost()

    def _converse(self) -> None:
        """Connect, and carry out commands until the connection is lost, which is always an error."""
        self._wire = self._pursuit = self._came_at = None
        self._answered = False
        self._exchange.begin()
        with closing(Wire(self._address)) as wire:
            self._exchange.opened(wire)
            while not self._wait(wire, None, select.POLLOUT):
                pass
            wire.finish_connecting()
            self._wire = wire
            self._exchange.connected(wire.identity())
            greeting = wire.greeting(self._greeting(wire))
            if self._exchange.doubtful:
                self._answer(wire, _PROOF)
            peer = self._exchange.came(greeting)
            pursuit = self._begin(wire, peer)
            self._came_at = time.monotonic()
            while True:
                self._serve(wire, pursuit)
                if self._failures and self._answered and time.monotonic() >= self._came_at + _PROVEN_SECONDS:
                    self._failures = 0

    def _begin(self, wire: Wire, peer: Peer) -> Pursuit:
        self._knowledge.connected(peer)
        self._concern.begin()
        now = time.monotonic()
        self._choice.begin(now)
        if peer.process != self._process:
            self._process = peer.process
            self._cuts.clear()
        distrusted = (
            len(self._cuts) == _CUT_STREAMS
            and self._cuts[-1] - self._cuts[0] < _CUT_WITHIN_SECONDS
            and now < self._cuts[-1] + _DISTRUST_SECONDS
        )
        pursuit = Pursuit(wire, peer, self._knowledge, self._choice, self._concern, streams=not distrusted)
        self._pursuit = pursuit
        return pursuit

    def _greeting(self, wire: Wire) -> Answer:
        deadline: float | None = None
        while (answer := wire.receive()) is None:
            if wire.begun and deadline is None:
                deadline = time.monotonic() + ANSWER_SECONDS
            if not self._wait(wire, deadline or time.monotonic() + _REPLACED_SECONDS):
                if deadline is not None and time.monotonic() >= deadline:
                    raise wire.overdue(ANSWER_SECONDS)
                if wire.replaced():
                    raise UnreachableError(f"another babeld has taken the place of the one at {self._address}")
        return answer

    def _serve(self, wire: Wire, pursuit: Pursuit) -> None:
        """Carry out the next command, or wait until there is one, babeld says something or the connection is lost."""
        job = self._exchange.next_job()
        command = pursuit.command()
        if job is not None and command in (None, job.line):
            begun = time.monotonic()
            pursuit.ask(job.line, for_caller=True)
            answer = self._heard(wire, pursuit)
            self._exchange.answered(job, answer, time.monotonic() - begun)
            pursuit.learn(job.line, answer)
            self._answered = True
        elif command is not None:
            pursuit.ask(command)
            answer = self._heard(wire, pursuit)
            self._exchange.settled()
            pursuit.learn(command, answer)
            self._answered = True
        elif self._wait(wire, pursuit.due()) or wire.holds_line:
            pursuit.hear()
        pursuit.watch()

    def _heard(self, wire: Wire, pursuit: Pursuit) -> Answer:
        """Wait for the answer to what was asked, hearing all else that babeld says meanwhile."""
        self._exchange.owes()
        deadline = time.monotonic() + ANSWER_SECONDS
        while (answer := pursuit.hear()) is None:
            self._wait(wire, min(deadline, pursuit.watched_until()))
            pursuit.watch()
            if time.monotonic() >= deadline:
                self._exchange.doubt(True)
                raise wire.overdue(ANSWER_SECONDS)
        self._exchange.doubt(False)
        return answer

    def _answer(self, wire: Wire, line: bytes) -> Answer:
        self._exchange.owes()
        wire.ask(line)
        deadline = time.monotonic() + ANSWER_SECONDS
        while (answer := wire.receive()) is None:
            self._wait(wire, deadline)
            if time.monotonic() >= deadline:
                self._exchange.doubt(True)
                raise wire.overdue(ANSWER_SECONDS)
        self._exchange.doubt(False)
        return answer

    def _pause(self) -> None:
        """Wait until the next attempt to connect, longer after each failure of the same sort."""
        connected = self._wire is not None
        if connected != self._connected_before:
            self._connected_before, self._failures = connected, 0
        longest = _LONGEST_PAUSE_SECONDS if connected else _LONGEST_PAUSE_UNCONNECTED_SECONDS
        # Jitter, so that the nodes of a mesh that one event hit do not go on in step.
        pause = min(longest, _FIRST_PAUSE_SECONDS * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)  # noqa: S311
        self._failures += 1
        now = time.monotonic()
        deadline = now + pause
        rests = False
        if self._came_at is not None:
            rests, self._lost_at = now < self._lost_at + _HURRIED_SECONDS, now
        if rests:
            self._exchange.rest(deadline)
        while (rests or not self._exchange.hurry) and (left := deadline - time.monotonic()) > 0:
            if self._wire is not None and self._wire.replaced():
                return
            self._wait(None, time.monotonic() + min(left, _REPLACED_SECONDS))

    def _wait(self, wire: Wire | None, until: float | None, events: int = select.POLLIN) -> bool:
        """Return whether the connection is ready; not, when the time is over or a caller has woken us.

        Raises EndedError or AnewError when that is what the caller wants.
        """
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if wire is not None:
            poll.register(wire, events)
        timeout = None if until is None else max(0.0, until - time.monotonic()) * 1000
        ready = {number for number, _ in poll.poll(timeout)}
        if self._bell.fileno() in ready:
            self._bell.hush()
        self._exchange.obey()
        return wire is not None and wire.fileno() in ready
