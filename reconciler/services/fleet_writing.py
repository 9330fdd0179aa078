"""The folder ``rendered/`` of a fleet beside what should be in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from intent.fleet.rendering import WRITTEN_BY
from reconciler.backends.rendered_files import SUFFIX, Found, RenderedFiles
from reconciler.core.errors import RefusedError
from reconciler.services.fleet import FleetRun, Progress

RENDERED = "rendered"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between the documents there and those that should be, by names of nodes, in order.

    ``gone`` are documents of ours whose nodes are gone, ``foreign`` files that are no node's and not ours.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    same: int
    foreign: tuple[str, ...]
    in_the_way: tuple[str, ...]
    """Files that have the names of documents, and that we have not written."""
    texts: dict[str, str]

    @property
    def count(self) -> int:
        """How many files are to be written or removed."""
        return len(self.new) + len(self.changed) + len(self.gone)


class RenderedFolder:
    """The documents of a fleet as they are there, and as they should be."""

    def __init__(self, folder: Path) -> None:
        """Take the fleet's folder."""
        self._files = RenderedFiles(folder / RENDERED, f"# {WRITTEN_BY} ")

    def compare(self, run: FleetRun, names: Sequence[str], show: Progress) -> Differences:
        """Return what differs for these nodes, or for all and those that are gone where none is named.

        Raises IntentError where a node is wrong, RefusedError where the folder is a link, StellwerkError.
        """
        there = self._files.look()
        chosen = sorted(names or run.fleet.nodes)
        rendered = run.render(chosen, show, {name: found.digest for name, found in there.items()})
        if (error := rendered.error()) is not None:
            raise error
        others = [] if names else sorted(there.keys() - set(chosen))
        differing = [name for name in chosen if name in rendered.texts]
        return Differences(
            new=tuple(name for name in differing if name not in there),
            changed=tuple(name for name in differing if name in there),
            gone=tuple(name for name in others if there[name].ours),
            same=len(chosen) - len(differing),
            foreign=tuple(name for name in others if not there[name].ours),
            in_the_way=tuple(name for name in differing if not there.get(name, _NOTHING).ours),
            texts=rendered.texts,
        )

    def write(self, found: Differences) -> None:
        """Make it so. Raises RefusedError, before anything is written, where a file is in the way; StellwerkError."""
        if found.in_the_way:
            files = ", ".join(str(self.file(name)) for name in found.in_the_way[:_MOST_NAMED])
            more = len(found.in_the_way) - _MOST_NAMED
            words = files + (f" and {more} more" if more > 0 else "")
            raise RefusedError(f"not written by `stellwerk render`, as their first line shows: {words}; move them away")
        if found.gone and not (found.same or found.texts):
            raise RefusedError(
                f"the fleet has no nodes, and {len(found.gone)} documents in {self._files.folder} would go;"
                " if that is meant, remove them by hand"
            )
        self._files.put(found.texts, found.gone)

    def file(self, name: str) -> Path:
        """Return the path of a node's document."""
        return self._files.folder / f"{name}{SUFFIX}"


_NOTHING = Found("", True)
