"""What is to run for as long as it is asked for, and may fail to start: tried again, later each time."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from reconciler.core.errors import StaleError, StellwerkError
from reconciler.core.retries import backoff
from reconciler.core.telling import log

SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 60.0
LONGEST_ABSENT_SECONDS = 5.0
"""The longest pause for what is not there yet, such as an address that the node itself is about to make."""
LOOK_SECONDS = 5.0
"""How often it is looked whether what runs is still alive."""


class Startable(Protocol):
    """Something that runs from `start` until `close`, in threads of its own."""

    def start(self) -> None:
        """Begin. Raises StellwerkError where that is not possible now, and leaves nothing behind then."""
        ...

    def close(self) -> None:
        """End, within moments."""
        ...


@runtime_checkable
class Mortal(Protocol):
    """What can tell that its threads have ended of themselves; what cannot is taken to run until it is closed."""

    @property
    def alive(self) -> bool:
        """Whether it still does what it was started for."""
        ...


class State(NamedTuple):
    """How something is that is to run: ``problem`` is why it does not, empty for what does."""

    name: str
    problem: str

    def to_json(self) -> dict[str, Any]:
        """Return it as the status shows it."""
        return {"name": self.name, "state": "waiting" if self.problem else "running", "problem": self.problem}


class Attempts:
    """Starts one thing, again after each failure, and closes it. All calls come from one thread.

    ``make`` makes a new one for each attempt; it may raise StellwerkError as well. Whatever else is raised is logged
    with where it came from: it is a fault of the program, and ends nothing but the attempt.
    """

    def __init__(self, name: str, make: Callable[[], Startable]) -> None:
        self._name, self._make = name, make
        self._running: Startable | None = None
        self._failed = 0
        self._problem = ""
        self.due = 0.0
        """When the next attempt is, or the next look whether it is alive, by the clock that `attend` is told."""

    @property
    def state(self) -> State:
        """How it is by now."""
        return State(self._name, self._problem)

    def attend(self, now: float) -> None:
        """Make an attempt where one is due, and look whether what runs has died."""
        if now < self.due:
            return
        if self._running is None:
            self._attempt(now)
        elif not isinstance(self._running, Mortal) or self._running.alive:
            # Only what has lived for a while is tried again soon when it dies.
            self._failed = 0
            self.due = now + LOOK_SECONDS
        else:
            self.close()
            self.failed("it ended by a fault of its own, which the log shows", now)

    def _attempt(self, now: float) -> None:
        try:
            one = self._make()
            one.start()
        except StaleError as exc:
            self.failed(str(exc), now, LONGEST_ABSENT_SECONDS)
        except StellwerkError as exc:
            self.failed(str(exc), now)
        except Exception as exc:  # noqa: BLE001 - a service must not take the daemon with it
            self.failed(fault(self._name, exc), now)
        else:
            self._running, self._problem, self.due = one, "", now + LOOK_SECONDS
            log.info("service started", extra={"fact": {"service": self._name}})

    def failed(self, problem: str, now: float, longest_seconds: float = LONGEST_SECONDS) -> None:
        """Take note that it does not run, and when it is tried again."""
        self._failed += 1
        self.due = now + backoff(self._failed, SHORTEST_SECONDS, longest_seconds, random.random)
        if problem != self._problem:
            self._problem = problem
            log.warning("service failed", extra={"fact": {"service": self._name, "because": problem}})

    def close(self) -> None:
        """End it, where it runs."""
        one, self._running = self._running, None
        if one is None:
            return
        try:
            one.close()
        except Exception as exc:  # noqa: BLE001 - as above
            fault(self._name, exc)
        log.info("service ended", extra={"fact": {"service": self._name}})


def fault(name: str, error: Exception) -> str:
    """Log a fault of a service with where it came from, and return it in words."""
    because = f"a fault of its own ({type(error).__name__}), which the log shows"
    fact = {"service": name, "because": repr(error), "traceback": traceback.format_exc()}
    log.error("service crashed", extra={"fact": fact})
    return because
