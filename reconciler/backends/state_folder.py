"""What Stellwerk keeps on disk between runs: the inventory, and a lock so that two never act at once."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from intent.resources.resource import Key
from reconciler.backends.atomic_files import sync_folder
from reconciler.core.errors import DeniedError, RefusedError, StellwerkError
from reconciler.core.inventory import Inventory

VERSION = 1


class DamagedStateError(RefusedError):
    """A file of the state folder cannot be understood."""


class StateFolder:
    """The folder that holds ``inventory.json`` and ``lock``; it is made, with mode 0700, at the first write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self) -> Inventory:
        """Return the inventory, a lost one when there is none. Raises DamagedStateError, other StellwerkErrors."""
        path = self.folder / "inventory.json"
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Inventory(lost=True)
        except OSError as exc:
            kind = DeniedError if isinstance(exc, PermissionError) else StellwerkError
            raise kind(f"{path} cannot be read: {exc.strerror}; {_advice(exc)}") from exc
        except UnicodeDecodeError as exc:
            raise _damaged(path, exc) from exc
        try:
            return _decode(json.loads(text))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
            raise _damaged(path, exc) from exc

    def save(self, inventory: Inventory) -> None:
        """Write the inventory so that a reader, or a boot after a power cut, finds all of the old or of the new.

        Raises StellwerkError when it cannot be written.
        """
        path = self.folder / "inventory.json"
        try:
            self._make_folder()
            new = path.with_suffix(".new")
            with open(new, "w", encoding="utf-8", opener=_private) as file:
                json.dump(_encode(inventory), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
            sync_folder(str(self.folder))
        except OSError as exc:
            raise StellwerkError(
                f"{path} cannot be written: {exc.strerror}. Nothing was changed that it would have to record; "
                f"{_advice(exc)}"
            ) from exc

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the right to change the node; it ends with the process. Raises RefusedError when another has it."""
        path = self.folder / "lock"
        try:
            self._make_folder()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StellwerkError(f"{path} cannot be opened: {exc.strerror}; {_advice(exc)}") from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise RefusedError(
                f"another stellwerk (process {holder}) is changing this node; wait until it has finished"
            ) from exc
        except OSError as exc:
            os.close(descriptor)
            raise StellwerkError(f"{path} cannot be locked: {exc.strerror}; {_advice(exc)}") from exc
        try:
            # The lock holds without the number, which is for the words of whoever comes second.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _advice(error: OSError) -> str:
    """Return what the operator can do about an error of the folder."""
    other = "or name another folder with --state-dir"
    if isinstance(error, PermissionError):
        return f"run it as root, {other}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"make room on its file system, {other}"
    if error.errno == errno.EROFS:
        return f"its file system is mounted read-only: mount it writable, {other}"
    return f"see what is wrong with the folder, {other}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _damaged(path: Path, cause: Exception) -> DamagedStateError:
    return DamagedStateError(
        f"{path} is damaged ({cause}). It says which unmarked objects are ours (addresses, sysctls, babeld's "
        "interfaces). Put a copy back, or move the file away: what carries a mark is found again, the rest is then "
        "treated as not ours"
    )


def _encode(inventory: Inventory) -> dict[str, Any]:
    return {
        "version": VERSION,
        "objects": [
            {"key": [key.space, *key.name], "remembered": held}
            for key, held in sorted(inventory.entries.items(), key=repr)
        ],
        "partitions": {table: sorted(parts, key=repr) for table, parts in sorted(inventory.partitions.items())},
    }


def _decode(document: dict[str, Any]) -> Inventory:
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']} is not {VERSION}")
    entries: dict[Key, dict[str, Any]] = {}
    for entry in document["objects"]:
        space, *name = entry["key"]
        entries[Key(str(space), tuple(name))] = dict(entry["remembered"])
    partitions = {str(table): frozenset(parts) for table, parts in document["partitions"].items()}
    return Inventory(entries, partitions)
