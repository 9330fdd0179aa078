"""What runs beside the loop: each service in a thread of its own, for as long as the node is to run it.

A service is what a module ``reconciler.services.NAME.service`` exports as ``SERVICE``, with the name that the feature
gives it; there is no list to join, and nothing is imported of a service that no node file asks for.
"""

from __future__ import annotations

import importlib
import math
import random
import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from intent.services import Service
from reconciler.core.errors import BusyError, RefusedError, StellwerkError
from reconciler.core.retries import backoff
from reconciler.core.telling import log
from reconciler.services.attempts import LONGEST_SECONDS, SHORTEST_SECONDS, State, fault

CLOSE_SECONDS = 5.0
"""How long the end of the daemon waits for all services to end."""


class StatusSource(Protocol):
    """Where the status of the node is read; see `reconciler.services.control_server.Board`."""

    def read(self, after: int = -1, seconds: float = 0.0) -> tuple[int, dict[str, Any]]:
        """Return the number of a status later than ``after``, and it; the same one when none comes in time."""
        ...


class Running(Protocol):
    """A service that runs. All calls but `told` come from its own thread; none may wait for long."""

    def attend(self, settings: Any, now: float) -> float:
        """Become what the settings say, do what is due, and return when the next thing is, by the same clock.

        What the settings leave as it was goes on undisturbed. Raises StellwerkError.
        """
        ...

    def states(self) -> tuple[State, ...]:
        """Return how its parts are."""
        ...

    def told(self) -> dict[str, Any]:
        """Return what it tells over the control socket. Raises StellwerkError. Any thread may ask."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Beside:
    """The services beside the loop. ``changed`` is called, from any thread, when `states` may be others."""

    def __init__(self, status: StatusSource | None, now: Callable[[], float], changed: Callable[[], None]) -> None:
        self._status, self._now, self._changed = status, now, changed
        self._keepers: dict[str, _Keeper] = {}
        self._wanted: tuple[Service, ...] = ()

    def want(self, services: Iterable[Service]) -> None:
        """Have these services run, and no others. Does not wait for anything.

        Called again with the same ones, it begins those that no thread could be started for.
        """
        wanted = tuple(services)
        for waiting in self._keepers.values():
            waiting.begin()
        if wanted == self._wanted:
            return
        self._wanted = wanted
        by_name = {service.name: service.settings for service in wanted}
        for name in self._keepers.keys() - by_name.keys():
            self._keepers.pop(name).end()
            self._changed()
        for name, settings in by_name.items():
            keeper = self._keepers.get(name)
            if keeper is None:
                begun = _Keeper(name, settings, self._status, self._now, self._changed)
                self._keepers = {**self._keepers, name: begun}
                begun.begin()
            else:
                keeper.change(settings)

    def states(self) -> tuple[dict[str, Any], ...]:
        """Return how all of them are, as the status shows it."""
        return tuple(state.to_json() for keeper in self._keepers.values() for state in keeper.states)

    def told(self, name: str) -> dict[str, Any]:
        """Return what a service tells. Raises RefusedError where the node runs none, StellwerkError."""
        keeper = self._keepers.get(name)
        if keeper is None:
            raise RefusedError(f"this node keeps no {name}: its file does not ask for them")
        return keeper.told()

    def close(self) -> None:
        """End all of them, and wait for that, but not for ever."""
        keepers, self._keepers, self._wanted = self._keepers, {}, ()
        for keeper in keepers.values():
            keeper.end()
        end = self._now() + CLOSE_SECONDS
        for keeper in keepers.values():
            keeper.join(max(0.0, end - self._now()))


class _Keeper:
    """Keeps one service running."""

    def __init__(
        self,
        name: str,
        settings: Any,
        status: StatusSource | None,
        now: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self.states: tuple[State, ...] = ()
        self._name, self._settings, self._status = name, settings, status
        self._now, self._changed = now, changed
        self._turn = threading.Condition()
        self._has_changed = False
        self._ended = False
        self._running: Running | None = None
        self._failed = 0
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Begin, unless it has begun. Where the system gives no thread, it can be tried again."""
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._keep, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The node is kept without.
            self._fail("no thread could be started")
        else:
            self._thread = thread

    def change(self, settings: Any) -> None:
        """Have it run with other settings."""
        with self._turn:
            self._settings = settings
            self._has_changed = True
            self._turn.notify()

    def end(self) -> None:
        """Have it end soon."""
        with self._turn:
            self._ended = True
            self._turn.notify()

    def join(self, seconds: float) -> None:
        """Wait until it has ended, so long at most."""
        if self._thread is not None:
            self._thread.join(seconds)

    def told(self) -> dict[str, Any]:
        """Return what the service tells. Raises StellwerkError."""
        running = self._running
        if running is None:
            why = "; ".join(state.problem for state in self.states if state.problem)
            raise BusyError(f"the {self._name} are not there yet{why and ': '}{why}; try again in a moment")
        return running.told()

    def _keep(self) -> None:
        due = -math.inf
        while not self._wait(due):
            due = self._attend(self._settings)
        self._close()

    def _wait(self, due: float) -> bool:
        """Wait until something is due, or the settings are others; return whether it is to end."""
        with self._turn:
            self._turn.wait_for(lambda: self._ended or self._has_changed, _seconds(due - self._now()))
            self._has_changed = False
            return self._ended

    def _attend(self, settings: Any) -> float:
        now = self._now()
        try:
            if self._running is None:
                self._running = _made(self._name, self._status)
            due = self._running.attend(settings, now)
        except StellwerkError as exc:
            self._fail(str(exc))
            due = self._begin_anew(now)
        except Exception as exc:  # noqa: BLE001 - a service must not take the daemon with it
            self._show((State(self._name, fault(self._name, exc)),))
            due = self._begin_anew(now)
        else:
            self._failed = 0
            self._show(self._running.states())
        return due

    def _fail(self, problem: str) -> None:
        """Show that it does not run, and log why where that is news."""
        states = (State(self._name, problem),)
        if states != self.states:
            log.warning("service failed", extra={"fact": {"service": self._name, "because": problem}})
        self._show(states)

    def _begin_anew(self, now: float) -> float:
        self._close()
        self._failed += 1
        return now + backoff(self._failed, SHORTEST_SECONDS, LONGEST_SECONDS, random.random)

    def _show(self, states: tuple[State, ...]) -> None:
        if states != self.states:
            self.states = states
            self._changed()

    def _close(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            try:
                running.close()
            except Exception as exc:  # noqa: BLE001 - as above
                fault(self._name, exc)


def _seconds(seconds: float) -> float | None:
    """Return how long a condition is to be waited for: not more than it takes, ``None`` for without end."""
    return None if seconds > threading.TIMEOUT_MAX else max(0.0, seconds)


def _made(name: str, status: StatusSource | None) -> Running:
    make: Callable[[StatusSource | None], Running] = importlib.import_module(f"{__package__}.{name}.service").SERVICE
    return make(status)
