"""A repository that the node follows: fetched by a thread of its own, told to the loop by the loop's own.

What was accepted last is on disk, with the document: the node is held at it at once, whatever the network does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from intent.loading import loads
from intent.problems import IntentError
from reconciler.backends.git_remote import GitRemote
from reconciler.core.commits import Commit
from reconciler.core.errors import StellwerkError
from reconciler.core.loop import Loop
from reconciler.core.pulls import Accepted, AcceptedStore
from reconciler.core.telling import log
from reconciler.services.git_settings import GitSettings
from reconciler.services.interpretation import NodeInterpreter
from reconciler.services.node_files import NodeFiles
from reconciler.services.puller import Puller, Told
from reconciler.services.pulling import NotTakenError, Pulled

FOLDER = "git"
TROUBLE = "git"


class GitSource:
    """The repository that the node follows; see `reconciler.services.intent_source.IntentSource`."""

    def __init__(
        self,
        settings: GitSettings,
        interpreter: NodeInterpreter,
        loop: Loop,
        store: AcceptedStore,
        state_folder: Path,
        ring: Callable[[], None],
    ) -> None:
        self._settings, self._interpreter, self._loop, self._store = settings, interpreter, loop, store
        # What the documents refer to is watched as it is without a node file.
        self._files = NodeFiles(None, interpreter, loop)
        self._puller = Puller(GitRemote(state_folder / FOLDER, settings.origin), settings, loop.clock, ring)
        self._accepted: Accepted | None = None
        self._begun = False
        self._newest: Commit | None = None
        self._newest_since: float | None = None
        self._fetched: float | None = None
        self._problem: str | None = None
        self._problem_since: float | None = None
        self._show()

    @property
    def followed(self) -> bool:
        """Whether there is an intent to follow: there is."""
        return True

    @property
    def busy(self) -> bool:
        """Whether what was asked for by `read` is still to come."""
        return self._puller.busy

    def facts(self) -> Mapping[str, Any]:
        """Return which file of which repository it is."""
        origin = self._settings.origin
        return {"git": origin.url.shown, "branch": origin.branch, "path": self._settings.path}

    def fileno(self) -> int:
        """Return the file descriptor that is readable when there may be changes."""
        return self._files.fileno()

    def read(self) -> None:
        """Tell the loop what was accepted last, the first time; have it fetched now, later ones."""
        if self._begun:
            self._puller.ask()
            return
        self._begun = True
        self._accepted = self._kept()
        if self._accepted is None:
            self._loop.give_file(self._settings.path, None)
        else:
            self._newest = self._accepted.head
            self._loop.give_file(self._accepted.document.name, self._accepted.document)
        self._show()
        if (problem := self._puller.begin(self._accepted)) is not None:
            self._fail(problem, self._loop.clock.wall())
            self._show()

    def take(self) -> bool:
        """Tell the loop what was pulled; return whether there was anything."""
        told = self._puller.take()
        if told is None:
            return False
        if told.problem is not None:
            self._fail(told.problem, told.wall)
        else:
            self._fetched, self._problem, self._problem_since = told.wall, None, None
            self._judge(told)
        self._show()
        return True

    def watch(self) -> None:
        """Watch what the documents refer to by now."""
        self._files.watch()

    def look(self) -> None:
        """Tell the loop what has changed that a document refers to."""
        self._files.look()

    def close(self) -> None:
        """End it, and the git that may run."""
        self._puller.close()
        self._files.close()

    def _kept(self) -> Accepted | None:
        """Return what was accepted of this very file of this branch of this repository."""
        try:
            found = self._store.load_accepted()
        except StellwerkError as exc:
            self._loop.troubles[TROUBLE] = str(exc)
            return None
        origin = self._settings.origin
        mine = found is not None and found.is_of(origin.url.bare, origin.branch, self._settings.path)
        return found if mine else None

    def _judge(self, told: Told) -> None:
        """Tell the loop what the branch holds."""
        found = told.found
        if isinstance(found, NotTakenError):
            self._see(found.head, told.wall)
            self._refuse(found.commit, str(found))
        elif isinstance(found, Pulled):
            self._see(found.head, told.wall)
            self._judge_document(found)
        elif self._accepted is not None:
            # It may have gone back to what was accepted.
            self._see(self._accepted.head, told.wall)
            self._give(self._accepted)

    def _judge_document(self, pulled: Pulled) -> None:
        try:
            node = loads(pulled.data, pulled.path)
        except IntentError as exc:
            self._refuse(pulled.commit, f"its intent is invalid:\n{exc}")
            return
        held = "" if self._loop.wanted is None else self._loop.wanted.node
        if held and node.name != held:
            self._refuse(
                pulled.commit,
                f"`{pulled.path}` is the document of another node: `{node.name}`, and this one is `{held}`. Put the "
                "right one there. Where the node is to have another name, give it the new document once by hand, "
                "with `stellwerk apply`",
            )
            return
        origin = self._settings.origin
        document = self._interpreter.take(node, pulled.commit)
        accepted = Accepted(origin.url.bare, origin.branch, self._settings.path, pulled.head, document)
        try:
            self._store.save_accepted(accepted)
        except StellwerkError as exc:
            # What it says is not lost: it is fetched again.
            self._loop.troubles[TROUBLE] = str(exc)
        else:
            self._loop.troubles.pop(TROUBLE, None)
        self._accepted = accepted
        self._puller.accept(accepted)
        self._give(accepted)

    def _give(self, accepted: Accepted) -> None:
        file, document = self._loop.custody.file, accepted.document
        if file.problem is None and file.document == document and file.document.commit == document.commit:
            return
        self._loop.give_file(document.name, document)

    def _refuse(self, commit: Commit, why: str) -> None:
        problem = f"commit {commit} is not taken: {why}"
        if problem != self._loop.custody.file.problem:
            name = self._settings.path if self._accepted is None else self._accepted.document.name
            self._loop.give_file(name, None, problem, commit)

    def _see(self, head: Commit, wall: float) -> None:
        if self._newest_since is None or self._newest is None or self._newest.id != head.id:
            self._newest, self._newest_since = head, wall

    def _fail(self, problem: str, wall: float) -> None:
        if self._problem is None:
            self._problem_since = wall
        if problem != self._problem:
            self._problem = problem
            log.warning("fetch failed", extra={"fact": {"because": problem}})

    def _show(self) -> None:
        """Have the status tell how it is."""
        newest = self._newest
        origin = self._settings.origin
        self._loop.git = {
            "url": origin.url.shown,
            "branch": origin.branch,
            "path": self._settings.path,
            "newest": None if newest is None else newest.to_json(),
            "newest_since": _rounded(self._newest_since),
            "fetched": _rounded(self._fetched),
            "problem": self._problem,
            "problem_since": _rounded(self._problem_since),
        }


def _rounded(wall: float | None) -> float | None:
    return None if wall is None else round(wall, 3)
