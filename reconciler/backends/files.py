"""Files that are written whole, in one step, and only over our own."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import ClassVar

from intent.resources.file import MARK, ChangeMode, CreateKeyFile, FileRow, KeyFileRow, RemoveFile, WriteFile, reveal
from intent.resources.resource import Request
from intent.secrets import Secret
from reconciler.backends.atomic_files import make_file, replace_file, sync_folder
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError, DeniedError, OccupiedError, RejectedError, StaleError

LARGEST_FILE_BYTES = 4 << 20
"""No file that we render is larger; of a larger one no more than its being there is looked at."""


class Files(Backend):
    """The backend for the tables ``file`` and ``key file``; their partitions are paths, and only those are seen."""

    tables: ClassVar[frozenset[str]] = frozenset({"file", "key file"})
    requests: ClassVar[tuple[type[Request], ...]] = (WriteFile, ChangeMode, RemoveFile, CreateKeyFile)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        """Return a row for each path at which something is. The content of a key file is not read."""
        found: dict[str, Dump | BackendError] = {}
        for table in self.tables & wanted.keys():
            paths = sorted(map(str, wanted[table] or ()))
            try:
                if table == "file":
                    found[table] = Dump([row for path in paths if (row := _look(path)) is not None])
                else:
                    found[table] = Dump([one for path in paths if (one := _look_at_key(path)) is not None])
            except BackendError as exc:
                found[table] = exc
        return found

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        """Write, change or remove each file."""
        return [_carry_out(request) for request in requests]


def _carry_out(request: Request) -> BackendError | None:
    try:
        match request:
            case WriteFile():
                _write(request)
            case ChangeMode():
                _change_mode(request)
            case RemoveFile():
                _remove(request)
            case CreateKeyFile():
                _create_key(request)
            case _:
                raise TypeError(f"{type(request).__name__} is no request about files")
    except BackendError as exc:
        return exc
    return None


@contextmanager
def _mapped(deed: str, path: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as exc:
        raise DeniedError(f"{deed} {path}: {exc.strerror}; run it as root") from exc
    except OSError as exc:
        # A read-only or full file system, a file where a folder should be: all for the operator to see to.
        raise RejectedError(f"{deed} {path}: {exc.strerror or exc}") from exc


def _status(path: str) -> os.stat_result | None:
    with _mapped("look at", path):
        try:
            return os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None


def _look(path: str) -> FileRow | None:
    status = _status(path)
    if status is None:
        return None
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE_BYTES:
        return FileRow(path, None, mode)
    with _mapped("read", path):
        try:
            # Between the two looks it may have become something that does not end, or blocks.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with open(descriptor, "rb") as file:
            return FileRow(path, Secret(file.read(LARGEST_FILE_BYTES)), mode)


def _look_at_key(path: str) -> KeyFileRow | None:
    status = _status(path)
    return None if status is None else KeyFileRow(path, stat.S_IMODE(status.st_mode))


def _check_ours(path: str) -> bool:
    """Return whether there is a file. Raises OccupiedError when it is not ours."""
    found = _look(path)
    if found is None:
        return False
    if found.content is None or not found.content.reveal().startswith(MARK):
        raise OccupiedError(f"{path} was not written by stellwerk: move it away, or choose another path")
    return True


def _write(request: WriteFile) -> None:
    _check_ours(request.path)
    with _mapped("write", request.path):
        os.makedirs(os.path.dirname(request.path), 0o755, exist_ok=True)
        replace_file(request.path, reveal(request.content), request.mode)


def _change_mode(request: ChangeMode) -> None:
    if not _check_ours(request.path):
        raise StaleError(f"{request.path} is gone since the look")
    with _mapped("change the mode of", request.path):
        # It is a regular file of ours; should it have become a link meanwhile, this is refused.
        descriptor = os.open(request.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, request.mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(request: RemoveFile) -> None:
    if not _check_ours(request.path):
        return
    with _mapped("remove", request.path):
        with suppress(FileNotFoundError):
            os.unlink(request.path)
        sync_folder(os.path.dirname(request.path))


def _create_key(request: CreateKeyFile) -> None:
    content = base64.b64encode(request.private_key.reveal()) + b"\n"
    folder = os.path.dirname(request.path)
    with _mapped("make the private key", request.path):
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o700, exist_ok=True)
        try:
            make_file(request.path, content, 0o600)
        except FileExistsError as exc:
            raise StaleError(f"{request.path} has appeared since the look: the key in it is the one to use") from exc
