"""Runs the daemon in child processes that are killed after a number of steps; started as a program of its own.

A step is a request to the kernel, babeld or a program, a file in the state folder, or a line of the history. Each
line of the standard input is an order; the answer is how the child ended, negative the signal. One that is not killed
is ended once the node is in sync.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reconciler import cli
from reconciler.backends import history_file, real_backends, state_folder
from reconciler.core.backend import Backend
from reconciler.core.errors import StellwerkError
from reconciler.services import daemon  # noqa: F401 - imported before the fork, it need not be after
from reconciler.services.control_client import Control

DEADLINE_SECONDS = 30.0


class Life:
    """Ends the process before the step after the last one."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def step(self) -> None:
        """Take a step, or die."""
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1

    def limit(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as one step."""

        @functools.wraps(function)
        def limited(*arguments: Any, **named: Any) -> Any:
            self.step()
            return function(*arguments, **named)

        return limited

    def limit_each(self, send: Callable[..., Any]) -> Callable[..., Any]:
        """Return a backend's ``send`` with each request as one step."""

        @functools.wraps(send)
        def limited(backend: Backend, requests: Sequence[Any]) -> list[Any]:
            results: list[Any] = []
            for request in requests:
                self.step()
                results += send(backend, [request])
            return results

        return limited


def die_after(steps: int) -> None:
    """Have this process killed after so many steps."""
    life = Life(steps)
    for backend in real_backends():
        kind = type(backend)
        kind.send = life.limit_each(kind.send)  # type: ignore[method-assign]
    state_folder.write = life.limit(state_folder.write)  # type: ignore[attr-defined]
    history_file.HistoryFile.append = life.limit(history_file.HistoryFile.append)  # type: ignore[method-assign]


def live(order: dict[str, Any]) -> int:
    """Run a command in a child process and return how it ended."""
    child = os.fork()
    if child == 0:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if order["steps"] is not None:
            die_after(order["steps"])
        code = 1
        try:
            code = cli.run(order["arguments"])
        finally:
            os._exit(code)
    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        late = time.monotonic() > end
        if late or in_sync(Path(order["socket"])):
            os.kill(child, signal.SIGKILL if late else signal.SIGTERM)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            return -signal.SIGALRM if late else code
        time.sleep(0.02)


def in_sync(socket: Path) -> bool:
    """Return whether a daemon says that the node is in sync."""
    try:
        status = Control(socket).ask("status")["status"]
    except StellwerkError:
        return False
    return bool(status) and status["sync"]["state"] == "synced"


if __name__ == "__main__":
    for line in sys.stdin:
        print(live(json.loads(line)), flush=True)
