"""The history of a node on disk: bounded files of lines, and beside them the head, by which a cut end is seen.

``history.jsonl`` has the latest entries, ``history.1.jsonl`` those before, and so on; ``history.head`` has the number
and the hash of the last entry. An entry is on disk before the head is, so that a crash leaves the head at most one
behind.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, Any

from reconciler.backends.atomic_files import replace_file
from reconciler.backends.state_folder_errors import refused, unreadable
from reconciler.core.history import (
    DISAGREED,
    REPAIRED,
    Head,
    Verdict,
    chained,
    entry_of,
    head_of,
    line,
    unaltered,
    verify,
)

_BLOCK_BYTES = 1 << 16
_TRIES = 5
_PAUSE_SECONDS = 0.5
_READS = 20
_READ_PAUSE_SECONDS = 0.005
_SHOWN_OF_TORN_BYTES = 500


class HistoryFile:
    """A history in a folder. Whoever appends holds the lock of the state folder; who reads needs none.

    At most ``keep`` files are kept beside the current one, each of about ``largest_bytes``.
    """

    def __init__(self, folder: Path, largest_bytes: int = 1 << 20, keep: int = 8) -> None:
        self._folder = folder
        self._largest_bytes = largest_bytes
        self._keep = keep
        self._head_path = folder / "history.head"

    def append(self, fact: Mapping[str, Any], wall: float) -> None:
        """Write a fact down, chained to the last one on disk. Raises StellwerkError.

        What a crash left is mended first, and an entry says so: a torn last line is cut off, a head that is one behind
        is brought up. Any other disagreement of the head is left as it is, and an entry says so, for good.
        """
        path = self._path(0)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for told in (*self._settle(), fact):
                self._write(told, wall)
        except OSError as exc:
            raise refused(f"{path} cannot be written", exc) from exc

    def recent(self, count: int) -> Sequence[Mapping[str, Any]]:
        """Return the last entries, the oldest first, reading no more than they need. Raises StellwerkError."""
        found = islice((entry for one in self._backwards() if (entry := entry_of(one)) is not None), max(0, count))
        return list(found)[::-1]

    def recent_lines(self, count: int) -> list[bytes]:
        """Return the last lines, whole or not, the oldest first. Raises StellwerkError."""
        return list(islice(self._backwards(), max(0, count)))[::-1]

    def lines(self) -> Iterator[bytes]:
        """Yield all lines that are kept, with their line breaks, the oldest first. Raises StellwerkError."""
        with contextlib.ExitStack() as stack:
            for file in reversed(list(self._files(stack))):
                try:
                    yield from file
                except OSError as exc:
                    raise unreadable(file.name, exc) from exc

    def head(self) -> Head | None:
        """Return the head on disk, ``None`` when there is none or it is damaged. Raises StellwerkError."""
        path = self._head_path
        try:
            content = path.read_bytes()
            return Head.parse(content.decode("ascii").removesuffix("\n")) if content.endswith(b"\n") else None
        except (FileNotFoundError, ValueError):
            return None
        except OSError as exc:
            raise unreadable(path, exc) from exc

    def verify(self, noted: Head | None = None) -> Verdict:
        """Hold all that is kept against its chain, its head, and one that was noted elsewhere. Raises StellwerkError.

        An append at the same time is not taken for a flaw.
        """
        earlier = None
        for _ in range(_TRIES):
            before = self._state()
            verdict = verify(*self.at_one_moment(), noted)
            if not verdict.flaws or earlier == before == self._state():
                break
            earlier = before
            time.sleep(_PAUSE_SECONDS)
        return verdict

    def at_one_moment(self) -> tuple[list[bytes], Head | None]:
        """Return the lines up to the head, and the head; where they do not agree they are read some times more.

        Of what is appended while this reads, nothing is returned; the next one to read meets it.
        """
        for _ in range(_READS):
            head = self.head()
            lines = list(self.lines())
            end = _end_of(lines, head)
            if end == len(lines):
                break
            if end is not None and self.head() != head:
                # The lines after it came with a later head.
                return lines[:end], head
            time.sleep(_READ_PAUSE_SECONDS)
        return lines, head

    def _state(self) -> tuple[object, ...]:
        """Return what every append changes."""
        with contextlib.ExitStack() as stack:
            files = [os.fstat(file.fileno()) for file in self._files(stack)]
        return (self.head(), *((file.st_ino, file.st_size) for file in files))

    def _path(self, age: int) -> Path:
        return self._folder / (f"history.{age}.jsonl" if age else "history.jsonl")

    def _files(self, stack: contextlib.ExitStack) -> Iterator[IO[bytes]]:
        """Yield the files that are there, opened on the stack, the latest first.

        Files are only ever renamed to a greater age. Who opens them in the order of their age misses none of those
        that are renamed meanwhile, but may meet one again.
        """
        met = set()
        for age in range(self._keep + 2):
            path = self._path(age)
            try:
                file = stack.enter_context(io.BufferedReader(io.FileIO(path)))
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise unreadable(path, exc) from exc
            # All stay open: the number of a file that is gone may be given to another.
            number = os.fstat(file.fileno()).st_ino
            if number not in met:
                met.add(number)
                yield file

    def _backwards(self) -> Iterator[bytes]:
        """Yield all lines that are kept, the latest first."""
        with contextlib.ExitStack() as stack:
            for file in self._files(stack):
                try:
                    yield from _lines_from_the_end(file)
                except OSError as exc:
                    raise unreadable(file.name, exc) from exc

    def _last(self) -> tuple[Head, Head | None]:
        """Return the head that the last entry on disk makes, and that which it came after if it is unaltered."""
        for one in self._backwards():
            if (entry := entry_of(one)) is not None:
                before = Head(entry["number"] - 1, entry["previous"]) if unaltered(one, entry) else None
                return head_of(entry), before
        return Head(), None

    def _settle(self) -> list[Mapping[str, Any]]:
        """Mend what a crash left; return what is to be told about that, and about what no crash explains."""
        facts: list[Mapping[str, Any]] = []
        if torn := self._cut_torn_line():
            because = f"the last line was torn, as by a power cut; its {len(torn)} bytes were cut off"
            shown = torn[:_SHOWN_OF_TORN_BYTES].decode("ascii", errors="backslashreplace")
            facts.append(
                {"event": REPAIRED, "because": because, "torn": shown, "torn_sha256": sha256(torn).hexdigest()}
            )
        missing = not os.path.lexists(self._head_path)
        head = Head() if missing else self.head()
        last, before = self._last()
        if head == last:
            return facts
        if head is not None and head == before:
            because = f"the head was one behind entry {last.number}, as by a power cut; it was brought up"
            return [*facts, {"event": REPAIRED, "because": because}]
        told = "missing" if missing else head or "damaged"
        return [*facts, {"event": DISAGREED, "because": f"the head was {told} when the last entry was {last}"}]

    def _cut_torn_line(self) -> bytes:
        """Cut a last line off that was not written to its end; return it, nothing when there is none."""
        with contextlib.suppress(FileNotFoundError), open(self._path(0), "r+b") as file:
            one = next(_lines_from_the_end(file), b"")
            # A whole line that is no entry was written by somebody, and stays to be seen.
            if one and not one.endswith(b"\n"):
                file.truncate(os.fstat(file.fileno()).st_size - len(one))
                os.fsync(file.fileno())
                return one
        return b""

    def _write(self, fact: Mapping[str, Any], wall: float) -> None:
        """Write an entry after the last one on disk, and then the head. Raises OSError."""
        path = self._path(0)
        last, _ = self._last()
        entry = chained(fact, last, wall)
        size = path.stat().st_size if path.exists() else 0
        if size and size + len(line(entry)) > self._largest_bytes:
            self._rotate()
            size = 0
        if not size:
            entry = chained({**fact, "kept_from": self._kept_from(entry["number"])}, last, wall)
        _append(path, line(entry), size)
        replace_file(str(self._head_path), f"{head_of(entry)}\n".encode("ascii"), 0o600)
        if not size:
            # Not before an entry says that the history is kept without it.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(self._keep + 1))

    def _rotate(self) -> None:
        """Make every file one older, up to the first age that is free: a crash may have left a gap."""
        free = next((age for age in range(1, self._keep + 1) if not self._path(age).exists()), self._keep + 1)
        for age in range(free, 0, -1):
            os.rename(self._path(age - 1), self._path(age))

    def _kept_from(self, number: int) -> int:
        """Return the number of the oldest entry that is kept, that of the one about to be written where it is alone."""
        for age in range(self._keep, 0, -1):
            with contextlib.suppress(FileNotFoundError), open(self._path(age), "rb") as file:
                for one in file:
                    if (entry := entry_of(one)) is not None:
                        return int(entry["number"])
        return number


def _end_of(lines: Sequence[bytes], head: Head | None) -> int | None:
    """Return how many lines there are up to the last one that makes the head, ``None`` where none does."""
    if head is None or not head.number:
        return None if lines else 0
    for number in range(len(lines), 0, -1):
        entry = entry_of(lines[number - 1])
        if entry is not None and head_of(entry) == head:
            return number
        if entry is not None and entry["number"] < head.number:
            break
    return None


def _append(path: Path, content: bytes, size: int) -> None:
    """Put the content at the end of a file of that size, in one write; all of it or nothing. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if os.write(descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except OSError:
        # What is not known to be on disk did not happen, or the next entry would be chained to it.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise
    finally:
        os.close(descriptor)


def _lines_from_the_end(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file with their line breaks, the last one first."""
    end = os.fstat(file.fileno()).st_size
    line_backwards: list[bytes] = []
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        first, *others = os.pread(file.fileno(), end - start, start).split(b"\n")
        end = start
        for piece in reversed(others):
            if whole := b"".join([piece, *reversed(line_backwards)]):
                yield whole
            line_backwards = [b"\n"]
        line_backwards.append(first)
    if whole := b"".join(reversed(line_backwards)):
        yield whole
