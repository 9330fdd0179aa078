"""The node file and the files that it refers to, read again whenever they may have changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from intent.problems import IntentError, Problem
from reconciler.backends.watched_files import is_being_written, watched_files
from reconciler.core.intents import Document
from reconciler.core.loop import Loop
from reconciler.services.interpretation import NodeInterpreter

HALF_WRITTEN_SECONDS = 0.02
T = TypeVar("T")

MOST_READS = 10
"""How often a node file is read that is another one each `HALF_WRITTEN_SECONDS`."""


class NodeFiles:
    """Tells the loop what is in the node file, where there is one, and that a file has changed that it refers to."""

    def __init__(self, path: Path | None, interpreter: NodeInterpreter, loop: Loop) -> None:
        self._path, self._interpreter, self._loop = path, interpreter, loop
        self._watched = watched_files()

    @property
    def followed(self) -> bool:
        """Whether there is a node file, which whoever holds this goes on to follow."""
        return self._path is not None

    def fileno(self) -> int:
        """Return the file descriptor that is readable when there may be changes."""
        return self._watched.fileno()

    def read(self) -> None:
        """Tell the loop what the node file holds now."""
        path = self._path
        if path is None:
            return
        try:
            found = read_document(path, self._interpreter)
        except IntentError as exc:
            self._loop.give_file(str(path), None, str(exc))
        else:
            self._loop.give_file(str(path), found)
        self.watch()

    def watch(self) -> None:
        """Watch what the documents refer to by now."""
        own = () if self._path is None else (str(self._path),)
        self._watched.watch((*own, *self._interpreter.files))

    def look(self) -> None:
        """Tell the loop what has changed."""
        changed = self._watched.read()
        if self._path is not None and str(self._path) in changed:
            self.read()
        if changed & set(self._interpreter.files):
            self._loop.references_changed()

    def close(self) -> None:
        """Watch nothing any more."""
        self._watched.close()


def read_document(path: Path, interpreter: NodeInterpreter) -> Document:
    """Return the document in a file that nobody writes, as far as that can be seen. Raises IntentError."""
    return read_whole(path, lambda: interpreter.read(str(path)))


def read_whole(path: Path, read: Callable[[], T]) -> T:
    """Return what is read from a file, once nobody writes it as far as that can be seen. Raises IntentError."""
    for _ in range(MOST_READS):
        before = _stamp(path)
        problem: IntentError | None = None
        try:
            found = read()
        except IntentError as exc:
            problem = exc
        time.sleep(HALF_WRITTEN_SECONDS)
        if _stamp(path) != before or is_being_written(os.path.realpath(path)):
            continue
        if problem is not None:
            raise problem
        return found
    raise IntentError(
        [Problem(str(path), 0, 0, "it is being written, and is not taken before its writer has closed it")]
    )


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when the file is written or replaced; nothing where it cannot be looked at."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
