"""A fleet's repository: its files, and the complete document of each of its nodes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Mapped
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import NamedTuple

from pydantic_core import PydanticCustomError

from intent.display import quoted
from intent.features import features
from intent.fields import parse_node_name
from intent.fleet import FLEET_FILE
from intent.fleet.expressions import names_in
from intent.fleet.generated import generated_links, other_ends
from intent.fleet.layers import FleetSource, Layer, raise_all, read_layer, report_for
from intent.fleet.public import public_part, read_public
from intent.fleet.rendered import Public, Rendered
from intent.fleet.rendering import Parts, expanded, make, render
from intent.fleet.settings import FleetLink, Segment, Settings, read_settings, refuse_unknown
from intent.fleet.variables import Scope
from intent.fleet.variables import settings as variable_settings
from intent.problems import IntentError, Problem
from intent.reading import read
from intent.source import Report
from intent.tree import Mapping, Scalar, Sequence, Tree
from intent.validation import meant

GROUPS, ROLES, NODES = "groups", "roles", "nodes"
_ENDING = ".yaml"
_OVERLAY_FIELDS = ("variables",)
_NODE_FIELDS = ("variables", GROUPS, ROLES, "public")
_FILE_FIELDS = ("version", "node")

Read = Callable[[str], bytes]


class _Begun(NamedTuple):
    """What is known of a node before its layers are merged."""

    groups: tuple[str, ...]
    roles: tuple[str, ...]
    common: tuple[Layer, ...]
    scope: Scope
    public: Public


class Fleet:
    """A fleet: what its nodes have in common is read, each node's own file is when it is asked for."""

    def __init__(self, settings: Settings, layers: Mapped[str, Layer], nodes: tuple[str, ...], read: Read, at: str):
        """Hold what is common. ``layers`` are by file, ``at`` goes before a file's name in messages."""
        self._settings = settings
        self._layers = layers
        self._read = read
        self._at = at
        self._base = max(layer.end for layer in layers.values())
        self._public: dict[str, tuple[Public, tuple[str, ...]]] = {}
        self._merged: dict[tuple[str, ...], Mapping] = {}
        self._links: dict[str, list[FleetLink]] = {}
        for link in settings.links:
            for name in link.between:
                self._links.setdefault(name, []).append(link)
        self._groups = _names(layers, GROUPS)
        self._roles = _names(layers, ROLES)
        self._known = frozenset(nodes)
        self.nodes = nodes
        """The names of all nodes, in order."""

    @property
    def name(self) -> str:
        """The fleet's name."""
        return self._settings.name

    @property
    def known_keys(self) -> dict[str, str]:
        """Public keys of peers that are no node of the fleet, by their names."""
        return self._settings.known_keys

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Which nodes hear each other over a cable or by radio."""
        return self._settings.segments

    @property
    def links(self) -> tuple[FleetLink, ...]:
        """The links that are made of one line."""
        return self._settings.links

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables that are declared."""
        return tuple(self._settings.variables)

    def source(self) -> FleetSource:
        """Return the text of what is common, for problems with it."""
        return FleetSource(self._at + FLEET_FILE, tuple(self._layers.values()))

    def render(self, name: str) -> Rendered:
        """Return a node's complete document.

        Raises IntentError with all that is wrong with the node, at its places in the sources.
        """
        return render(self._parts(name), self._read, lambda: self._parts(name))

    def inputs(self, name: str) -> tuple[str, ...]:
        """Return the files that a node's document is made of. Raises IntentError where they cannot be read."""
        parts = self._parts(name)
        made = make(parts, self._read)
        return (*parts.files, *parts.neighbours, *dict.fromkeys(made.files))

    def public(self, name: str) -> Public:
        """Return what others must know of a node, from its own file. Raises IntentError where that is wrong."""
        return self._public_and_files(name)[0]

    def _public_and_files(self, name: str) -> tuple[Public, tuple[str, ...]]:
        """Return what is public of a node, and the files that this may come from but for ``fleet.yaml``."""
        if name not in self._public:
            own = self._own(name, public_part)
            begun = self._begin(name, own)
            if begun.scope.report:
                raise begun.scope.report.error()
            self._public[name] = begun.public, (*(layer.file for layer in begun.common), own.file)
        return self._public[name]

    def unused(self) -> tuple[Problem, ...]:
        """Return a problem for each variable that is declared and used nowhere. May read the files of all nodes."""
        left = set(self._settings.variables)
        texts = (layer.source.text.encode() for layer in self._layers.values())
        files = (self._read(_file(NODES, name)) for name in self.nodes)
        for data in chain(texts, files):
            if not left:
                break
            left -= names_in(data)
        report = report_for(self._layers[FLEET_FILE])
        for name in left:
            entry = self._settings.variables[name].entry
            report.add(entry[:2], f"the variable {quoted(name)} is used nowhere", "leave it out")
        return report.error().problems

    def _own(self, name: str, part: Callable[[bytes], bytes] = bytes) -> Layer:
        if name not in self._known:
            near = meant(name, self.nodes)
            advice = f"did you mean `{near}`?" if near else None
            raise IntentError([Problem(f"{self._at}{NODES}/{name}{_ENDING}", 0, 0, "is no node of the fleet", advice)])
        file = f"{NODES}/{name}{_ENDING}"
        return read_layer(part(self._read(file)), file, self._at + file, self._base, "a node's own file")

    def _scope(self, name: str, own: Layer, common: tuple[Layer, ...], source: FleetSource, report: Report) -> Scope:
        declared = self._settings.variables
        values: dict[str, Tree] = {}
        for layer in common:
            # What is wrong with these was said when the fleet was read.
            values |= variable_settings(_field(layer.root, "variables"), declared, None)
        values |= variable_settings(_field(own.root, "variables"), declared, report)
        return Scope(name, declared, values, source, report, own.file)

    def _begin(self, name: str, own: Layer) -> _Begun:
        """Return what a node's own file says of how it is to be made."""
        early = report_for(own)
        refuse_unknown(own.root, (*_NODE_FIELDS, *features()), "a node's own file", early, _FILE_FIELDS)
        groups = self._named(own, GROUPS, self._groups, early)
        roles = self._named(own, ROLES, self._roles, early)
        files = (*(_file(GROUPS, one) for one in groups), *(_file(ROLES, one) for one in roles))
        common = tuple(self._layers[file] for file in files)
        source = FleetSource(own.source.name, (self._layers[FLEET_FILE], *common, own))
        report = Report(source)
        report.take(early)
        scope = self._scope(name, own, common, source, report)
        return _Begun(groups, roles, common, scope, _read_public(own.root, scope))

    def _parts(self, name: str) -> Parts:
        own = self._own(name)
        begun = self._begin(name, own)
        fleet = self._layers[FLEET_FILE]
        layers = [(fleet, self._settings.defaults), *((layer, _fields(layer.root)) for layer in begun.common)]
        links = tuple(self._links.get(name, ()))
        generated = generated_links(links, name, self.public, begun.scope.report)
        if generated is not None:
            layers.append((fleet, generated))
        layers.append((own, _fields(own.root)))
        neighbours = self._files_of_neighbours(other_ends(links, name))
        return Parts(name, layers, begun.scope, begun.groups, begun.roles, begun.public, self._merged, neighbours)

    def _files_of_neighbours(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the files that decide what is public of nodes; of one with which something is wrong, its own."""
        known = (self._public[name][1] if name in self._public else (_file(NODES, name),) for name in names)
        return tuple(dict.fromkeys(chain.from_iterable(known)))

    def _named(self, own: Layer, field: str, known: tuple[str, ...], report: Report) -> tuple[str, ...]:
        """Return the groups or roles that a node names, without those that there are not, which are reported."""
        tree = _field(own.root, field)
        if tree is None:
            return ()
        if not isinstance(tree, Sequence):
            report.add(
                (tree.line, tree.column),
                f"`{field}` must be a list",
                f"such as `{field}: [{known[0] if known else '…'}]`",
            )
            return ()
        found: dict[str, int] = {}
        for index in range(len(tree)):
            item = tree.item(index)
            name = item.value if isinstance(item, Scalar) else None
            place = (item.line, item.column)
            if not isinstance(name, str):
                report.add(place, f"an item of `{field}` must be a name")
            elif name in found:
                report.add(place, f"{quoted(name)} is named twice, first in line {found[name] - own.base}")
            elif name not in known:
                near = meant(name, known)
                advice = f"did you mean `{near}`?" if near else f"there is no {field}/{name}{_ENDING}"
                report.add(place, f"{quoted(name)} is none of the fleet's {field}", advice)
            else:
                found[name] = item.line
        return tuple(found)


def _read_public(root: Mapping, scope: Scope) -> Public:
    tree = _field(root, "public")
    return read_public(None if tree is None else expanded(tree, scope), scope.source, scope.report)


def _field(root: Mapping, name: str) -> Tree | None:
    entry = root.entries.get(name)
    return None if entry is None else entry.value


def _fields(root: Mapping) -> Mapping:
    """Return the fields of a node file that a file of a fleet has."""
    fields = Mapping(root.line, root.column)
    known = features()
    fields.entries = {key: entry for key, entry in root.entries.items() if key in known}
    return fields


def _file(folder: str, name: str) -> str:
    return f"{folder}/{name}{_ENDING}"


def _names(files: Iterable[str], folder: str) -> tuple[str, ...]:
    start = folder + "/"
    inside = (file[len(start) : -len(_ENDING)] for file in files if file.startswith(start) and file.endswith(_ENDING))
    return tuple(sorted(name for name in inside if "/" not in name and not name.startswith(".")))


@dataclass(frozen=True, slots=True)
class Repository:
    """The files of a fleet: their paths below its folder, how one is read, and what goes before them in messages."""

    files: tuple[str, ...]
    read: Read
    at: str


def repository(folder: str) -> Repository:
    """Return the files in a folder, none of which is read yet. Raises IntentError where it cannot be looked into."""
    files = [FLEET_FILE] if os.path.lexists(os.path.join(folder, FLEET_FILE)) else []
    for part in (GROUPS, ROLES, NODES):
        try:
            files += [f"{part}/{name}" for name in os.listdir(os.path.join(folder, part))]
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise IntentError([Problem(os.path.join(folder, part), 0, 0, f"cannot be read: {exc.strerror}")]) from exc
    at = "" if folder in ("", ".") else os.path.join(folder, "")
    inside = os.path.join(os.path.realpath(folder or "."), "")
    # Most files are no links, and in folders that many share.
    real_folder = cache(lambda part: os.path.join(os.path.realpath(part), ""))

    def read_file(file: str) -> bytes:
        _refuse_outside(file, at)
        path = os.path.join(folder, file)
        real = os.path.realpath(path) if os.path.islink(path) else real_folder(os.path.dirname(path) or ".")
        if not real.startswith(inside):
            raise _outside(at + file)
        return read(path)[0]

    return Repository(tuple(files), read_file, at)


def read_fleet(folder: str) -> Fleet:
    """Return the fleet in a folder. Raises IntentError with all that is wrong with what its nodes have in common."""
    return fleet_of(repository(folder))


def read_fleet_from(files: Mapped[str, bytes], name: str) -> Fleet:
    """Return the fleet of files from memory, by their paths below the repository.

    ``name`` stands for all of it in messages, such as a revision; with it a file is called ``name:file``.
    Raises IntentError as `read_fleet` does.
    """
    at = f"{name}:" if name else ""

    def read_file(file: str) -> bytes:
        _refuse_outside(file, at)
        if file not in files:
            raise IntentError([Problem(at + file, 0, 0, "is not there")])
        return files[file]

    return fleet_of(Repository(tuple(files), read_file, at))


def _refuse_outside(file: str, at: str) -> None:
    if file.startswith("/") or ".." in file.split("/") or "\0" in file:
        raise _outside(at + file)


def _outside(file: str) -> IntentError:
    return IntentError([Problem(file, 0, 0, "is outside of the repository")])


def fleet_of(repository: Repository) -> Fleet:
    """Return the fleet of some files. Raises IntentError with all that is wrong with what its nodes have in common."""
    files, read_file, at = repository.files, repository.read, repository.at
    errors: list[IntentError] = []
    layers: dict[str, Layer] = {}
    if FLEET_FILE not in files:
        advice = "the least is `version: 1` and `fleet: NAME`"
        raise IntentError(
            [Problem(at + FLEET_FILE, 0, 0, "is not there: the folder is no repository of a fleet", advice)]
        )
    nodes = _node_names(files, at, errors)
    common = [FLEET_FILE, *(_file(folder, name) for folder in (GROUPS, ROLES) for name in _names(files, folder))]
    base = 0
    for file in common:
        try:
            layer = layers[file] = read_layer(read_file(file), file, at + file, base, "a file of a fleet")
        except IntentError as exc:
            errors.append(exc)
        else:
            base = layer.end
    settings = None
    if FLEET_FILE in layers:
        try:
            settings = read_settings(layers[FLEET_FILE], frozenset(nodes))
        except IntentError as exc:
            errors.append(exc)
    for file, layer in layers.items():
        if file == FLEET_FILE:
            continue
        report = report_for(layer)
        what = "a group" if file.startswith(GROUPS) else "a role"
        refuse_unknown(layer.root, (*_OVERLAY_FIELDS, *features()), what, report, (*_FILE_FIELDS, *_NODE_FIELDS))
        if settings is not None:
            # What is declared is not known before.
            variable_settings(_field(layer.root, "variables"), settings.variables, report)
        if report:
            errors.append(report.error())
    raise_all(errors)
    assert settings is not None  # noqa: S101 - it would have been an error
    return Fleet(settings, layers, nodes, read_file, at)


def _node_names(files: Iterable[str], at: str, errors: list[IntentError]) -> tuple[str, ...]:
    """Return the nodes that have a file; names that no node can have are errors, and so are other files there."""
    problems = []
    names = _names(files, NODES)
    for name in names:
        try:
            parse_node_name(name)
        except PydanticCustomError as exc:
            message = f"the file's name is the node's: it {(exc.context or {})['message']}"
            problems.append(Problem(at + _file(NODES, name), 0, 0, message))
    for file in files:
        folder, _, name = file.partition("/")
        if folder in (GROUPS, ROLES, NODES) and name.endswith(".yml"):
            problems.append(Problem(at + file, 0, 0, "is not read", f"call it {file.removesuffix('.yml')}{_ENDING}"))
    if problems:
        errors.append(IntentError(problems))
    return names
