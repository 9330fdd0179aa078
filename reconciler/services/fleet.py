"""All nodes of a fleet, rendered on every processor, and only those of which something has changed since the last time.

A node's document is made of some files, which rendering it tells. Each process reads each of them once, so that what is
kept about a node belongs to what it was made of, whoever writes to the files meanwhile.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pydantic
import ruamel.yaml

import intent
from intent.fleet import across
from intent.fleet.repository import fleet_of, repository
from intent.problems import IntentError, Problem
from reconciler.backends.fleet_cache import Entry, FleetCache, cache_folder
from reconciler.backends.rendered_files import digest_of
from reconciler.services.fleet_workers import in_processes, processors

FEWEST_FOR_PROCESSES = 64
"""Fewer nodes are done here: making processes would take longer."""

Progress = Callable[[int], AbstractContextManager[Callable[[], None]]]
"""Is told how many nodes there are to do, and gives what is called after each."""


class _Made(NamedTuple):
    """What rendering a node gave: what to keep, its document where that is wanted; or what is wrong with it."""

    entry: Entry | None = None
    text: str | None = None
    problems: tuple[Problem, ...] = ()
    more: int = 0


@dataclass(slots=True)
class RenderedFleet:
    """What came of the nodes: entries of those that are right, documents that were wanted, and all that is wrong."""

    entries: dict[str, Entry] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    more: int = 0

    def error(self) -> IntentError | None:
        """Return what is wrong with the nodes, each problem once, though many share the place; ``None`` if nothing."""
        return IntentError(self.problems, self.more) if self.problems or self.more else None


class FleetRun:
    """One look at a fleet: its files as they are now, and what is known of them from before."""

    def __init__(self, folder: str, variables: Mapping[str, str]) -> None:
        """Read what the nodes have in common. Raises IntentError with all that is wrong with it.

        ``variables`` are the environment, which says where caches are.
        """
        files = repository(folder)
        self._read_file = files.read
        self._contents: dict[str, bytes] = {}
        self._digests: dict[str, str] = {}
        self.fleet = fleet_of(replace(files, read=self._content))
        # Facts tell their places as messages do, from where the command is given.
        self._cache = FleetCache(cache_folder(variables), f"{os.path.abspath(folder)}\0{files.at}", _made_by())
        self._known = self._cache.read()

    def _content(self, file: str) -> bytes:
        """Return the content of a file as it was when it was first asked for. Raises IntentError."""
        if file not in self._contents:
            self._contents[file] = self._read_file(file)
        return self._contents[file]

    def _digest(self, file: str) -> str:
        if file not in self._digests:
            self._digests[file] = digest_of(self._content(file))
        return self._digests[file]

    def _key(self, inputs: Sequence[str]) -> str:
        """Return what stands for files with their content. Raises IntentError where one cannot be read."""
        return digest_of("\0".join([*inputs, *map(self._digest, inputs)]).encode(errors="surrogateescape"))

    def _still_right(self, name: str) -> Entry | None:
        entry = self._known.get(name)
        try:
            return entry if entry is not None and self._key(entry.inputs) == entry.key else None
        except IntentError:
            # Whoever renders the node says what is wrong.
            return None

    def render(self, names: Sequence[str], show: Progress, there: Mapping[str, str] | None = None) -> RenderedFleet:
        """Render nodes, and keep what was found out.

        ``there`` are digests of documents by node: others than these are wanted; without it, none is.

        Raises WorkerDiedError.
        """
        found = RenderedFleet()
        due = []
        for name in names:
            entry = self._still_right(name)
            if entry is None or (there is not None and there.get(name) != entry.digest):
                due.append(name)
            else:
                found.entries[name] = entry
        with show(len(due)) as done:
            for name, made in self._made(due, there):
                _take(found, name, made)
                done()
        self._keep(found.entries)
        return found

    def check(self, show: Progress) -> None:
        """Render all nodes, hold those that are right beside each other. Raises IntentError with all that is wrong."""
        found = self.render(self.fleet.nodes, show)
        between = across.check({name: across.from_json(entry.facts) for name, entry in found.entries.items()})
        if found.problems or between:
            raise IntentError((*found.problems, *between), found.more)

    def _made(self, names: Sequence[str], there: Mapping[str, str] | None) -> Iterator[tuple[str, _Made]]:
        def work(name: str) -> _Made:
            return self._render(name, there)

        count = min(processors(), len(names) // FEWEST_FOR_PROCESSES)
        return in_processes(work, names, count) if count > 1 else ((name, work(name)) for name in names)

    def _render(self, name: str, there: Mapping[str, str] | None) -> _Made:
        try:
            rendered = self.fleet.render(name)
            digest = digest_of(rendered.text.encode())
            entry = Entry(rendered.inputs, self._key(rendered.inputs), digest, across.to_json(across.facts(rendered)))
        except IntentError as exc:
            return _Made(problems=exc.problems, more=exc.more)
        return _Made(entry, None if there is None or there.get(name) == digest else rendered.text)

    def _keep(self, entries: Mapping[str, Entry]) -> None:
        """Keep what is known now of nodes that are there, unless that is what was known."""
        nodes = set(self.fleet.nodes)
        known = {name: entry for name, entry in {**self._known, **entries}.items() if name in nodes}
        if known != self._known:
            self._cache.write(known)


def _take(found: RenderedFleet, name: str, made: _Made) -> None:
    found.problems += made.problems
    found.more += made.more
    if made.entry is not None:
        found.entries[name] = made.entry
    if made.text is not None:
        found.texts[name] = made.text


@cache
def _made_by() -> str:
    """Return what stands for all that a document depends on beside the fleet's files: the program itself."""
    digest = sha256()
    # Whether it is installed as source or compiled.
    for path in sorted(Path(str(intent.__file__)).parent.rglob("*.py*")):
        if "__pycache__" not in path.parts:
            digest.update(path.read_bytes())
    return f"{digest.hexdigest()} {platform.python_version()} {pydantic.VERSION} {ruamel.yaml.__version__}"
