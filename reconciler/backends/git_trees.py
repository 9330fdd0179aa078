"""The files of a git repository at a commit or in its working tree, by path, without a checkout."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha1, sha256
from posixpath import dirname, join, normpath
from typing import NamedTuple

from reconciler.backends.git import Git, GitError

LARGEST_BYTES = 32 << 20
"""Of a larger file nothing is read: it counts as not there."""
READ_SECONDS = 120.0
MOST_LINKS = 8
"""Over how many symbolic links a file is looked for."""
_SHA1_DIGITS = 40


class Entry(NamedTuple):
    """A file of a tree: git's name for its content, and whether it is a symbolic link, which holds a path."""

    name: str
    link: bool


class RevisionFiles(Mapping[str, bytes]):
    """The files of one side of a comparison. ``names`` has git's names for their contents, by path.

    Contents are read when they are asked for, or many at once with `fetch`.
    """

    def __init__(self, git: Git, names: Mapping[str, str], contents: dict[str, bytes]) -> None:
        self._git = git
        self.names = names
        self._contents = contents

    def __getitem__(self, path: str) -> bytes:
        """Return a file's content. Raises KeyError, GitError."""
        name = self.names[path]
        if name not in self._contents:
            self.fetch([path])
        return self._contents[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the paths."""
        return iter(self.names)

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.names)

    def fetch(self, paths: Iterable[str]) -> None:
        """Read the contents of files at once. Raises GitError."""
        names = {self.names[path] for path in paths if path in self.names}
        self._contents |= _contents(self._git, [name for name in names if name not in self._contents])


def commit_of(git: Git, revision: str) -> str:
    """Return the name of the commit that a revision means. Raises GitError."""
    try:
        found = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except (GitError, ValueError) as exc:
        if "exit code 1" not in str(exc) and isinstance(exc, GitError):
            raise
        shallow = " (it is a shallow one: `git fetch --unshallow` brings the rest)" if _shallow(git) else ""
        raise GitError(f"{revision!r} is no commit of the repository in {git.folder}{shallow}") from exc
    return found.decode().strip()


def files_of(git: Git, commit: str, *paths: str) -> RevisionFiles:
    """Return the files of a commit in the repository's folder, or those of them that are named. Raises GitError.

    Modules of other repositories are left out, and links that lead out of the folder.
    """
    listed = git.run("ls-tree", "-r", "-z", "-l", "--end-of-options", commit, *paths, seconds=READ_SECONDS)
    entries: dict[str, Entry] = {}
    for line in listed.split(b"\0")[:-1]:
        kind, _, path = line.partition(b"\t")
        mode, what, name, size = kind.split()
        if what == b"blob" and int(size) <= LARGEST_BYTES:
            entries[os.fsdecode(path)] = Entry(name.decode(), mode == b"120000")
    contents: dict[str, bytes] = {}
    links = {path: entry.name for path, entry in entries.items() if entry.link}
    if links:
        contents = _contents(git, sorted(set(links.values())))
    targets = {path: os.fsdecode(contents[name]) for path, name in links.items()}
    names = {path: entry.name for path, entry in entries.items() if not entry.link}
    return RevisionFiles(git, names | dict(_followed(targets, names)), {})


def files_now(git: Git) -> RevisionFiles:
    """Return the files in the working tree that git knows or would know. Raises GitError."""
    if git.run("rev-parse", "--is-bare-repository").strip() == b"true":
        raise GitError(f"the repository in {git.folder} has no working tree; name a second revision")
    listed = git.run("ls-files", "-z", "--cached", "--others", "--exclude-standard", seconds=READ_SECONDS)
    long = len(git.run("rev-parse", "--show-object-format=storage").strip()) > len(b"sha1")
    inside = os.path.join(os.path.realpath(git.folder), "")
    names: dict[str, str] = {}
    contents: dict[str, bytes] = {}
    for path in dict.fromkeys(map(os.fsdecode, listed.split(b"\0")[:-1])):
        content = _now(os.path.join(git.folder, path), inside)
        if content is not None:
            head = b"blob %d\0" % len(content)
            # The name that git gives content, not a protection.
            digest = sha256(head + content) if long else sha1(head + content, usedforsecurity=False)
            names[path] = digest.hexdigest()
            contents[names[path]] = content
    return RevisionFiles(git, names, contents)


def _now(path: str, inside: str) -> bytes | None:
    try:
        if os.path.islink(path) and not os.path.realpath(path).startswith(inside):
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_BYTES:
                return None
            return file.read(LARGEST_BYTES)
    except OSError:
        # It was deleted, or is a module of another repository.
        return None


def _followed(targets: Mapping[str, str], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the links that lead to a file, with the name of its content."""
    for path in targets:
        end = path
        for _ in range(MOST_LINKS):
            if end not in targets:
                break
            end = normpath(join(dirname(end), targets[end]))
        if end in names:
            yield path, names[end]


def _contents(git: Git, names: list[str]) -> dict[str, bytes]:
    if not names:
        return {}
    out = git.run("cat-file", "--batch", feed="".join(f"{name}\n" for name in names).encode(), seconds=READ_SECONDS)
    found: dict[str, bytes] = {}
    start = 0
    for name in names:
        end = out.index(b"\n", start)
        words = out[start:end].split()
        if len(words) != 3:
            raise GitError(f"the repository in {git.folder} lacks the object {name}; `git fsck` says more")
        size = int(words[2])
        found[name] = out[end + 1 : end + 1 + size]
        start = end + 1 + size + 1
    return found


def _shallow(git: Git) -> bool:
    try:
        return git.run("rev-parse", "--is-shallow-repository").strip() == b"true"
    except GitError:
        return False
