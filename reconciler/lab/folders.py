"""Where labs live: a folder for each, with the socket of its keeper, a lock and the disks of its nodes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.errors import BusyError, RefusedError, StellwerkError

ROOTS_FOLDER = Path("/run/stellwerk-lab")
_END_SECONDS = 60.0
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one lab."""

    path: Path

    @property
    def socket(self) -> Path:
        """Where the keeper listens."""
        return self.path / "control"

    @property
    def lock(self) -> Path:
        """What every process of the lab holds a lock on (flock(2)), so that it is free when the last one has ended."""
        return self.path / "lock"

    @property
    def log(self) -> Path:
        """What the keeper says."""
        return self.path / "keeper.log"

    def node(self, name: str) -> Path:
        """Return the folder of a node."""
        return self.path / "nodes" / name

    def take(self) -> int:
        """Make the folder, or take one that a lab which is dead left, and return a descriptor of its lock.

        Raises RefusedError where a lab of that name runs, StellwerkError.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise StellwerkError(f"{self.path} cannot be made: {exc.strerror}") from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(descriptor)
            name = self.path.name
            raise RefusedError(
                f"a lab {name} is there already: `stellwerk lab down {name}` ends it, or give this one another --name"
            ) from exc
        self._empty()
        return descriptor

    def is_held(self) -> bool:
        """Return whether a process of the lab lives."""
        try:
            descriptor = os.open(self.lock, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def await_end(self) -> None:
        """Wait until the last process of the lab has ended. Raises BusyError."""
        end = time.monotonic() + _END_SECONDS
        while self.is_held():
            if time.monotonic() > end:
                raise BusyError(f"processes of the lab at {self.path} have not ended in {_END_SECONDS:.0f} s")
            time.sleep(_PAUSE_SECONDS)

    def remove(self) -> None:
        """Remove the folder with all that is in it. Raises StellwerkError."""
        try:
            shutil.rmtree(self.path)
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise StellwerkError(f"{self.path} cannot be removed: {exc}") from exc
        with contextlib.suppress(OSError):
            # The one above too, where it was the last.
            self.path.parent.rmdir()

    def _empty(self) -> None:
        for entry in self.path.iterdir():
            if entry == self.lock:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def base() -> Path:
    """Return where this user's labs live, which only that user can write to. Raises StellwerkError."""
    user = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if user == 0:
        path = ROOTS_FOLDER
    elif runtime and os.access(runtime, os.W_OK):
        path = Path(runtime) / "stellwerk-lab"
    else:
        path = Path(f"/tmp/stellwerk-lab-{user}")  # noqa: S108 - it is looked at below
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as exc:
        raise StellwerkError(f"{path}, where labs are, cannot be made: {exc.strerror}; {_remedy(path, exc)}") from exc
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o022:
        raise StellwerkError(f"{path} is not a folder that only this user can write to; remove it")
    return path


def _remedy(path: Path, error: OSError) -> str:
    """Return what can be done where the folder of labs cannot be made."""
    if error.errno == errno.EROFS:
        return f"mount a tmpfs on {path.parent}, or start the lab as a user whose XDG_RUNTIME_DIR can be written to"
    if error.errno == errno.EEXIST:
        return "remove what is there: it is no folder"
    return f"see that {path.parent} is a folder that this user can write to"


def labs(where: Path | None = None) -> list[str]:
    """Return the names of the labs that are there, also of dead ones."""
    folder = where or base()
    return sorted(entry.name for entry in folder.iterdir() if (entry / "lock").exists())


def find(name: str | None, where: Path | None = None) -> Folder:
    """Return the folder of a lab, without a name that of the only one. Raises StellwerkError naming those there are."""
    folder = where or base()
    known = labs(folder)
    if name is None and len(known) == 1:
        name = known[0]
    if name is not None and name in known:
        return Folder(folder / name)
    there = f"there are {', '.join(known)}" if known else "there is none; `stellwerk lab up FILE` starts one"
    if name is None:
        raise StellwerkError(
            f"there are several labs, {', '.join(known)}: name one (`lab down NAME`, `lab status NAME`, else "
            "`--lab NAME`), or set STELLWERK_LAB"
            if known
            else f"no lab: {there}"
        )
    raise StellwerkError(f"there is no lab {name}: {there}")
