"""What was found out about the nodes of a fleet, kept for the next time. Whatever is wrong with it, it is as if empty.

A file for each fleet in ``$XDG_CACHE_HOME/stellwerk`` (XDG Base Directory Specification): a head with the digest of the
rest, then a line for each node. It is replaced as a whole, so that others see all of the old or all of the new.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

FORMAT = 1
LARGEST_BYTES = 1 << 30
UNUSED_SECONDS = 30 * 86400
"""After what time the file of a fleet that nobody has rendered is removed."""
_SUFFIX = ".fleet"


class Entry(NamedTuple):
    """What is known of a node.

    ``key`` is made of the content of its ``inputs``, files below the fleet's folder. ``digest`` is that of its complete
    document, ``facts`` what concerns other nodes, as JSON.
    """

    inputs: tuple[str, ...]
    key: str
    digest: str
    facts: bytes


def cache_folder(variables: Mapping[str, str]) -> Path | None:
    """Return where this user's caches of ours are, ``None`` where there is no such place."""
    named = variables.get("XDG_CACHE_HOME", "")
    if os.path.isabs(named):
        return Path(named) / "stellwerk"
    home = variables.get("HOME", "")
    return Path(home) / ".cache" / "stellwerk" if os.path.isabs(home) else None


class FleetCache:
    """The entries of one fleet, by any text that tells it from others.

    ``made_by`` says which program, in all that its results depend on.
    """

    def __init__(self, folder: Path | None, fleet: str, made_by: str) -> None:
        self._folder = folder
        self._made_by = made_by
        self._file = sha256(fleet.encode(errors="surrogateescape")).hexdigest()[:32] + _SUFFIX

    def read(self) -> dict[str, Entry]:
        """Return the entries by node; none where they are missing, damaged, somebody else's, or of another program."""
        if self._folder is None:
            return {}
        try:
            content = _read(self._folder / self._file)
            head, _, rest = content.partition(b"\n")
            if json.loads(head) != self._head(rest):
                return {}
            return dict(map(_entry, rest.splitlines()))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return {}

    def write(self, entries: Mapping[str, Entry]) -> None:
        """Keep the entries, where that is possible."""
        if self._folder is None:
            return
        rest = b"".join(_line(name, entry) for name, entry in entries.items())
        content = json.dumps(self._head(rest)).encode() + b"\n" + rest
        # A cache that cannot be kept costs time and nothing else.
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_foreign(os.lstat(self._folder), stat.S_IFDIR)
            _replace(self._folder, self._file, content)
            _remove_unused(self._folder)

    def _head(self, rest: bytes) -> dict[str, str | int]:
        return {"stellwerk_fleet_cache": FORMAT, "made_by": self._made_by, "digest": sha256(rest).hexdigest()}


def _line(name: str, entry: Entry) -> bytes:
    # JSON in ASCII has neither tabs nor line ends.
    return json.dumps([name, entry.inputs, entry.key, entry.digest]).encode() + b"\t" + entry.facts + b"\n"


def _entry(line: bytes) -> tuple[str, Entry]:
    head, _, facts = line.partition(b"\t")
    name, inputs, key, digest = json.loads(head)
    return name, Entry(tuple(inputs), key, digest, facts)


def _read(path: Path) -> bytes:
    """Return the content of a file of ours. Raises OSError for any other."""
    _refuse_foreign(os.lstat(path.parent), stat.S_IFDIR)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        _refuse_foreign(os.fstat(descriptor), stat.S_IFREG)
        return file.readall()


def _refuse_foreign(status: os.stat_result, kind: int) -> None:
    """Raise PermissionError for what others can write, who could have us believe anything."""
    kind_differs = stat.S_IFMT(status.st_mode) != kind
    if kind_differs or status.st_uid != os.geteuid() or status.st_mode & 0o022 or status.st_size > LARGEST_BYTES:
        raise PermissionError


def _replace(folder: Path, name: str, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=_SUFFIX, dir=folder)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.rename(temporary, folder / name)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - UNUSED_SECONDS
    for path in _caches(folder):
        with suppress(OSError):
            if path.lstat().st_mtime < oldest:
                path.unlink()


def _caches(folder: Path) -> Iterable[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(_SUFFIX)]
