"""Carrying out checks.

Every module of this package exports a ``METHOD`` for one kind, which `methods()` finds; there is no list to join.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
import time
import traceback
from collections.abc import Sequence
from functools import cache
from typing import Any

from intent.checks import Check
from intent.durations import spelled
from reconciler.core.checks import CheckResult, Method
from reconciler.core.errors import StellwerkError

SLACK_SECONDS = 1.0
"""How much longer than its timeout a check is waited for, so that it can say itself why it failed."""


_hanging: dict[Check, threading.Thread] = {}
"""The thread of each check that was given up and may not have ended yet."""


@cache
def methods() -> dict[type[Check], Method[Any]]:
    """Return how each kind of check is carried out."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return {module.METHOD.kind: module.METHOD for module in modules}


def carry_out(checks: Sequence[Check]) -> tuple[CheckResult, ...]:
    """Carry out all checks at the same time, in the network namespace of the caller, and return their results.

    Takes no longer than the longest timeout and a second. What hangs is left to itself in a thread, and has failed; it
    is not begun again until that has ended.
    """
    begun = [_Run(check) for check in checks]
    return tuple(run.result() for run in begun)


class _Run:
    """A check that is being carried out in a thread of its own, which lives where the thread that starts it does."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._method = methods()[type(check)]
        self._results: list[CheckResult] = []
        self._end = time.monotonic() + check.timeout_seconds + SLACK_SECONDS
        self._thread = threading.Thread(target=self._carry_out, name=check.describe()[:40], daemon=True)
        if (earlier := _hanging.get(check)) is not None:
            if earlier.is_alive():
                self._fail(f"still hangs: {self._method.when_it_hangs}")
                return
            _hanging.pop(check, None)
        try:
            self._thread.start()
        except RuntimeError as exc:
            self._fail(f"not carried out: {exc}; the machine is short of memory, or of processes")

    def result(self) -> CheckResult:
        """Wait for the result, or for the end of the time."""
        if not self._results:
            self._thread.join(max(0.0, self._end - time.monotonic()))
        if not self._results:
            _hanging[self._check] = self._thread
            self._fail(f"no result within {spelled(self._check.timeout_seconds)}: {self._method.when_it_hangs}")
        return self._results[0]

    def _carry_out(self) -> None:
        try:
            self._results.append(self._method.carry_out(self._check))
        except StellwerkError as exc:
            self._fail(str(exc))
        except OSError as exc:
            self._fail(f"not carried out: {exc}")
        except Exception as exc:  # noqa: BLE001 - a check that cannot be carried out has failed, whatever the cause
            # Its text may hold anything that was read.
            place = traceback.extract_tb(exc.__traceback__)[-1]
            where = f"{place.name}, line {place.lineno}"
            self._fail(f"not carried out, by a fault of stellwerk: {type(exc).__name__} in {where}; report it")

    def _fail(self, reason: str) -> None:
        self._results.append(CheckResult(self._check, False, reason))
