"""Network namespaces and processes that a test session started and did not end."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SESSION_VARIABLE = "STELLWERK_TEST_SESSION"
"""Set for the session and inherited by every process it starts, daemons included. A namespace of the tests has
its value in its name, so that sessions that run at the same time can tell theirs apart."""

NAMED_NAMESPACES = Path("/run/netns")


@dataclass(frozen=True)
class Leftovers:
    """What was there before the session, to be told from what the session leaves."""

    session: str
    namespaces_before: frozenset[str]

    @classmethod
    def watch(cls) -> Self:
        """Name the session to its children and note which namespaces are there already."""
        session = secrets.token_hex(3)
        os.environ[SESSION_VARIABLE] = session
        return cls(session, frozenset(_namespaces()))

    def found(self) -> list[str]:
        """Return a line for each namespace and process of the session that is still there, and end the watch.

        In CI, where nothing else runs, every new namespace counts. On a machine where somebody works meanwhile a
        new namespace may be theirs: then only those named after this session count.
        """
        new = _namespaces() - self.namespaces_before
        if "CI" not in os.environ:
            new = {name for name in new if self.session in name}
        del os.environ[SESSION_VARIABLE]
        return [f"network namespace {name}" for name in sorted(new)] + _processes(self.session)


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
