"""One pull: what a branch says of a node by now, or why that is not taken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from intent.reading import LARGEST_BYTES
from reconciler.backends.git import GitError
from reconciler.backends.git_remote import DEEPER, Entry, GitRemote
from reconciler.core.commits import Commit
from reconciler.core.errors import StellwerkError
from reconciler.core.pulls import Accepted
from reconciler.core.signers import MissingHistoryError, NotDescendedError, SignatureError
from reconciler.services.git_settings import GitSettings

SUFFIX = ".yaml"
_FLEET = "fleet.yaml"
_OVERLAYS = ("nodes", "groups", "roles")
_RENDERED = "rendered"
_PLAIN_FILE = "100"
_KINDS = {"040000": "a folder", "120000": "a symbolic link", "160000": "another repository"}


class NotTakenError(StellwerkError):
    """What the branch holds is not taken. ``head`` is its newest commit; ``commit`` the one that is wrong."""

    def __init__(self, words: str, head: Commit, commit: Commit | None = None) -> None:
        super().__init__(words)
        self.head = head
        self.commit = commit or head


@dataclass(frozen=True, slots=True)
class Pulled:
    """A node's document as it is in the newest commit, ``head``; ``commit`` is the one that changed it last."""

    head: Commit
    commit: Commit
    path: str
    data: bytes


def pull(remote: GitRemote, settings: GitSettings, accepted: Accepted | None) -> Pulled | None:
    """Fetch, and return what the branch says by now, ``None`` where its newest commit is the accepted one.

    Raises NotTakenError, BranchGoneError and GitError; after the last two nothing is known.
    """
    if not remote.is_new and remote.too_large():
        remote.anew()
    mendable = not remote.is_new
    try:
        return _Pull(remote, settings, accepted).made()
    except GitError:
        # Where the remote answers, what is wrong may be on our side: nothing of it is worth keeping.
        if not mendable or not remote.reachable():
            raise
    remote.anew()
    return _Pull(remote, settings, accepted).made()


class _Pull:
    def __init__(self, remote: GitRemote, settings: GitSettings, accepted: Accepted | None) -> None:
        self._remote, self._settings, self._accepted = remote, settings, accepted
        self._deeper = list(DEEPER)
        self._head = remote.fetch()

    def made(self) -> Pulled | None:
        """Return what the branch says. Raises as `pull` does."""
        accepted = self._accepted
        if accepted is not None and self._head.id == accepted.head.id:
            return None
        base = self._base()
        path, entry = self._found()
        signer = self._signer(base, path)
        commit = self._last_change(base, path)
        if entry is None:
            raise self._not_there(path, base)
        if not entry.mode.startswith(_PLAIN_FILE):
            raise self._refusal(f"`{path}` is {_KINDS.get(entry.mode, 'no plain file')} in it, not a file", commit)
        data = self._remote.content(entry, LARGEST_BYTES)
        if data is None:
            raise self._refusal(f"`{path}` has more than {LARGEST_BYTES >> 20} MiB in it", commit)
        if commit is None and base is not None and accepted is not None and accepted.document.name == path:
            # Nobody has changed it since.
            commit = accepted.document.commit
        commit = commit or self._head
        return Pulled(self._head, replace(commit, signer=signer or commit.signer), path, data)

    def _base(self) -> str | None:
        """Return the accepted commit, ``None`` where this one need not descend from one. Raises NotTakenError."""
        accepted, remote = self._accepted, self._remote
        if accepted is None:
            return None
        base = accepted.head.id
        while not remote.has(base) and self._deepen():
            pass
        if remote.has(base) and remote.descends(self._head.id, base):
            return base
        if self._settings.allow_force_push:
            return None
        raise self._refusal(
            f"the branch `{self._settings.origin.branch}` was rewritten (force-push): {accepted.head}, which is in "
            "force, is not among what this one was built on. Push a branch that goes on from there, or start the "
            "daemon with `allow_force_push` (--allow-force-push) where that is wanted"
        )

    def _deepen(self) -> bool:
        """Fetch older commits; return whether that could bring any."""
        if not self._deeper or not self._remote.is_shallow:
            return False
        # The branch may have gone on meanwhile: what this is about stays the commit of the beginning.
        self._remote.deepen(self._deeper.pop(0))
        return True

    def _found(self) -> tuple[str, Entry | None]:
        """Return the path that is meant, with or without ``.yaml``, and what is there. Raises NotTakenError."""
        given = self._settings.path
        other = given.removesuffix(SUFFIX) if given.endswith(SUFFIX) else given + SUFFIX
        found = {path: entry for path in (given, other) if (entry := self._remote.entry(self._head.id, path))}
        # A folder of that name stands in nobody's way.
        plain = next((path for path, entry in found.items() if entry.mode.startswith(_PLAIN_FILE)), None)
        path = plain or next(iter(found), given if given.endswith(SUFFIX) else other)
        self._refuse_overlay(path)
        return path, found.get(path)

    def _refuse_overlay(self, path: str) -> None:
        """Raise NotTakenError for what is only a part of a node's document."""
        folder = PurePosixPath(path).parent
        if folder.name not in _OVERLAYS or path.count("/") < 1:
            return
        root = folder.parent
        if self._remote.entry(self._head.id, str(root / _FLEET)) is None:
            return
        right = root / _RENDERED / PurePosixPath(path).name
        name = f"`{right}`" if folder.name == "nodes" else f"one in `{root / _RENDERED}`"
        raise self._refusal(
            f"`{path}` is an overlay, a part of a fleet, and not the whole document of a node: name {name} with "
            "--path, which `stellwerk render` writes and which is committed too"
        )

    def _not_there(self, path: str, base: str | None) -> NotTakenError:
        given = self._settings.path
        if base is None:
            return self._refusal(f"there is no `{path}` in it; `path` (--path) names the node's document")
        commit = self._last_change(base, given) or self._last_change(base, path)
        return self._refusal(f"`{given}` is gone from it; what was accepted before is held", commit)

    def _signer(self, base: str | None, path: str) -> str | None:
        """Return who vouches for the path, ``None`` where nobody has to or it is unchanged. Raises NotTakenError."""
        policy = self._settings.signing
        if policy is None:
            return None
        # It is loaded only where it is asked for.
        from reconciler.backends.git_signatures import vouched

        while True:
            try:
                return vouched(self._remote.git, base, self._head.id, path, policy)
            except MissingHistoryError as exc:
                if not self._deepen():
                    raise self._unvouched(exc) from exc
            except NotDescendedError as exc:
                if not self._settings.allow_force_push:
                    raise self._unvouched(exc) from exc
                base = None
            except SignatureError as exc:
                raise self._unvouched(exc) from exc

    def _last_change(self, base: str | None, path: str) -> Commit | None:
        """Return the commit that changed the path last, ``None`` where none did or history does not reach so far."""
        remote = self._remote
        name = remote.last_change(path, self._head.id, base)
        try:
            while base is None and name is not None and remote.cut(name):
                if len(self._deeper) < len(DEEPER) - 1 or not self._deepen():
                    return None
                name = remote.last_change(path, self._head.id, base)
        except GitError:
            # It is only told.
            return None
        return None if name is None else remote.commit(name)

    def _unvouched(self, error: SignatureError) -> NotTakenError:
        commit = error.commit
        # Who tells of it names the commit.
        prefix = "" if commit is None else f"commit {commit.short} by {commit.author}: "
        return self._refusal(str(error).removeprefix(prefix), commit)

    def _refusal(self, words: str, commit: Commit | None = None) -> NotTakenError:
        return NotTakenError(words, self._head, commit)
