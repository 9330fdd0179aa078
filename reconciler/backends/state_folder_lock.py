"""The right to change a node: a lock on a file (flock(2)), held by one process at a time and gone with it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from reconciler.backends.state_folder_errors import refused
from reconciler.core.errors import LockedError

Role = Literal["apply", "run", "trial"]
"""What holds the lock.

``stellwerk apply`` does for moments, the daemon ``stellwerk run`` for as long as it runs, and what sees a trial
through without a daemon until that has ended.
"""

_POLL_SECONDS = 0.05
_LONGEST_NOTE_BYTES = 64


@contextlib.contextmanager
def locked(path: Path, role: Role, wait_seconds: float) -> Iterator[None]:
    """Hold the lock, once it is free, waiting so long at most; it ends with the process.

    Raises LockedError, which names the holder, when another has it; StellwerkError when it cannot be taken.
    """
    try:
        descriptor = _opened(path)
    except OSError as exc:
        raise refused(f"{path} cannot be opened", exc) from exc
    try:
        try:
            _take(descriptor, wait_seconds)
        except OSError as exc:
            raise refused(f"{path} cannot be locked", exc) from exc
        # The lock holds without the note, which is for the words of whoever comes second.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {role}\n".encode(), 0)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def held_by_a_daemon(path: Path) -> bool:
    """Return whether a process has the lock for longer than a moment; False where that cannot be seen."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        role = os.pread(descriptor, _LONGEST_NOTE_BYTES, 0).decode("ascii", errors="replace").partition(" ")[2]
        return role.strip() in ("run", "trial")
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _opened(path: Path) -> int:
    """Return the lock's file, opened. Raises OSError."""
    try:
        # Not inherited: what we start, such as babeld, outlives us and must not keep the lock.
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        if exc.errno != errno.EROFS:
            raise
    # A disk that failed and was mounted read-only is no reason not to keep the node; flock(2) needs no right to write.
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as exc:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS)) from exc


def _take(descriptor: int, wait_seconds: float) -> None:
    """Take the lock. Raises LockedError when it is not free in time, OSError."""
    end = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as exc:
            left = end - time.monotonic()
            if left <= 0:
                raise LockedError(_who(os.pread(descriptor, _LONGEST_NOTE_BYTES, 0))) from exc
            time.sleep(min(_POLL_SECONDS, left))


def _who(note: bytes) -> str:
    """Return in words who holds the lock, by the note in it, and what to do."""
    number, _, role = note.decode("ascii", errors="replace").partition(" ")
    process = number.strip() if number.strip().isdigit() else "unknown"
    if role.strip() == "run":
        return (
            f"the daemon `stellwerk run` (process {process}) looks after this node and makes its changes; change the "
            "node file that it follows, or stop it first"
        )
    if role.strip() == "trial":
        return (
            f"a change is on trial, which another stellwerk (process {process}) sees through; `stellwerk confirm` or "
            "`stellwerk rollback` it first"
        )
    return f"another stellwerk (process {process}) is changing this node; wait until it has finished"
