"""Programs of the operator that say with their exit status whether the node is well."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from intent.checks import Program
from intent.display import quoted
from intent.durations import spelled
from reconciler.core.checks import CheckResult, Method
from reconciler.core.errors import RejectedError

GRACE_SECONDS = 0.3
"""How long a program that is told to end may take before it is made to end."""

LARGEST_OUTPUT_BYTES = 1 << 20
_TAIL_BYTES = 4096
_CHUNK_BYTES = 1 << 16


class TalkativeError(RejectedError):
    """A program said more than anyone will read."""


def run(check: Program) -> CheckResult:
    """Run the program, with nothing on its standard input, and wait for its end.

    It gets a process group of its own, all of which is ended with it. Raises RejectedError when it cannot be run.
    """
    deadline = time.monotonic() + check.timeout_seconds
    with _started(check) as process, _Watch(process) as watch:
        ended = watch.wait(deadline)
        if not ended:
            _signal(process, signal.SIGTERM)
            watch.wait(time.monotonic() + GRACE_SECONDS)
        status = _status(process) if ended else None
    said = f": {quoted(watch.last_line())}" if watch.last_line() else ""
    if status is None:
        return CheckResult(check, False, f"did not end within {spelled(check.timeout_seconds)} and was ended{said}")
    if status == 0:
        return CheckResult(check, True, f"ended with status 0{said}")
    how = f"ended with status {status}" if status > 0 else f"was ended by {signal.Signals(-status).name}"
    return CheckResult(check, False, f"{how}{said}; run it by hand to see why")


@contextmanager
def _started(check: Program) -> Iterator[subprocess.Popen[bytes]]:
    """Start the program, and in the end end all of its process group."""
    try:
        process = subprocess.Popen(
            check.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
    except OSError as exc:
        raise RejectedError(f"cannot be run: {exc.strerror}; see that it is there and executable") from exc
    with process:
        try:
            yield process
        finally:
            # Not awaited before, it still holds the number of the group: no other process can be hit.
            _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _status(process: subprocess.Popen[bytes]) -> int:
    """Return the exit status of a program that has ended, or minus the signal that ended it, without awaiting it.

    Where SIGCHLD is ignored the kernel keeps none: Popen would take that for success, this raises OSError.
    """
    found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    if found is None:
        raise ChildProcessError("the status of the program is not known")
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


class _Watch:
    """What a program says, and its end, which is known without awaiting it (pidfd_open(2))."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            raise TypeError("a program is watched by its standard output")
        self._output = process.stdout.fileno()
        self._end = os.pidfd_open(process.pid)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        self._selector.register(self._end, selectors.EVENT_READ)
        self._tail = b""
        self._heard_bytes = 0

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        os.close(self._end)

    def wait(self, deadline: float) -> bool:
        """Return whether the program ends by the monotonic time. Raises TalkativeError."""
        while (left := deadline - time.monotonic()) > 0:
            ready = {key.fd for key, _ in self._selector.select(left)}
            if self._output in ready:
                self._read()
            elif self._end in ready:
                return True
        return False

    def _read(self) -> None:
        chunk = os.read(self._output, _CHUNK_BYTES)
        if not chunk:
            self._selector.unregister(self._output)
        self._heard_bytes += len(chunk)
        if self._heard_bytes > LARGEST_OUTPUT_BYTES:
            raise TalkativeError(f"was ended: it said more than {LARGEST_OUTPUT_BYTES >> 20} MiB; have it say less")
        self._tail = (self._tail + chunk)[-_TAIL_BYTES:]

    def last_line(self) -> str:
        """Return the last line that is not empty of what was said."""
        lines = [line.strip() for line in self._tail.decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")


METHOD = Method(
    kind=Program,
    carry_out=run,
    when_it_hangs="it cannot be ended, most likely for a device or a file system that does not answer",
)
