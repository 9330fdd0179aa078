"""Processes that are killed at a chosen call which changes the disk."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

CHANGES = ("open", "write", "fchmod", "fsync", "ftruncate", "utime", "rename", "unlink")


def ends_at_call(calls: int, deed: Callable[[], None]) -> bool:
    """Do it in a process that is killed instead of the call of that number; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _die_at(calls)
            deed()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return False
    assert os.waitstatus_to_exitcode(status) == 0
    return True


def _die_at(calls: int) -> None:
    left = iter(range(calls))

    def mortal(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        return called

    for name in CHANGES:
        setattr(os, name, mortal(getattr(os, name)))
