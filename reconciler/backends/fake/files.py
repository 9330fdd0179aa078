"""The files of the fake."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace

from intent.resources.file import MARK, ChangeMode, CreateKeyFile, FileRow, KeyFileRow, RemoveFile, WriteFile, reveal
from intent.resources.resource import Request
from intent.secrets import Secret
from reconciler.core.backend import Dump, Partitions
from reconciler.core.errors import BackendError, OccupiedError, StaleError


@dataclass(frozen=True, slots=True)
class FakeFile:
    """A file; ``version`` counts all writes, so that a reader knows whether it has seen this one."""

    content: bytes
    mode: int
    version: int


class FakeFiles:
    """Files by absolute path."""

    tables = frozenset({"file", "key file"})

    def __init__(self) -> None:
        self.files: dict[str, FakeFile] = {}
        self._writes = 0

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file as if by hand."""
        self._writes += 1
        self.files[path] = FakeFile(content, mode, self._writes)

    def dump(self, table: str, partitions: Partitions) -> Dump:
        """Return a row for each named path at which something is."""
        found = [(path, self.files[path]) for path in sorted(map(str, partitions or ())) if path in self.files]
        if table == "file":
            return Dump([FileRow(path, Secret(file.content), file.mode) for path, file in found])
        return Dump([KeyFileRow(path, file.mode) for path, file in found])

    def carry_out(self, request: Request) -> BackendError | None:
        """Write, change or remove a file; one without our mark stays."""
        if isinstance(request, CreateKeyFile):
            if request.path in self.files:
                return StaleError(f"{request.path} has appeared since the look: the key in it is the one to use")
            self.put(request.path, base64.b64encode(request.private_key.reveal()) + b"\n", 0o600)
        elif isinstance(request, WriteFile | ChangeMode | RemoveFile):
            there = self.files.get(request.path)
            if there is not None and not there.content.startswith(MARK):
                return OccupiedError(f"{request.path} was not written by stellwerk")
            if isinstance(request, WriteFile):
                self.put(request.path, reveal(request.content), request.mode)
            elif isinstance(request, ChangeMode):
                if there is None:
                    return StaleError(f"{request.path} is gone since the look")
                self.files[request.path] = replace(there, mode=request.mode)
            else:
                self.files.pop(request.path, None)
        return None

    def describe(self) -> Iterator[str]:
        """Yield a line for every file, without what is in it."""
        yield from (f"file {path} mode {file.mode:04o} {len(file.content)} bytes" for path, file in self.files.items())
