"""The git program, run on one repository: nothing in it runs hooks, asks for passwords or outlives its time."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.core.errors import StellwerkError

LOCAL_SECONDS = 30.0
"""How long a call may take that does not go over the network."""
MOST_SHOWN = 2000

# Nothing that a repository or an environment of ours says may run programs or wait for a person.
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
)
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "GIT_OPTIONAL_LOCKS": "0",
}
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20"
_NOT_OURS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_EDITOR")


class GitError(StellwerkError):
    """The git program failed, is missing, or took too long; the text has the end of what it said."""


_USER_INFORMATION = re.compile(r"(?<=://)[^/@\s:'\"]*:[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a git may do at most, and what is not to be read in its errors.

    ``variables`` are put into its environment. No file that it writes may be larger than ``largest_file_bytes``. What
    it starts inherits the file descriptors ``inherited``, such as that of a lock. ``secrets`` are texts to be masked.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    largest_file_bytes: int | None = None
    inherited: tuple[int, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)


class Git:
    """Runs git in one folder."""

    def __init__(self, folder: Path, settings: tuple[str, ...] = (), bounds: Bounds | None = None) -> None:
        """Take the repository's folder, which need not be one yet, and settings as for ``git -c``."""
        self.folder = folder
        self._settings = (*_SETTINGS, *settings)
        self._bounds = bounds or Bounds()
        self._door = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def stop(self) -> None:
        """End what runs now, from any thread; every later call fails."""
        with self._door:
            self._stopped = True
            if self._running is not None:
                _kill(self._running)

    def run(
        self,
        *arguments: str,
        feed: bytes = b"",
        seconds: float = LOCAL_SECONDS,
        variables: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return what ``git ARGUMENTS`` writes to its output. ``feed`` is its input. Raises GitError."""
        options = [part for setting in self._settings for part in ("-c", setting)]
        process = self._started(["git", *options, "-C", str(self.folder), *arguments], variables or {})
        with process:
            try:
                out, err = process.communicate(feed, timeout=seconds)
            except subprocess.TimeoutExpired as exc:
                raise GitError(f"`git {arguments[0]}` did not end within {seconds:g} s and was stopped") from exc
            finally:
                self._end(process)
        if process.returncode:
            said = self._masked(err.decode(errors="replace").strip())[-MOST_SHOWN:]
            raise GitError(f"`git {arguments[0]}` failed: {said or _how(process.returncode)}")
        return out

    def _started(self, command: list[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        bounds = self._bounds
        with self._door:
            if self._stopped:
                raise GitError("git was stopped")
            try:
                process = self._running = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env={"GIT_SSH_COMMAND": _SSH, **kept, **_ENVIRONMENT, **bounds.variables, **variables},
                    start_new_session=True,
                    pass_fds=bounds.inherited,
                )
            except FileNotFoundError as exc:
                raise GitError("there is no program `git` here; install it (on Debian: apt-get install git)") from exc
            except OSError as exc:
                raise GitError(f"git could not be started in {self.folder}: {exc.strerror or exc}") from exc
        if bounds.largest_file_bytes is not None:
            # It may have ended already, or belong to somebody else by what it is: then there is no bound.
            with contextlib.suppress(OSError):
                most = (bounds.largest_file_bytes, bounds.largest_file_bytes)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, most)
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End the program and what it has started, where it has not ended by itself."""
        with self._door:
            self._running = None
            if process.poll() is None:
                _kill(process)
        process.wait()

    def _masked(self, text: str) -> str:
        for secret in self._bounds.secrets:
            text = text.replace(secret, "***")
        return _USER_INFORMATION.sub("***@", text)


def _kill(process: subprocess.Popen[bytes]) -> None:
    # The number of one that was waited for may be another's.
    with contextlib.suppress(ProcessLookupError):
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)


def _how(code: int) -> str:
    if code == -signal.SIGXFSZ:
        return "a file would be larger than it may be"
    return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
