"""What the thread that speaks with a babeld and those who ask it share, and how it changes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.backends.babeld_process import Identity
from reconciler.backends.babeld_socket import Answer, Greeting, NoAnswerError, NotRunningError, Wire
from reconciler.backends.bell import Bell
from reconciler.core.errors import BackendError, UnreachableError


class EndedError(Exception):
    """The thread is to end."""


class AnewError(Exception):
    """Somebody wants another connection than the present one."""


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """A babeld that greeted, on one connection. ``process`` is None where it cannot be seen.

    ``news`` is the number of the news that it was there.
    """

    greeting: Greeting
    process: Identity | None
    news: int


@dataclass(slots=True, eq=False)
class Job:
    """A command, and what became of it."""

    line: bytes
    answer: Answer | None = None
    error: BackendError | None = None


@dataclass(slots=True)
class Exchange:
    """Written under ``changed`` alone, which is notified of what callers wait for; the bell wakes the thread.

    Attempts to connect are numbered: the last one that was begun, the last that saw which process listens, and the
    last that ended in a greeting, then ``peer`` is set, or in a problem.
    """

    address: str
    changed: threading.Condition = field(default_factory=threading.Condition)
    bell: Bell | None = None
    listeners: set[Callable[[], None]] = field(default_factory=set)

    ended: bool = False
    anew: bool = False
    hurry: bool = False
    rests_until: float = 0.0
    """Until when (monotonic) not to connect again, whoever is in a hurry."""
    jobs: deque[Job] = field(default_factory=deque)

    begun: int = 0
    identified: int = 0
    decided: int = 0
    wire: Wire | None = None
    process: Identity | None = None
    peer: Peer | None = None
    problem: BackendError = field(init=False)

    owing_since: float | None = None
    """Since when (monotonic) babeld owes a greeting or an answer; over several attempts if need be."""
    doubtful: bool = False
    """Whether the latest command got no answer, so that a greeting alone does not show that babeld works."""
    disappointed: bool = False
    """Whether a caller has given up waiting for the answer to a command."""
    answer_seconds: float = 0.0

    news: int = 0
    words: str = ""
    _told: tuple[bool, Identity | None] = (False, None)
    _before: Identity | None = None

    def __post_init__(self) -> None:
        self.problem = UnreachableError(f"babeld at {self.address} was not connected to yet: look again")

    def ring(self) -> None:
        """Wake the thread."""
        if (bell := self.bell) is not None:
            bell.ring()

    def trouble(self) -> str:
        """Return in words what keeps babeld from being heard."""
        with self.changed:
            if self.wire is not None and self.owing_since is not None:
                return str(self.wire.overdue(time.monotonic() - self.owing_since))
            if self.peer is not None:
                return f"babeld at {self.address} has not told afresh what it knows"
            return str(self.problem)

    def obey(self) -> None:
        """Raise what callers want of the thread."""
        with self.changed:
            if self.ended:
                raise EndedError
            if self.anew:
                raise AnewError

    def want_anew(self) -> None:
        """Have the present connection or attempt given up, whatever is known of babeld."""
        self.anew = True
        self.peer = self.wire = None
        self.problem = UnreachableError(f"babeld at {self.address} was not connected to again yet: look again")
        self.owing_since, self.doubtful, self.rests_until = None, False, 0.0
        self.ring()

    def begin(self) -> None:
        """Note that an attempt to connect begins: it is the one that those who ask by now wait for."""
        with self.changed:
            self.begun += 1
            self.anew = self.hurry = False
            self.rests_until = 0.0
            self.process = None

    def rest(self, until: float) -> None:
        """Note that no attempt begins before this time (monotonic), whoever is in a hurry."""
        with self.changed:
            self.rests_until = until
            self.changed.notify_all()

    def opened(self, wire: Wire) -> None:
        """Note that somebody listens, who owes a greeting."""
        with self.changed:
            self.wire = wire
            self.owes()

    def connected(self, process: Identity | None) -> None:
        """Note who listens."""
        with self.changed:
            self.process, self.identified = process, self.begun
            self.changed.notify_all()

    def owes(self) -> None:
        """Note that babeld owes something, if it did not before."""
        with self.changed:
            if self.owing_since is None:
                self.owing_since = time.monotonic()

    def doubt(self, doubtful: bool) -> None:
        """Note whether a command got no answer."""
        with self.changed:
            self.doubtful = doubtful

    def came(self, greeting: Greeting) -> Peer:
        """Note that babeld works on this connection."""
        with self.changed:
            self.owing_since = None
            if self.disappointed or self._told != (True, self.process):
                self._tell(True)
            self.peer = peer = Peer(greeting, self.process, self.news)
            self.decided = self.begun
            self.changed.notify_all()
            return peer

    def next_job(self) -> Job | None:
        """Return the command to send; it stays the first until it is answered."""
        with self.changed:
            return self.jobs[0] if self.jobs else None

    def answered(self, job: Job, answer: Answer, seconds: float) -> None:
        """Note the answer to the first command."""
        with self.changed:
            self.jobs.popleft()
            job.answer = answer
            self.answer_seconds = seconds
            self.settled()

    def settled(self) -> None:
        """Note that babeld owes nothing any more."""
        with self.changed:
            self.owing_since = None
            if self.disappointed:
                self._tell(True)
            self.changed.notify_all()

    def stirred(self, words: str) -> None:
        """Note what babeld itself told that is of concern."""
        with self.changed:
            name = "babeld" if self.process is None else f"babeld (process {self.process[0]})"
            self._say(f"{name} tells that {words}")

    def failed(self, problem: BackendError, *, wanted: bool = False) -> None:
        """Note that there is no connection, and why; ``wanted`` is whether callers asked for that."""
        with self.changed:
            self.peer = self.wire = None
            self.problem = problem
            self.decided = self.begun
            if not isinstance(problem, NoAnswerError):
                self.owing_since = None
            if isinstance(problem, NotRunningError):
                self.doubtful = False
            while self.jobs:
                self.jobs.popleft().error = problem
            if not wanted and self._told[0]:
                self._tell(False)
            self.changed.notify_all()

    def _tell(self, there: bool) -> None:
        name = "babeld" if self.process is None else f"babeld (process {self.process[0]})"
        if not there:
            self.words = f"the connection to {name} was lost"
        elif self.disappointed and self._told == (True, self.process):
            self.words = f"{name} answers again"
        elif self.process is not None and self.process == self._before:
            self.words = f"{name} is connected again"
        else:
            self.words = "babeld started anew" + ("" if self.process is None else f" (process {self.process[0]})")
        if there:
            self.disappointed = False
            self._before = self.process
        self._told = (there, self.process if there else None)
        self._say(self.words)

    def _say(self, words: str) -> None:
        self.words = words
        self.news += 1
        for listener in self.listeners:
            listener()
