"""A repository of our own that has of another one what a node needs: the newest commits of one branch, and one file.

It is shallow, and has no contents of files but those that are read, where the server can do that (partial-clone in
git's documentation). Nothing in it is worth keeping: whatever is wrong with it, it is made anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from intent.display import printable
from reconciler.backends.git import Bounds, Git, GitError
from reconciler.backends.git_url import RemoteUrl
from reconciler.core.commits import Commit
from reconciler.core.errors import StellwerkError

FETCH_SECONDS = 60.0
ASK_SECONDS = 20.0
LARGEST_BYTES = 64 << 20
"""Beyond that the repository is made anew, and no single fetch may bring more."""
DEEPER = (50, 500, 5000)
"""How many more commits are fetched, one time after the other, until what is looked for is among them."""
_NEWEST = "refs/stellwerk/newest"
_LONGEST_TEXT = 200
_TOLD = "%H%x00%an <%ae>%x00%s%x00%ct"
_SETTINGS = (
    "protocol.allow=never",
    *(f"protocol.{name}.allow=always" for name in ("https", "http", "ssh", "git", "file")),
    # A peer that sends next to nothing is given up before the time for all of it is over.
    "http.lowSpeedLimit=100",
    "http.lowSpeedTime=30",
    "fetch.recurseSubmodules=false",
    "fetch.writeCommitGraph=false",
    "core.commitGraph=false",
    "log.showSignature=false",
    "log.mailmap=false",
    "i18n.logOutputEncoding=UTF-8",
)
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=10")


class BranchGoneError(StellwerkError):
    """The repository can be reached, and has no such branch."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is fetched, and with which key of ssh. Without ``ssh_key`` and ``known_hosts`` ssh decides by itself."""

    url: RemoteUrl
    branch: str
    ssh_key: str | None = None
    known_hosts: str | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What git is told in its environment."""
        named = []
        if self.ssh_key is not None:
            named += ["-i", self.ssh_key, "-o", "IdentitiesOnly=yes"]
        if self.known_hosts is not None:
            named += ["-o", f"UserKnownHostsFile={self.known_hosts}"]
        return {**self.url.variables, **({"GIT_SSH_COMMAND": shlex.join((*_SSH, *named))} if named else {})}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is at a path: the mode of git-ls-tree(1), such as ``100644``, and the name of its content."""

    mode: str
    name: str


class GitRemote:
    """The newest commits of a branch, in a folder of our own. All but `stop` is called from one thread.

    What goes wrong raises GitError, whose words have no password; after that `anew` may help.
    """

    def __init__(self, folder: Path, origin: Origin) -> None:
        self.folder = folder
        self.origin = origin
        self._lock: int | None = None
        self._stopped = False
        self.git = self._git(())
        self._asking = Git(folder.parent, (*_SETTINGS, *origin.url.settings), self._bounds(()))

    def stop(self) -> None:
        """End what runs now, from any thread; every later call fails."""
        self._stopped = True
        self.git.stop()
        self._asking.stop()

    def close(self) -> None:
        """Let another process have the folder."""
        self.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever fetched into it."""
        return not (self.folder / "HEAD").exists()

    @property
    def is_shallow(self) -> bool:
        """Whether older commits are missing."""
        return (self.folder / "shallow").exists()

    def fetch(self) -> Commit:
        """Fetch the branch and return its newest commit. Raises GitError, BranchGoneError."""
        self._open()
        if self.is_new:
            self._make()
            self._fetch("--depth=1")
        else:
            self._tidy()
            self._fetch()
        return self.commit(_NEWEST)

    def deepen(self, commits: int) -> None:
        """Fetch so many more commits, the older ones. Raises GitError, BranchGoneError."""
        self._fetch(f"--deepen={commits}")

    def reachable(self) -> bool:
        """Return whether the remote answers now."""
        try:
            self._asking.run("ls-remote", "--quiet", "--", self.origin.url.bare, "HEAD", seconds=ASK_SECONDS)
        except GitError:
            return False
        return True

    def too_large(self) -> bool:
        """Return whether the repository has grown beyond what it may take on the disk."""
        total = 0
        for folder, _, names in os.walk(self.folder):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(folder, name)).st_size
        return total > LARGEST_BYTES

    def anew(self) -> None:
        """Throw away what is there. Raises GitError where that is not possible."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        try:
            if self.folder.is_symlink() or self.folder.is_file():
                self.folder.unlink()
            elif self.folder.exists():
                shutil.rmtree(self.folder)
        except OSError as exc:
            raise GitError(f"{self.folder} cannot be removed: {exc.strerror or exc}") from exc

    # What is looked at needs no network, but for a content that is read for the first time.

    def has(self, commit: str) -> bool:
        """Return whether a commit is there."""
        try:
            self.git.run("cat-file", "-e", f"{commit}^{{commit}}")
        except GitError:
            return False
        return True

    def descends(self, newest: str, commit: str) -> bool:
        """Return whether a commit that is there is the newest one or an ancestor of it. Raises GitError."""
        return not self.git.run("rev-list", "--max-count=1", commit, f"^{newest}", "--").strip()

    def commit(self, name: str) -> Commit:
        """Return what is told of a commit, in a line and of bounded length. Raises GitError."""
        told = self.git.run("log", "-1", f"--format={_TOLD}", name, "--").decode(errors="replace")
        full, author, subject, when = told.rstrip("\n").split("\0")
        return Commit(full, _bounded(author), _bounded(subject), float(when))

    def last_change(self, path: str, newest: str, after: str | None) -> str | None:
        """Return the newest commit on the way of first parents, after another one, that changed a path.

        ``None`` where none did. Of a commit below which history is cut off it is not known whether it did; see `cut`.
        """
        since = () if after is None else (f"^{after}",)
        found = self.git.run("rev-list", "--first-parent", "--max-count=1", newest, *since, "--", path)
        return found.decode().strip() or None

    def cut(self, commit: str) -> bool:
        """Return whether history is cut off below a commit."""
        try:
            return commit in (self.folder / "shallow").read_text().split()
        except OSError:
            return False

    def entry(self, commit: str, path: str) -> Entry | None:
        """Return what is at a path in a commit, ``None`` for nothing. Raises GitError."""
        listed = self.git.run("ls-tree", "-z", "--full-tree", commit, "--", path).decode(errors="replace")
        mode, _, rest = listed.partition("\t")[0].partition(" ")
        return Entry(mode, rest.rpartition(" ")[2]) if listed else None

    def content(self, entry: Entry, most_bytes: int) -> bytes | None:
        """Return the content of a file, ``None`` where it has more bytes. Raises GitError."""
        if int(self.git.run("cat-file", "-s", entry.name, seconds=FETCH_SECONDS)) > most_bytes:
            return None
        return self.git.run("cat-file", "blob", entry.name)

    # How it is made and kept.

    def _bounds(self, inherited: tuple[int, ...]) -> Bounds:
        return Bounds(self.origin.variables, LARGEST_BYTES, inherited, self.origin.url.secrets)

    def _git(self, inherited: tuple[int, ...]) -> Git:
        bounds = self._bounds(inherited)
        # A folder that is no repository any more must not be taken for a part of one further up.
        variables = {
            **bounds.variables,
            "GIT_DIR": str(self.folder),
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }
        bounds = Bounds(variables, bounds.largest_file_bytes, inherited, bounds.secrets)
        return Git(self.folder, (*_SETTINGS, *self.origin.url.settings), bounds)

    def _open(self) -> None:
        """Have the folder for us alone. A git that outlived its daemon may still write in an old one: that is left."""
        if self._lock is not None and self.folder.exists():
            return
        if not self._take():
            self.anew()
            if not self._take():
                raise GitError(f"another process uses {self.folder}")

    def _take(self) -> bool:
        try:
            self.folder.mkdir(0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.folder / "in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise GitError(f"{self.folder} cannot be written: {exc.strerror or exc}") from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        if self._lock is not None:
            os.close(self._lock)
        self._lock = descriptor
        self.git = self._git((descriptor,))
        if self._stopped:
            self.git.stop()
        return True

    def _make(self) -> None:
        self.git.run("init", "--quiet", "--bare", "--template=")
        self.git.run("config", "remote.origin.url", self.origin.url.bare)
        self.git.run("config", "remote.origin.tagOpt", "--no-tags")

    def _tidy(self) -> None:
        """Remove what a git left that was killed: its locks, and what it had not fetched to the end."""
        for pattern in ("*.lock", "refs/**/*.lock", "objects/**/tmp_*", "objects/pack/.tmp-*"):
            for path in self.folder.glob(pattern):
                with contextlib.suppress(OSError):
                    path.unlink()

    def _fetch(self, *options: str) -> None:
        branch = self.origin.branch
        try:
            self.git.run(
                *("fetch", "--quiet", "--filter=blob:none", "--no-tags", "--no-write-fetch-head", *options),
                *("origin", f"+refs/heads/{branch}:{_NEWEST}"),
                seconds=FETCH_SECONDS,
            )
        except GitError as exc:
            if "couldn't find remote ref" in str(exc):
                raise BranchGoneError(f"{self.origin.url.shown} has no branch `{printable(branch)}`") from exc
            raise


def _bounded(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _LONGEST_TEXT else shown[: _LONGEST_TEXT - 1] + "…"
