"""Files that are written whole, in one step, and only over our own."""

from __future__ import annotations

import base64
import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import ClassVar

from intent.resources.file import MARK, CreateKeyFile, FileRow, KeyFileRow, RemoveFile, WriteFile, reveal
from intent.resources.resource import Request
from intent.secrets import Secret
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError, DeniedError, OccupiedError, RejectedError, StaleError

LARGEST_FILE_BYTES = 4 << 20
"""No file that we render is larger; of a larger one no more than its being there is looked at."""


class Files(Backend):
    """The backend for the tables ``file`` and ``key file``; their partitions are paths, and only those are seen."""

    tables: ClassVar[frozenset[str]] = frozenset({"file", "key file"})
    requests: ClassVar[tuple[type[Request], ...]] = (WriteFile, RemoveFile, CreateKeyFile)

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
                    found[table] = Dump([KeyFileRow(path) for path in paths if _status(path) is not None])
            except BackendError as exc:
                found[table] = exc
        return found

    def send(self, requests: Sequence[Request]) -> list[BackendError | None]:
        """Write or remove each file."""
        return [_carry_out(request) for request in requests]


def _carry_out(request: Request) -> BackendError | None:
    try:
        match request:
            case WriteFile():
                _write(request)
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
    folder = os.path.dirname(request.path)
    with _mapped("write", request.path):
        os.makedirs(folder, 0o755, exist_ok=True)
        with _temporary(request.path, reveal(request.content), request.mode) as temporary:
            # Readers compare a file's time with their own start: it counts from when it can be seen.
            os.utime(temporary)
            os.rename(temporary, request.path)
        _sync_folder(folder)


def _remove(request: RemoveFile) -> None:
    if not _check_ours(request.path):
        return
    with _mapped("remove", request.path):
        with suppress(FileNotFoundError):
            os.unlink(request.path)
        _sync_folder(os.path.dirname(request.path))


def _create_key(request: CreateKeyFile) -> None:
    content = base64.b64encode(request.private_key.reveal()) + b"\n"
    folder = os.path.dirname(request.path)
    with _mapped("make the private key", request.path):
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o700, exist_ok=True)
        with _temporary(request.path, content, 0o600) as temporary:
            try:
                # A link is made whole or not at all, and never over something that is there.
                os.link(temporary, request.path, follow_symlinks=False)
            except FileExistsError as exc:
                raise StaleError(
                    f"{request.path} has appeared since the look: the key in it is the one to use"
                ) from exc
        _sync_folder(folder)


def _link(temporary: str, path: str) -> None:
    """Give the file its name: whole or not at all, and never over something that is there."""
    try:
        os.link(temporary, path, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS) or os.path.lexists(path):
            raise
        # A file system without hard links: between this look and the next line only another of us could write.
        os.rename(temporary, path)


@contextmanager
def _temporary(path: str, content: bytes, mode: int) -> Iterator[str]:
    """Yield the path of a file beside the path, whole and on disk; it is gone afterwards unless it was renamed."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.stellwerk")
    with suppress(FileNotFoundError):
        # Left by a write that power or a signal cut short.
        os.unlink(temporary)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        # Some file systems cannot sync a folder, and need not.
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
