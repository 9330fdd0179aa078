"""Whether the node may be changed: how the program was started, and an operator's word."""

from __future__ import annotations

import math
from contextlib import suppress
from enum import StrEnum

from reconciler.core.clock import Clock
from reconciler.core.errors import RefusedError, StellwerkError
from reconciler.core.suspension import Suspension, SuspensionStore


class Mode(StrEnum):
    """What is done about a difference."""

    ENFORCE = "enforce"
    REPORT = "report"


class Permission:
    """Says whether the node may be changed, and keeps a suspension on disk.

    ``problem`` is why that could not be read, ``None`` where it could; nothing is changed then, until it is lifted.
    """

    def __init__(self, mode: Mode, store: SuspensionStore, clock: Clock) -> None:
        self.mode = mode
        self.suspension: Suspension | None
        self.problem: str | None = None
        self._store, self._clock = store, clock
        try:
            self.suspension = store.load_suspension()
        except StellwerkError as exc:
            self.problem = str(exc)
            reason = f"whether it is suspended cannot be read: {exc}"
            self.suspension = Suspension(reason, clock.wall(), None, clock.boot())

    @property
    def granted(self) -> bool:
        """Whether the node may be changed now."""
        return self.mode is Mode.ENFORCE and self.suspension is None

    def hindered(self) -> str:
        """Return in words until when nothing is changed, nothing where changes are made."""
        if self.mode is Mode.REPORT:
            return "once this node is not only reported on"
        return "" if self.suspension is None else "once the suspension ends"

    def check(self) -> None:
        """Raise RefusedError where the node may not be changed."""
        self.check_not_reporting()
        if self.suspension is not None:
            raise RefusedError(f"changes are suspended ({self.suspension.reason}); `stellwerk resume` ends that")

    def check_not_reporting(self) -> None:
        """Raise RefusedError where the node is never changed."""
        if self.mode is Mode.REPORT:
            raise RefusedError("this node is only reported on; to have it changed, run it without --report")

    def due(self) -> float:
        """Return when a suspension is over, by the clock's `now`; infinity for never."""
        deadline = None if self.suspension is None else self.suspension.deadline
        return math.inf if deadline is None else deadline

    def suspend(self, reason: str, seconds: float | None) -> None:
        """Forbid changes for some time, ``None`` for until that is lifted. Raises StellwerkError."""
        wall = self._clock.wall()
        deadline = None if seconds is None else self._clock.now() + seconds
        suspension = Suspension(reason, wall, deadline, self._clock.boot())
        self._store.save_suspension(suspension)
        self.suspension = suspension

    def lift(self) -> None:
        """End a suspension. Raises RefusedError where there is none, other StellwerkErrors."""
        if self.suspension is None:
            raise RefusedError("nothing is suspended")
        self._store.save_suspension(None)
        self.suspension = self.problem = None

    def lift_where_over(self) -> str | None:
        """End a suspension that holds no longer, and return why; ``None`` where none was ended."""
        over = None if self.suspension is None else self.suspension.why_over(self._clock)
        if over is not None:
            # Its end is on disk as well, so that what cannot be removed there is over too.
            with suppress(StellwerkError):
                self._store.save_suspension(None)
            self.suspension = self.problem = None
        return over
