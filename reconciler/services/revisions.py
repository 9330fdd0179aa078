"""Which nodes change between two revisions of a repository, and how: plans from intent to intent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

from intent.digest import digest
from intent.document import Node
from intent.fleet import FLEET_FILE
from intent.fleet.repository import Fleet, read_fleet_from
from intent.loading import loads
from intent.problems import IntentError
from reconciler.backends.git import Git
from reconciler.backends.git_trees import RevisionFiles, commit_of, files_now, files_of
from reconciler.core.errors import StellwerkError
from reconciler.core.plan import Impact, PlanError
from reconciler.core.plan_document import to_json
from reconciler.services.comparing import PublicKeys, planned
from reconciler.services.fleet_workers import in_processes, processors

WORKING_TREE = "working tree"
FEWEST_FOR_PROCESSES = 64
_INTERRUPTING = frozenset({Impact.DISRUPTIVE, Impact.REPLACEMENT})
_PLAIN = re.compile(rb"^[\"']?node[\"']?[ \t]*:[ \t]*[\"']?([A-Za-z0-9.-]{1,63})", re.MULTILINE)
_VERSION = re.compile(rb"^[\"']?version[\"']?[ \t]*:", re.MULTILINE)

Progress = Callable[[int], AbstractContextManager[Callable[[], None]]]


class UnknownNodeError(StellwerkError):
    """A node was asked for that neither side has."""


class _Said(NamedTuple):
    """What a side says of a node: its document, ``None`` where there is none, or all that is wrong with it."""

    node: Node | None = None
    keys: PublicKeys = ()
    problem: IntentError | None = None


@dataclass(frozen=True, slots=True)
class NodeChange:
    """What changes of one node. ``change`` is ``changed``, ``new``, ``gone`` or ``invalid``.

    ``plan`` is a plan's JSON, ``None`` where there is none to make, for which ``problems`` is the reason;
    ``fields`` are those of the node file that say something else.
    """

    name: str
    change: str
    plan: Mapping[str, Any] | None = None
    interrupts: bool = False
    fields: tuple[str, ...] = ()
    problems: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that changes between two sides. ``before`` and ``after`` are how they are called, with their commits.

    ``problems`` is what is wrong with a whole side, before and after.
    """

    before: tuple[str, str]
    after: tuple[str, str]
    changes: tuple[NodeChange, ...]
    problems: tuple[str, str] = ("", "")

    @property
    def invalid(self) -> bool:
        """Whether something is wrong with the later side."""
        return bool(self.problems[1]) or any(one.change == "invalid" for one in self.changes)


class _Side:
    """One revision: its files, and the nodes that they make."""

    def __init__(self, called: str, files: RevisionFiles) -> None:
        self.files = files
        self.problem: IntentError | None = None
        self.fleet: Fleet | None = None
        self._called = called
        self._plain: dict[str, list[str]] = {}
        if FLEET_FILE in files:
            files.fetch(path for path in files if path == FLEET_FILE or path.startswith(("groups/", "roles/")))
            try:
                self.fleet = read_fleet_from(files, called)
            except IntentError as exc:
                self.problem = exc

    def take_plain(self, paths: Iterable[str]) -> None:
        """Look for node files among the paths, where this is no fleet."""
        if FLEET_FILE in self.files:
            return
        there = [path for path in paths if path in self.files and path.endswith((".yaml", ".yml"))]
        self.files.fetch(there)
        for path in sorted(there):
            content = self.files[path]
            if (named := _PLAIN.search(content)) and _VERSION.search(content):
                self._plain.setdefault(named[1].decode(), []).append(path)

    @property
    def nodes(self) -> Sequence[str]:
        """The names of the nodes; of plain node files those that were looked for."""
        return self.fleet.nodes if self.fleet is not None else sorted(self._plain)

    def fetch(self, names: Iterable[str]) -> None:
        """Read what the nodes' documents are made of at once."""
        if self.fleet is not None:
            self.files.fetch(f"nodes/{name}.yaml" for name in names)

    def say(self, name: str) -> _Said:
        """Return what is said of a node."""
        try:
            if self.fleet is not None:
                if name not in self._known():
                    return _Said()
                rendered = self.fleet.render(name)
                return _Said(rendered.node, rendered.public.keys)
            paths = self._plain.get(name, [])
            nodes = [loads(self.files[path], f"{self._called}:{path}") for path in paths]
        except IntentError as exc:
            return _Said(problem=exc)
        # The same node in two files is a mistake that others tell; the last one counts.
        return _Said(nodes[-1] if nodes else None)

    def _known(self) -> frozenset[str]:
        return frozenset() if self.fleet is None else frozenset(self.fleet.nodes)


def compare(git: Git, revision: str, other: str | None, names: Sequence[str], show: Progress) -> Comparison:
    """Return what changes from one revision to another, of the named nodes or of all.

    Without ``other`` the later side is the working tree. Raises GitError.
    """
    first = commit_of(git, revision)
    second = "" if other is None else commit_of(git, other)
    before = _Side(revision, files_of(git, first))
    after = _Side("" if other is None else other, files_now(git) if other is None else files_of(git, second))
    due = _candidates(before, after)
    for name in names if before.fleet is not None and after.fleet is not None else ():
        if name not in {*before.nodes, *after.nodes}:
            raise UnknownNodeError(f"neither revision has a node {name!r}: there is no nodes/{name}.yaml")
    if names:
        due = [name for name in due if name in set(names)]
    before.fetch(due)
    after.fetch(due)

    def work(name: str) -> NodeChange | None:
        return _change(name, before.say(name), after.say(name), before.problem is not None)

    changes: list[NodeChange] = []
    count = min(processors(), len(due) // FEWEST_FOR_PROCESSES)
    with show(len(due)) as done:
        for _, change in in_processes(work, due, count) if count > 1 else ((name, work(name)) for name in due):
            done()
            if change is not None:
                changes.append(change)
    return Comparison(
        (revision, first),
        (WORKING_TREE if other is None else other, second),
        tuple(sorted(changes, key=lambda one: one.name)),
        (_words(before.problem), _words(after.problem)),
    )


def _words(problem: IntentError | None) -> str:
    return "" if problem is None else str(problem)


def _candidates(before: _Side, after: _Side) -> list[str]:
    """Return the nodes that may differ: those that a changed file has a part in, and all where that cannot be told."""
    one, other = before.files.names, after.files.names
    paths = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    if not paths or after.problem is not None:
        return []
    before.take_plain(paths)
    after.take_plain(paths)
    sides = [side for side in (before, after) if side.fleet is not None]
    if not sides or len(sides) == 1:
        return sorted({*before.nodes, *after.nodes})
    own = {path[6:-5] for path in paths if path.startswith("nodes/") and path.endswith(".yaml")}
    shared = [path for path in paths if not path.startswith(("nodes/", "rendered/"))]
    every = {*before.nodes, *after.nodes}
    if FLEET_FILE in shared:
        return sorted(every)
    layers = [path for path in shared if path.startswith(("groups/", "roles/")) and path.endswith(".yaml")]
    if layers:
        words = {path.partition("/")[2][:-5].encode() for path in layers}
        own |= _naming(sides, every, words)
    found = (own | _linked_with(sides, own)) & every
    # Anything else may be put into documents by its path, which may be made of variables.
    rest = [path for path in shared if path not in layers and path.endswith(".age")]
    return sorted(found | (_made_of(sides, every - found, set(rest)) if rest else set()))


def _linked_with(sides: Sequence[_Side], names: Set[str]) -> set[str]:
    """Return the nodes at the ends of links with one of these: what is public of one is in the other's document."""
    links = (link for side in sides if side.fleet is not None for link in side.fleet.links)
    return {name for link in links if not names.isdisjoint(link.between) for name in link.between}


def _naming(sides: Sequence[_Side], names: Iterable[str], words: Iterable[bytes]) -> set[str]:
    """Return the nodes whose own file has one of the words somewhere."""
    paths = {name: f"nodes/{name}.yaml" for name in names}
    found = set()
    for side in sides:
        side.files.fetch(paths.values())
        for name, path in paths.items():
            if path in side.files and any(word in side.files[path] for word in words):
                found.add(name)
    return found


def _made_of(sides: Sequence[_Side], names: Iterable[str], paths: set[str]) -> set[str]:
    """Return the nodes whose document has one of the files in it, or cannot be made."""
    found = set()
    for side in sides:
        fleet = side.fleet
        known = [] if fleet is None else [name for name in fleet.nodes if name in set(names)]
        side.fetch(known)
        for name in known:
            try:
                if fleet is not None and not paths.isdisjoint(fleet.inputs(name)):
                    found.add(name)
            except IntentError:
                found.add(name)
    return found


def _change(name: str, before: _Said, after: _Said, unreadable: bool) -> NodeChange | None:
    """Return what changes of a node, ``None`` for nothing; of an ``unreadable`` earlier side nothing is known."""
    if after.problem is not None:
        return NodeChange(name, "invalid", problems=str(after.problem))
    if before.problem is not None:
        why = f"it was invalid before, so there is nothing to compare with:\n{before.problem}"
        return NodeChange(name, "changed" if after.node is not None else "gone", problems=why)
    if unreadable:
        return None if after.node is None else NodeChange(name, "changed", problems="what it was before is not known")
    if before.node is None and after.node is None:
        return None
    if before.node is not None and after.node is not None:
        same = digest(before.node) == digest(after.node) and tuple(before.keys) == tuple(after.keys)
        if same:
            return None
    change = "new" if before.node is None else "gone" if after.node is None else "changed"
    fields = _fields(before.node, after.node)
    try:
        plan = planned(before.node, after.node, before.keys, after.keys)
    except IntentError as exc:
        return NodeChange(name, "invalid", fields=fields, problems=str(exc))
    except PlanError as exc:
        return NodeChange(name, change, fields=fields, problems="\n".join(exc.problems))
    interrupts = change == "changed" and any(one.impact in _INTERRUPTING for one in plan.operations)
    return NodeChange(name, change, to_json(plan), interrupts, fields)


def _fields(before: Node | None, after: Node | None) -> tuple[str, ...]:
    one, other = ({feature.name: model for feature, model in node.parts()} if node else {} for node in (before, after))
    return tuple(sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)))
