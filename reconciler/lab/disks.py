"""The files of a place: all of the machine's, but folders of its own where it writes.

A folder of the place is bound over the machine's. Where the machine has none, the folder above is replaced by a
tmpfs full of links to what is there, in which the missing one can be made: nothing is ever written to the machine.
"""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.core.errors import StellwerkError
from reconciler.lab.namespaces import MS_BIND, MS_NODEV, MS_NOSUID, MS_PRIVATE, MS_REC, mount

ALWAYS_OWN = ("/etc/stellwerk", "/var/lib/stellwerk", "/var/lib/babeld")
"""The folders that every place has for itself, and keeps when its power fails."""
OUR_FOLDER = "/run/stellwerk-lab"
"""Where a place finds what the lab put there for it."""
PROGRAMS = f"{OUR_FOLDER}/bin"
_LOWER = f"{OUR_FOLDER}/machine"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Files:
    """The files of the place that this process is in, which has a mount namespace of its own. Raises OSError."""

    def __init__(self, disk: Path) -> None:
        # Opened before anything is mounted: the lab's own folder may be below /run.
        self._disk = os.open(disk, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._own = {"/run"}
        self._replaced: set[str] = set()
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
        mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
        for folder in (PROGRAMS, _LOWER, "/run/lock"):
            os.makedirs(folder)
        for folder in ("/etc", "/var/lib"):
            self._replace(folder)
        for folder in ALWAYS_OWN:
            self.own(folder)

    def own(self, path: str) -> None:
        """Give the place a folder of its own there, which is on its disk. Raises StellwerkError, OSError."""
        if self._is_own(path):
            os.makedirs(path, exist_ok=True)
            return
        if path in self._replaced:
            return
        self._make(path)
        source = f"/proc/self/fd/{self._disk}{path}"
        os.makedirs(source, mode=0o755, exist_ok=True)
        mount(source, path, flags=MS_BIND)
        self._own.add(path)

    def program(self, path: str, text: str) -> None:
        """Put a program there, whatever the machine has at that path."""
        own = f"{PROGRAMS}/{os.path.basename(path)}"
        if not os.path.exists(own):
            Path(own).write_text(text)
            os.chmod(own, 0o755)  # noqa: S103 - it is a program, and it is the lab's
        if not path.startswith("/"):
            return
        if os.path.exists(path):
            mount(own, path, flags=MS_BIND)
            return
        self._make(os.path.dirname(path))
        if not self._is_own(os.path.dirname(path)):
            self._replace(os.path.dirname(path))
        os.symlink(own, path)

    def boot(self, number: str) -> None:
        """Have the place take this for the kernel's start: where its power failed there is another (random(4))."""
        own = f"{OUR_FOLDER}/boot_id"
        Path(own).write_text(f"{number}\n")
        mount(own, _BOOT_ID, flags=MS_BIND)

    def _is_own(self, path: str) -> bool:
        return any(path == folder or path.startswith(f"{folder}/") for folder in self._own)

    def _make(self, path: str) -> None:
        """See that there is a folder at a path, without making one on the machine."""
        if path == "/":
            raise StellwerkError("a lab cannot make folders in `/`")
        if os.path.isdir(path):
            return
        above = os.path.dirname(path)
        self._make(above)
        if not self._is_own(above):
            self._replace(above)
        os.mkdir(path)
        if not self._is_own(path):
            self._replaced.add(path)

    def _replace(self, path: str) -> None:
        """Put a tmpfs there with links to all that the machine has in it."""
        if path in self._replaced:
            return
        lower = _LOWER + path
        os.makedirs(lower, exist_ok=True)
        mount(path, lower, flags=MS_BIND | MS_REC)
        if os.path.islink(path):
            # One of ours, to a folder of the machine in one that is replaced already.
            os.unlink(path)
            os.mkdir(path)
        mount("lab", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
        for name in os.listdir(lower):
            below = f"{lower}/{name}"
            # A link may be relative: it is right only where it was.
            os.symlink(os.readlink(below) if os.path.islink(below) else below, f"{path}/{name}")
        self._replaced.add(path)
