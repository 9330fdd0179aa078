"""The folder of a fleet's complete documents. Only what carries our first line is ever replaced or removed."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from reconciler.core.errors import RefusedError, StellwerkError

SUFFIX = ".yaml"
_HALF_WRITTEN = ".stellwerk"
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Found(NamedTuple):
    """A file of the folder: the digest of its content, and whether it may be replaced or removed."""

    digest: str
    ours: bool


def digest_of(content: bytes) -> str:
    """Return by what two contents are told apart."""
    return sha256(content).hexdigest()


class RenderedFiles:
    """The files ``NAME.yaml`` of a folder, which need not be there yet."""

    def __init__(self, folder: Path, first_line: str) -> None:
        self.folder = folder
        self._first_line = first_line.encode()

    def look(self) -> dict[str, Found]:
        """Return the files by the names of their nodes. Raises RefusedError for a link, StellwerkError."""
        found = {}
        with self._opened() as folder:
            if folder is None:
                return {}
            for file in os.listdir(folder):
                name = file.removesuffix(SUFFIX)
                if name != file and not file.startswith("."):
                    with _words(self.folder / file, "read"):
                        found[name] = self._found(folder, file)
        return found

    def put(self, texts: Mapping[str, str], gone: Sequence[str]) -> None:
        """Write documents and remove those of nodes that are gone; each is whole or as before, for every reader.

        They are not forced to the disk: what a power cut damages is seen and written again. Two that write at once do
        so one after the other. Raises RefusedError for a link, StellwerkError.
        """
        if not texts and not gone:
            return
        with _words(self.folder, "made"):
            self.folder.mkdir(exist_ok=True)
        with self._opened() as folder:
            if folder is None:
                raise StellwerkError(f"{self.folder} was removed just now; run it again")
            _lock(folder)
            self._clean(folder)
            for name, text in texts.items():
                with _words(self.folder / f"{name}{SUFFIX}", "written"):
                    _replace(folder, name + SUFFIX, text.encode())
            for name in gone:
                with _words(self.folder / f"{name}{SUFFIX}", "removed"), suppress(FileNotFoundError):
                    os.unlink(name + SUFFIX, dir_fd=folder)

    @contextmanager
    def _opened(self) -> Iterator[int | None]:
        """Give the folder itself, so that nothing is read or written where a link leads; ``None`` where it is not."""
        try:
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        except OSError as exc:
            if os.path.islink(self.folder):
                message = (
                    f"{self.folder} is a symbolic link, and what is behind it is not this fleet's; remove the link"
                )
                raise RefusedError(message) from exc
            raise StellwerkError(f"{self.folder} cannot be read: {exc.strerror}") from exc
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _found(self, folder: int, file: str) -> Found:
        try:
            descriptor = os.open(file, _READ, dir_fd=folder)
        except OSError as exc:
            if exc.errno in (errno.ELOOP, errno.ENXIO, errno.ENOENT):
                # A link or a socket; or it is gone by now.
                return Found("", exc.errno == errno.ENOENT)
            raise
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Found("", False)
            with open(descriptor, "rb", buffering=0, closefd=False) as opened:
                content = opened.readall()
        finally:
            os.close(descriptor)
        # An empty file is one that a power cut has left.
        return Found(digest_of(content), not content or content.startswith(self._first_line))

    def _clean(self, folder: int) -> None:
        """Remove what a write left that was cut short; nobody else writes now."""
        for file in os.listdir(folder):
            if file.startswith(".") and file.endswith(SUFFIX + _HALF_WRITTEN):
                with suppress(OSError):
                    os.unlink(file, dir_fd=folder)


def _lock(folder: int) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
    except OSError as exc:
        # A file system without locks: two at once write the same.
        if exc.errno not in _NO_LOCKS:
            raise


def _replace(folder: int, file: str, content: bytes) -> None:
    half = f".{file}{_HALF_WRITTEN}"
    try:
        with open(os.open(half, _WRITE, 0o666, dir_fd=folder), "wb") as opened:
            opened.write(content)
        os.rename(half, file, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(half, dir_fd=folder)
        raise


@contextmanager
def _words(path: Path, deed: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StellwerkError(f"{path} cannot be {deed}: {exc.strerror or exc}") from exc
