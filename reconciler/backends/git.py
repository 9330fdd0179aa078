"""The git program, run on one repository: nothing in it runs hooks, asks for passwords or outlives its time."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
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
    "GIT_OPTIONAL_LOCKS": "0",
}
_SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20"
_NOT_OURS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_EDITOR")


class GitError(StellwerkError):
    """The git program failed, is missing, or took too long; the text has the end of what it said."""


class Git:
    """Runs git in one folder."""

    def __init__(self, folder: Path, settings: tuple[str, ...] = ()) -> None:
        """Take the repository's folder, which need not be one yet, and settings as for ``git -c``."""
        self.folder = folder
        self._settings = (*_SETTINGS, *settings)

    def run(
        self,
        *arguments: str,
        feed: bytes = b"",
        seconds: float = LOCAL_SECONDS,
        variables: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return what ``git ARGUMENTS`` writes to its output. ``feed`` is its input. Raises GitError."""
        options = [part for setting in self._settings for part in ("-c", setting)]
        kept = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
        try:
            process = subprocess.Popen(
                ["git", *options, "-C", str(self.folder), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"GIT_SSH_COMMAND": _SSH, **kept, **_ENVIRONMENT, **(variables or {})},
                start_new_session=True,
            )
        except FileNotFoundError as exc:
            raise GitError("there is no program `git` here; install it (on Debian: apt-get install git)") from exc
        except OSError as exc:
            raise GitError(f"git could not be started in {self.folder}: {exc.strerror or exc}") from exc
        with process:
            try:
                out, err = process.communicate(feed, timeout=seconds)
            except subprocess.TimeoutExpired as exc:
                raise GitError(f"`git {arguments[0]}` did not end within {seconds:g} s and was stopped") from exc
            finally:
                _end(process)
        if process.returncode:
            said = err.decode(errors="replace").strip()[-MOST_SHOWN:]
            raise GitError(f"`git {arguments[0]}` failed: {said or f'exit code {process.returncode}'}")
        return out


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it has started, where it has not ended by itself."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
