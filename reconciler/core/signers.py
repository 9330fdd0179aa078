"""Whose signatures a node believes, and for which paths of a repository.

A pattern is a path of the repository. In it ``**``, which is a whole component, stands for any number of components
(at its end for at least one), and ``*`` for any run of characters inside a component. Nothing else is special; case
counts. So ``groups/**`` is all that is in ``groups``, and ``rendered/berlin-*.yaml`` nothing in a folder below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from reconciler.core.commits import Commit
from reconciler.core.errors import StellwerkError

LONGEST_PATH = 1024
_SPECIAL_ELSEWHERE = frozenset("?[]{}!\\")


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody whose signature counts for the paths that match one of the patterns.

    Either ``ssh`` is set, a public key as in a line of ``authorized_keys``, or ``openpgp``, the absolute path of a
    file with public keys as ``gpg --export`` writes it.
    """

    name: str
    paths: tuple[str, ...]
    ssh: str | None = None
    openpgp: str | None = None

    def may_sign(self, path: str) -> bool:
        """Return whether the signature counts for a path of the repository."""
        return any(matches(pattern, path) for pattern in self.paths)


@dataclass(frozen=True, slots=True)
class SigningPolicy:
    """All whose signatures a node believes. One person may stand there several times, with a key each."""

    signers: tuple[Signer, ...]

    def names(self, path: str) -> tuple[str, ...]:
        """Return who may sign a path, each name once."""
        return tuple(dict.fromkeys(signer.name for signer in self.signers if signer.may_sign(path)))


def matches(pattern: str, path: str) -> bool:
    """Return whether a pattern stands for a path. A path that is not in its shortest spelling matches nothing."""
    return wrong_path(path) is None and _expression(pattern).fullmatch(path) is not None


def wrong_path(path: str) -> str | None:
    """Return what is wrong with the path of a file in a repository, ``None`` for a right one."""
    if not path or len(path.encode(errors="surrogatepass")) > LONGEST_PATH or not path.isprintable():
        return f"must be a path of 1 to {LONGEST_PATH} bytes without control characters"
    if path.startswith("/") or path.endswith("/"):
        return "must be a path below the repository, without `/` at its ends"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "must be in its shortest spelling, without `.`, `..` and `//`"
    return None


def wrong_pattern(pattern: str) -> str | None:
    """Return what is wrong with a pattern of paths, ``None`` for a right one."""
    wrong = wrong_path(pattern)
    if wrong is not None:
        return wrong
    if special := sorted(_SPECIAL_ELSEWHERE & set(pattern)):
        return f"knows `*` and `**` only, not `{special[0]}`"
    if any("**" in part and part != "**" for part in pattern.split("/")):
        return "must have `**` as a whole component, such as in `groups/**`"
    return None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Return the pattern as a regular expression, one that matches nothing for a wrong one."""
    if wrong_pattern(pattern) is not None:
        return re.compile(r"(?!)")
    *folders, last = pattern.split("/")
    parts = ["(?:[^/]+/)*" if part == "**" else f"{_component(part)}/" for part in folders]
    parts.append("(?:[^/]+/)*[^/]+" if last == "**" else _component(last))
    return re.compile("".join(parts))


def _component(pattern: str) -> str:
    return "[^/]*".join(map(re.escape, pattern.split("*")))


class SignatureError(StellwerkError):
    """A commit is not to be believed; ``commit`` is that one, ``None`` where it is about none."""

    def __init__(self, words: str, commit: Commit | None = None) -> None:
        super().__init__(words if commit is None else f"commit {commit.short} by {commit.author}: {words}")
        self.commit = commit


class UnsignedError(SignatureError):
    """It has no signature."""


class UnknownSignerError(SignatureError):
    """It is signed with a key of nobody that the node knows."""


class NotAllowedError(SignatureError):
    """It is signed by somebody who may not sign this path; ``signer`` is the name."""

    def __init__(self, words: str, commit: Commit, signer: str) -> None:
        super().__init__(words, commit)
        self.signer = signer


class BadSignatureError(SignatureError):
    """The signature does not fit what the commit says."""


class ExpiredKeyError(SignatureError):
    """The key or the signature has expired, or the key is revoked."""


class NotDescendedError(SignatureError):
    """What the node accepted last is not among what the newest commit was built on: the branch was rewritten."""


class MissingHistoryError(SignatureError):
    """The repository is too shallow to tell: it has to be fetched deeper, down to the accepted commit."""


class SigningError(SignatureError):
    """Signatures cannot be checked here: a program is missing, or a signer's key cannot be used."""


def listed(names: Iterable[str]) -> str:
    """Return names for a message."""
    return ", ".join(names) or "nobody"
