"""Restarting babeld through the operator's own command."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import IO

from intent.resources.babel_daemon import RestartBabeld
from reconciler.backends.babeld_client import Client, Connection
from reconciler.backends.babeld_process import started_with
from reconciler.core.errors import BackendError, BusyError, DeniedError, RejectedError, UnreachableError

COMMAND_SECONDS = 30.0
"""How long the command may take; systemd waits for babeld's retractions, which take well under a second."""

START_SECONDS = 10.0
"""How long babeld may take from the command's end to its greeting."""

WATCHING_START_SECONDS = 4.0
"""The same where news tell that it has come: the rest of the node is not kept waiting."""

_LAST_SECONDS = 0.5
"""How long to wait at least for a greeting, also when the time is nearly over."""

_TAIL_BYTES = 600

_IDENTIFY_SECONDS = 1.0
"""How long to look for the process that listens; it need not greet for that."""


def pauses(deadline: float) -> Iterator[None]:
    """Yield, and then once after each pause, growing from 10 ms to 0.5 s, until the monotonic time of ``deadline``."""
    pause = 0.01
    yield
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(pause * 1.6, 0.5)
        yield


def restart(request: RestartBabeld, client: Client, start_seconds: float = START_SECONDS) -> Connection:
    """Run the command, wait so long for a new babeld to greet the client, and return its connection.

    Raises RejectedError when the command fails or babeld comes back without its configuration, BusyError when the
    command takes too long, UnreachableError when babeld does not come back.
    """
    before = client.process(_IDENTIFY_SECONDS)
    complaint = _run(request.command)
    words = shlex.join(request.command)
    problem: BackendError | None = None
    anew = True
    deadline = time.monotonic() + start_seconds
    for _ in pauses(deadline):
        try:
            connection = client.connection(max(_LAST_SECONDS, deadline - time.monotonic()), anew=anew)
        except UnreachableError as exc:
            problem, anew = exc, False
            continue
        if connection.process is not None and connection.process == before:
            problem, anew = UnreachableError(f"the same babeld (process {before[0]}) still runs"), True
            continue
        _check_configuration(request, None if connection.process is None else connection.process[0])
        return connection
    reason = f"; the command said: {complaint}" if complaint else ""
    raise UnreachableError(
        f"`{words}` ended, but no new babeld greets at {request.socket} within {start_seconds:g} s: {problem}{reason}; "
        "look at its log"
    ) from problem


def _run(command: tuple[str, ...]) -> str:
    """Run the command and return the end of what it said."""
    words = shlex.join(command)
    # A file, not a pipe: a babeld that the command leaves behind keeps the other end open.
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        except PermissionError as exc:
            raise DeniedError(f"`{words}` may not be run: {exc.strerror}") from exc
        except (OSError, ValueError) as exc:
            raise RejectedError(f"`{words}` cannot be run: {exc}; mend the restart command") from exc
        try:
            status = process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired as exc:
            raise BusyError(f"`{words}` did not end within {COMMAND_SECONDS:g} s and was stopped") from exc
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        complaint = _tail(said)
    if status != 0:
        raise RejectedError(f"`{words}` failed with status {status}: {complaint or 'it said nothing'}")
    return complaint


def _tail(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL_BYTES))
    text = said.read().decode(errors="replace")
    return " / ".join(line for line in map(str.strip, text.splitlines()) if line)


def _check_configuration(request: RestartBabeld, pid: int | None) -> None:
    if request.configuration is None or pid is None or (files := started_with(pid)) is None:
        return
    if request.configuration not in [file.path for file in files]:
        option = shlex.join(("-c", request.configuration))
        raise RejectedError(
            f"babeld at {request.socket} was restarted and still runs without {option}: add this to the options that "
            f"`{shlex.join(request.command)}` starts it with"
        )
