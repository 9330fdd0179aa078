"""Files that are written whole: rendered configuration, and private keys that were made on this node.

A rendered file begins with a mark. A file without it was written by somebody else and stays untouched. A key file
is made once and then never read, changed or removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, ClassVar, NamedTuple, Self

from intent.resources.resource import Change, Key, Request, Resource
from intent.secrets import PrivateKey, Secret

MARK = b"# Written by stellwerk; changes are overwritten.\n"
"""The first line of every rendered file; a file that begins with it is ours."""


def marked(text: str) -> bytes:
    """Return the text of a configuration file as UTF-8 with our mark before it."""
    return MARK + text.encode()


class FileRow(NamedTuple):
    """What is found at a path. ``content`` is None where it is no regular file, or one too big to be ours."""

    path: str
    content: Secret | None
    mode: int


class KeyFileRow(NamedTuple):
    """A path at which something is, and its mode; a key's content is never looked at."""

    path: str
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class WriteFile(Request):
    """Put the content at the path in one step, so that a reader finds all of the old or all of the new.

    Missing folders are made with mode 0755. Raises ValueError for content without our mark.
    """

    path: str
    content: bytes | Secret
    mode: int

    def __post_init__(self) -> None:
        if not reveal(self.content).startswith(MARK):
            # Without it the next look would take the file for somebody else's.
            raise ValueError(f"the content for {self.path} does not begin with our mark")


@dataclass(frozen=True, slots=True)
class ChangeMode(Request):
    """Change the mode of a rendered file and nothing else. One without our mark stays as it is."""

    path: str
    mode: int


@dataclass(frozen=True, slots=True)
class RemoveFile(Request):
    """Remove a rendered file. One that is gone is no error; one without our mark stays."""

    path: str


@dataclass(frozen=True, slots=True)
class CreateKeyFile(Request):
    """Make a key file of mode 0600 in ``wg genkey``'s form; what is already at the path stays.

    A missing folder is made with mode 0700.
    """

    path: str
    private_key: PrivateKey


def reveal(content: bytes | Secret) -> bytes:
    """Return the bytes of content that may be secret."""
    return content.reveal() if isinstance(content, Secret) else content


def _is_marked(content: bytes | Secret | None) -> bool:
    """Return whether content begins with our mark, as far as it is known."""
    if content is None or (isinstance(content, Secret) and not content.known):
        return False
    return reveal(content).startswith(MARK)


def _as_secret(content: bytes | Secret) -> Secret:
    return content if isinstance(content, Secret) else Secret(content)


def file_key(path: str) -> Key:
    """Return the identity of the file at an absolute path."""
    return Key("file", (path,))


@dataclass(frozen=True, slots=True)
class File(Resource):
    """A rendered file at an absolute path; ``content`` begins with our mark (see `marked`)."""

    path: str
    content: bytes | Secret | None
    mode: int | None = 0o644

    table: ClassVar[str] = "file"
    refers_to: ClassVar[frozenset[str] | None] = frozenset()
    partitioned: ClassVar[bool] = True
    compared: ClassVar[tuple[str, ...]] = ("content", "mode")
    incidental: ClassVar[frozenset[str]] = frozenset({"mode"})

    @property
    def key(self) -> Key:
        """The path."""
        return file_key(self.path)

    def describe(self) -> str:
        """Return the path."""
        return f"file {self.path}"

    def partition(self) -> str:
        """Return the path: no other file is looked at."""
        return self.path

    def renews(self, changes: Mapping[str, Change]) -> bool:
        """Return whether a reader has to read it again: not for a new mode."""
        return "content" in changes

    def owned(self) -> bool:
        """Return whether the first line is our mark."""
        return _is_marked(self.content)

    def told(self) -> Self:
        """Return the file without what somebody else has written into it, of which not even a fingerprint is told."""
        return self if self.content is None or _is_marked(self.content) else replace(self, content=Secret(b""))

    def changes(self, observed: Self) -> dict[str, Change]:
        """Return the content and the mode where they differ; secret content equals the same bytes in the open."""
        changes = {}
        if self.content is not None and (
            observed.content is None or _as_secret(self.content) != _as_secret(observed.content)
        ):
            changes["content"] = Change(observed.content, self.content)
        if self.mode is not None and self.mode != observed.mode:
            changes["mode"] = Change(observed.mode, self.mode)
        return changes

    def show(self, field: str) -> str:
        """Return the mode in octal, and of the content no more than tells one version from another."""
        if field == "mode":
            return "unset" if self.mode is None else f"{self.mode:04o}"
        if field == "content":
            return _fingerprint(self.content)
        return str(getattr(self, field))

    @classmethod
    def decode(cls, row: Any, context: Any) -> Self | None:
        """Return the file in a row."""
        return cls(row.path, row.content, row.mode) if isinstance(row, FileRow) else None

    def create(self) -> tuple[Request, ...]:
        """Return the request that writes the file."""
        if self.content is None:
            raise ValueError(f"no content is given for {self.path}")
        return (WriteFile(self.path, self.content, 0o644 if self.mode is None else self.mode),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the request that writes the file anew, or changes its mode; an unmanaged mode stays as it is."""
        mode = observed.mode if self.mode is None else self.mode
        if "content" not in changes and mode is not None:
            return (ChangeMode(self.path, mode),)
        return File(self.path, self.content, mode).create()

    def delete(self) -> tuple[Request, ...]:
        """Return the request that removes the file."""
        return (RemoveFile(self.path),)


def _fingerprint(content: bytes | Secret | None) -> str:
    if content is None:
        return "no regular file"
    if isinstance(content, Secret) and not content.known:
        return f"sha256 {content.fingerprint[:12]}…"
    if isinstance(content, Secret) and not _is_marked(content):
        # Somebody else's file: it may hold anything.
        return "foreign content"
    digest = sha256(reveal(content)).hexdigest()[:12]
    return "hidden" if isinstance(content, Secret) else f"{len(content)} bytes, sha256 {digest}…"


@dataclass(frozen=True, slots=True)
class KeyFile(Resource):
    """A WireGuard private key that was generated on this node, in a file of ``wg genkey``'s form (wg(8)).

    The file is made when it is missing. It is never read here, never overwritten and never removed: the key is the
    node's identity. ``private_key`` is None in an observed one, and ``mode`` in a desired one.
    """

    path: str
    private_key: PrivateKey | None
    mode: int | None = field(default=None, compare=False)

    table: ClassVar[str] = "key file"
    refers_to: ClassVar[frozenset[str] | None] = frozenset()
    partitioned: ClassVar[bool] = True

    @property
    def key(self) -> Key:
        """The path, in the same space as all other files."""
        return file_key(self.path)

    def describe(self) -> str:
        """Return the path, without the key."""
        return f"private key in {self.path}"

    def partition(self) -> str:
        """Return the path: no other file is looked at."""
        return self.path

    @classmethod
    def decode(cls, row: Any, context: Any) -> Self | None:
        """Return the key file in a row, without its key."""
        return cls(row.path, None, row.mode) if isinstance(row, KeyFileRow) else None

    def create(self) -> tuple[Request, ...]:
        """Return the request that makes the file unless something is there."""
        if self.private_key is None:
            raise ValueError(f"no key is given for {self.path}")
        return (CreateKeyFile(self.path, self.private_key),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return nothing: a key file never changes."""
        return ()

    def delete(self) -> tuple[Request, ...]:
        """Return nothing: a key file is never removed."""
        return ()
