"""What was done since the start, counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.core.apply import Outcome, Result


class Work:
    """Operations that were carried out, and that failed, and the latest round: a look, and what was done after it."""

    def __init__(self) -> None:
        self.rounds = 0
        self._changes = 0
        self._failures = 0
        self._last: dict[str, float] | None = None

    def did(self, outcomes: Iterable[Outcome]) -> None:
        """Count what became of operations."""
        results = [one.result for one in outcomes]
        self._changes += results.count(Result.DONE)
        self._failures += results.count(Result.FAILED)

    def ended(self, wall: float, seconds: float) -> None:
        """Note when a round ended, in seconds since 1970, and how long it took."""
        self._last = {"time": round(wall, 3), "seconds": round(seconds, 4)}

    def shown(self) -> dict[str, Any]:
        """Return all of it as JSON; ``last_round`` is None before the first one."""
        return {"changes": self._changes, "failures": self._failures, "last_round": self._last}
