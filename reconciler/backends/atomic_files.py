"""Files that are whole or not there, for every reader and after a power cut. Raises OSError."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


def replace_file(path: str, content: bytes, mode: int) -> None:
    """Put the content at the path, so that a reader finds all of the old or all of the new."""
    with _temporary(path, content, mode) as temporary:
        # Readers compare a file's time with their own start: it counts from when it can be seen.
        os.utime(temporary)
        os.rename(temporary, path)
    sync_folder(os.path.dirname(path))


def make_file(path: str, content: bytes, mode: int) -> None:
    """Make a file that is not there. Raises FileExistsError where something is, which stays."""
    with _temporary(path, content, mode) as temporary:
        _link(temporary, path)
    sync_folder(os.path.dirname(path))


def sync_folder(folder: str) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        # Some file systems cannot sync a folder, and need not.
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _link(temporary: str, path: str) -> None:
    """Give the file its name: whole or not at all, and never over something that is there."""
    try:
        os.link(temporary, path, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in _NO_HARD_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path) from exc
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
