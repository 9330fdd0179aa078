"""Kernel parameters below /proc/sys, of the network namespace the process runs in (proc(5))."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from intent.resources.resource import Request
from intent.resources.sysctl import WriteSysctl
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError, DeniedError, RejectedError, StaleError

ROOT = Path("/proc/sys")


class SysctlFiles(Backend):
    """The backend for the table ``sysctl``; its partitions are names with slashes, and only those are read."""

    tables: ClassVar[frozenset[str]] = frozenset({"sysctl"})
    requests: ClassVar[tuple[type[Request], ...]] = (WriteSysctl,)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        """Return a row of name and value for each named parameter that exists and can be read."""
        found: dict[str, Dump | BackendError] = {}
        for table, partitions in wanted.items():
            rows = [(name, value) for name in sorted(map(str, partitions or ())) if (value := _read(name))]
            found[table] = Dump(rows)
        return found

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        """Write each value."""
        return [_write(request) for request in requests if isinstance(request, WriteSysctl)]


def _read(name: str) -> str | None:
    if not _inside(name):
        return None
    try:
        return " ".join((ROOT / name).read_text().split())
    except OSError:
        return None


def _inside(name: str) -> bool:
    """Return whether the name stays below /proc/sys: names also come from the inventory on disk."""
    return not name.startswith("/") and ".." not in name.split("/")


def _write(request: WriteSysctl) -> BackendError | None:
    if not _inside(request.name):
        return RejectedError(f"sysctl {request.name!r}: this is no name of a parameter")
    try:
        (ROOT / request.name).write_text(request.value + "\n")
    except OSError as exc:
        about = f"sysctl {request.name} = {request.value}"
        if exc.errno == errno.ENOENT:
            return StaleError(f"{about}: this kernel has no such parameter, or its link is gone")
        if exc.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return DeniedError(f"{about}: {exc.strerror}; run it as root, in a container with /proc/sys writable")
        return RejectedError(f"{about}: {exc.strerror}")
    return None
