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
    """Carries out checks in a thread, one lot at a time; see `reconciler.core.loop.Checker`.

    ``ring`` is called, from that thread, when results are there to `take`.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._results: queue.SimpleQueue[Results] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, checks: Sequence[Check], turn: int) -> None:
        """Begin with the checks, unless some are under way."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, args=(tuple(checks), turn), name="checks", daemon=True)
            self._thread.start()

    def take(self) -> Results | None:
        """Return results and the turn of the checks they are of, ``None`` when there are no new ones."""
        try:
            return self._results.get_nowait()
        except queue.Empty:
            return None

    def _run(self, checks: tuple[Check, ...], turn: int) -> None:
        self._results.put((carry_out(checks), turn))
        self._ring()
