"""What is said over the control socket: JSON objects, one a line.

A request has ``command`` and its arguments. The answer is any number of objects with ``event``, and at last one with
``end``: ``done`` with what was asked for, or ``error`` with what went wrong, as a kind and words.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from intent.problems import IntentError, Problem
from reconciler.core.errors import DeniedError, RefusedError, RolledBackError, StellwerkError, UnreachableError
from reconciler.core.plan import PlanError
from reconciler.core.reconcile import InTheWayError

VERSION = 1
SOCKET = Path("/run/stellwerk/socket")
LARGEST_LINE_BYTES = 80 << 20
"""A node file of the largest size, as JSON."""

READING = frozenset({"status", "watch", "stats"})
"""The commands that change nothing, which whoever may open the socket may give."""


class EndingError(UnreachableError):
    """The daemon ends, and did nothing of what was asked for."""


def ending() -> EndingError:
    """Return what a client is told that comes too late."""
    return EndingError("the daemon is ending; say it again when another one runs")


def failure(error: BaseException) -> dict[str, Any]:
    """Return the end of an answer for an error."""
    told: dict[str, Any] = {"end": "error", "kind": "failed", "text": str(error)}
    if isinstance(error, IntentError):
        told |= {"kind": "invalid", "problems": [asdict(problem) for problem in error.problems], "more": error.more}
    elif isinstance(error, PlanError):
        told |= {"kind": "plan", "problems": list(error.problems)}
    elif isinstance(error, InTheWayError):
        told["kind"] = "in the way"
    elif isinstance(error, RefusedError):
        told["kind"] = "refused"
    elif isinstance(error, DeniedError):
        told["kind"] = "denied"
    elif isinstance(error, RolledBackError):
        told["kind"] = "rolled back"
    elif isinstance(error, EndingError):
        told["kind"] = "ending"
    return told


def error_of(told: dict[str, Any]) -> Exception:
    """Return the error that an end tells of."""
    text, kind = str(told.get("text", "it failed")), told.get("kind")
    if kind == "invalid":
        return IntentError([Problem(**problem) for problem in told["problems"]], int(told["more"]))
    if kind == "plan":
        return PlanError([str(problem) for problem in told["problems"]])
    plain: dict[str, type[StellwerkError]] = {
        **{"in the way": InTheWayError, "refused": RefusedError, "denied": DeniedError},
        **{"rolled back": RolledBackError, "ending": EndingError},
    }
    return plain.get(str(kind), StellwerkError)(text)


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Give a name for a socket's path that is short enough for an address, however long the path (unix(7))."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
