"""Network namespaces and processes that a test session started and did not end."""

import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SESSION_VARIABLE = "STELLWERK_TEST_SESSION"
"""Set for the session and inherited by every process it starts, daemons included. A namespace of the tests has
its value in its name, so that sessions that run at the same time can tell theirs apart."""

NAMED_NAMESPACES = Path("/run/netns")

SHARED_LOCK = Path("/run")
"""Locked (shared) by each running session: a folder that is on every machine, so that no lock file remains."""


@dataclass(frozen=True)
class Leftovers:
    """What was there before the session, to be told from what the session leaves."""

    session: str
    namespaces_before: frozenset[str]
    lock: int

    @classmethod
    def watch(cls) -> Self:
        """Name the session to its children and note which namespaces are there already."""
        session = secrets.token_hex(3)
        os.environ[SESSION_VARIABLE] = session
        lock = os.open(SHARED_LOCK, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_SH)
        return cls(session, frozenset(_namespaces()), lock)

    def found(self) -> list[str]:
        """Return a line for each namespace and process of the session that is still there, and end the watch.

        While another session runs, a new namespace may be that one's: then only those named after this session
        count. Alone, every new one counts.
        """
        new = _namespaces() - self.namespaces_before
        if not self._alone():
            new = {name for name in new if self.session in name}
        os.close(self.lock)
        del os.environ[SESSION_VARIABLE]
        return [f"network namespace {name}" for name in sorted(new)] + _processes(self.session)

    def _alone(self) -> bool:
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def session_name(purpose: str) -> str:
    """Return a name for a namespace of this session, by which it is found if it is left behind."""
    return f"stellwerk-{os.environ[SESSION_VARIABLE]}-{purpose}"


def _namespaces() -> set[str]:
    return {path.name for path in NAMED_NAMESPACES.iterdir()} if NAMED_NAMESPACES.exists() else set()


def _processes(session: str) -> list[str]:
    """Describe the live processes that inherited the session's variable. A zombie has no environment left."""
    mark = f"{SESSION_VARIABLE}={session}".encode()
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                lines.append(f"process {process.name}: {command.strip()}")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # Gone meanwhile, or another user's.
    return lines
