"""Pulls from a repository in a thread of its own: from time to time, and when asked."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from typing import NamedTuple

from reconciler.backends.git import GitError
from reconciler.backends.git_remote import GitRemote
from reconciler.core.clock import Clock
from reconciler.core.errors import StellwerkError
from reconciler.core.pulls import Accepted
from reconciler.core.retries import Random, backoff
from reconciler.services.attempts import fault
from reconciler.services.git_settings import GitSettings
from reconciler.services.pulling import NotTakenError, Pulled, pull

JITTER = 0.2
"""The share by which the time between two fetches is varied, so that a fleet does not come at once."""
SHORTEST_SECONDS = 5.0
LONGEST_SECONDS = 600.0
"""How long it is waited after failures: from the first one doubled each time, and at most."""
CLOSE_SECONDS = 5.0


class Told(NamedTuple):
    """How a pull ended, at ``wall`` (seconds since 1970).

    ``found`` is what the branch holds, ``None`` for what was accepted before; ``problem`` why nothing is known.
    """

    wall: float
    found: Pulled | NotTakenError | None = None
    problem: str | None = None
    asked: int = 0


class Puller:
    """Pulls from time to time, and when asked, in a thread; rings when there is something to `take`."""

    def __init__(self, remote: GitRemote, settings: GitSettings, clock: Clock, ring: Callable[[], None]) -> None:
        self._remote, self._settings, self._clock, self._ring = remote, settings, clock, ring
        self._turn = threading.Condition()
        self._accepted: Accepted | None = None
        self._told: Told | None = None
        self._asked = 0
        self._answered = 0
        self._closed = False
        self._failed = 0
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether what was asked for is still to come."""
        return self._thread is not None and self._answered < self._asked

    def begin(self, accepted: Accepted | None) -> str | None:
        """Begin to pull; return why that is not possible."""
        self._accepted = accepted
        thread = threading.Thread(target=self._keep, name="git", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return "no thread could be started"
        self._thread = thread
        return None

    def ask(self) -> None:
        """Have it pulled at once; what is under way already does not count."""
        with self._turn:
            self._asked += 1
            self._turn.notify()

    def take(self) -> Told | None:
        """Return how the latest pull ended, once."""
        with self._turn:
            told, self._told = self._told, None
            if told is not None:
                self._answered = max(self._answered, told.asked)
            return told

    def accept(self, accepted: Accepted) -> None:
        """Take note of what was accepted: later pulls begin there."""
        with self._turn:
            self._accepted = accepted

    def close(self) -> None:
        """End it, and what it has started."""
        with self._turn:
            self._closed = True
            self._turn.notify()
        self._remote.stop()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)
            if self._thread.is_alive():
                return
        self._remote.close()

    def _keep(self) -> None:
        done, due = 0, -math.inf
        while True:
            if self._wait(done, due):
                return
            with self._turn:
                done, accepted = self._asked, self._accepted
            told = self._pull(accepted, done)
            due = self._clock.now() + self._pause(told.problem is not None)
            with self._turn:
                self._told = told
            self._ring()

    def _wait(self, done: int, due: float) -> bool:
        """Wait until a pull is due, or asked for after the first ``done``; return whether it is to end."""
        with self._turn:
            self._turn.wait_for(lambda: self._closed or self._asked > done, max(0.0, due - self._clock.now()))
            return self._closed

    def _pull(self, accepted: Accepted | None, asked: int) -> Told:
        try:
            found: Pulled | NotTakenError | None = pull(self._remote, self._settings, accepted)
        except NotTakenError as exc:
            found = exc
        except GitError as exc:
            shown = self._settings.origin.url.shown
            return Told(self._clock.wall(), problem=f"{shown} cannot be fetched: {exc}", asked=asked)
        except StellwerkError as exc:
            return Told(self._clock.wall(), problem=str(exc), asked=asked)
        except Exception as exc:  # noqa: BLE001 - the node must be kept, whatever a repository holds
            return Told(self._clock.wall(), problem=fault("git", exc), asked=asked)
        return Told(self._clock.wall(), found, asked=asked)

    def _pause(self, failed: bool) -> float:
        every = self._settings.every_seconds
        if failed:
            self._failed += 1
            return backoff(self._failed, min(every, SHORTEST_SECONDS), max(every, LONGEST_SECONDS), random.random)
        self._failed = 0
        return varied(every, random.random)


def varied(seconds: float, random: Random) -> float:
    """Return a time varied by `JITTER`."""
    return seconds * (1 + JITTER * (2 * random() - 1))
