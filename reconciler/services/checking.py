"""Checks in the background."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from intent.checks import Check
from reconciler.backends.checks import carry_out
from reconciler.core.checks import CheckResult

Results = tuple[tuple[CheckResult, ...], int]


class BackgroundChecker:
    """Carries out checks in a thread, one lot at a time; see `reconciler.core.wanted.Checker`.

    ``ring`` is called, from that thread, when results are there to `take`.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._results: queue.SimpleQueue[Results] = queue.SimpleQueue()
        self._busy = False

    def start(self, checks: Sequence[Check], turn: int) -> None:
        """Begin with the checks, unless some are under way or their results were not taken yet."""
        if self._busy:
            return
        self._busy = True
        try:
            threading.Thread(target=self._run, args=(tuple(checks), turn), name="checks", daemon=True).start()
        except RuntimeError as exc:
            why = f"not carried out: no thread could be started ({exc}); the machine is short of memory or processes"
            self._end(_failed(checks, why), turn)

    def take(self) -> Results | None:
        """Return results and the turn of the checks they are of, ``None`` when there are no new ones."""
        try:
            results = self._results.get_nowait()
        except queue.Empty:
            return None
        self._busy = False
        return results

    def _run(self, checks: tuple[Check, ...], turn: int) -> None:
        results = _failed(checks, "not carried out, by a fault of stellwerk that the log shows; report it")
        try:
            results = carry_out(checks)
        finally:
            self._end(results, turn)

    def _end(self, results: tuple[CheckResult, ...], turn: int) -> None:
        self._results.put((results, turn))
        self._ring()


def _failed(checks: Sequence[Check], why: str) -> tuple[CheckResult, ...]:
    return tuple(CheckResult(check, False, why) for check in checks)
