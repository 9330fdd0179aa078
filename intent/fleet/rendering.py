"""One node's complete document, out of the files that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Listed
from dataclasses import dataclass

from intent.document import VERSION, build_node
from intent.fleet.expressions import OPENS
from intent.fleet.inlining import is_relative_path, text_of
from intent.fleet.layers import FleetSource, Layer
from intent.fleet.merging import Merger, Overridden
from intent.fleet.rendered import Explained, Public, Rendered
from intent.fleet.variables import Scope
from intent.fleet.writing import ordered, spelled, written
from intent.problems import IntentError, Problem
from intent.runs import Run
from intent.source import Report, names_a_secret
from intent.tree import Entry, Mapping, Path, Scalar, Sequence, Tree

AGE = "age"
MOST_KEPT = 1000
"""How many combinations of what nodes have in common are kept merged."""
WRITTEN_BY = "Written by `stellwerk render`"
"""What the comment in the first line of a complete document begins with."""


@dataclass(slots=True)
class Made:
    """A node's fields before they are looked at as a whole, and how they came to be."""

    root: Mapping
    source: FleetSource
    report: Report
    overridden: Overridden
    by: dict[int, str]
    """By the `id` of a value what it was written as."""
    files: list[str]
    """Files that were put into it, such as secrets."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a node's document is made of: layers in the order of merging, each with its fields; the last is its own."""

    name: str
    layers: Listed[tuple[Layer, Mapping]]
    scope: Scope
    groups: tuple[str, ...]
    roles: tuple[str, ...]
    public: Public
    common: dict[tuple[str, ...], Mapping]
    """Layers merged before, by their files."""
    neighbours: tuple[str, ...]
    """The files of other nodes that were looked at for the links of the fleet."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the layers, each once."""
        return tuple(dict.fromkeys(layer.file for layer, _ in self.layers))


def make(parts: Parts, read_file: Callable[[str], bytes], overridden: Overridden | None = None) -> Made:
    """Merge a node's layers and put in the values of expressions. What is wrong is in the report of the scope."""
    scope = parts.scope
    own = parts.layers[-1][0]
    root = _merged(parts, own, overridden)
    expander = _Expander(scope, read_file, overridden)
    fields = expander.mapping(root, False)
    whole = Mapping(own.base + 1, 1)
    first = parts.layers[0][0].root.entries["version"]
    whole.entries = {
        "version": Entry(first.line, first.column, Scalar(first.line, first.column, VERSION)),
        "node": Entry(own.base + 1, 1, Scalar(own.base + 1, 1, parts.name)),
        **fields.entries,
    }
    return Made(whole, scope.source, scope.report, overridden or {}, expander.by, expander.files)


def _merged(parts: Parts, own: Layer, overridden: Overridden | None) -> Mapping:
    """Return the layers merged, from the longest beginning of them on that was merged for another node already.

    What the nodes have in common is kept up to the first item whose name depends on the node.
    """
    scope = parts.scope
    merger = Merger(scope.report, scope.written, overridden)
    common = parts.common if overridden is None else {}
    key: tuple[str, ...] = ()
    root, start = Mapping(own.base + 1, 1), 0
    for number, (layer, _) in enumerate(parts.layers[:-1], 1):
        key = (*key, layer.file)
        if (known := common.get(key)) is None:
            break
        root, start = known, number
    key = tuple(layer.file for layer, _ in parts.layers[:start])
    for layer, fields in parts.layers[start:]:
        root = merger.root(root, fields, layer.marked)
        key = (*key, layer.file)
        # The links of the fleet are of its file too, but differ from node to node.
        same = not scope.source.became and not scope.report and len(key) == len(set(key))
        if same and layer is not own and len(common) < MOST_KEPT:
            common[key] = root
    return root


def render(parts: Parts, read_file: Callable[[str], bytes], again: Callable[[], Parts]) -> Rendered:
    """Return the node. ``again`` gives its parts anew, for when it is to be explained.

    Raises IntentError with all that is wrong, at its place in the sources.
    """
    made = make(parts, read_file)
    node = build_node(made.source, made.root, made.report)
    if node is None:
        raise made.report.error()
    files = parts.files
    made.source.text = written(made.root, comment(files))
    own = parts.layers[-1][0]
    return Rendered(
        node=node,
        text=made.source.text,
        explain=lambda: explained(again(), read_file),
        public=parts.public,
        groups=parts.groups,
        roles=parts.roles,
        file=own.file,
        inputs=(*files, *parts.neighbours, *dict.fromkeys(made.files)),
    )


def expanded(tree: Tree, scope: Scope) -> Tree:
    """Return a tree with the values of its expressions; what is wrong is reported, and left as it is."""
    found = _Expander(scope, _no_files, None).tree(tree, False)
    return tree if found is None else found


def _no_files(file: str) -> bytes:
    raise IntentError([Problem(file, 0, 0, "cannot stand here")])


def comment(files: Listed[str]) -> str:
    """Return what the first line of a complete document says of it."""
    return f"{WRITTEN_BY} from {', '.join(files)}: change those, not this file."


def explained(parts: Parts, read_file: Callable[[str], bytes]) -> tuple[Explained, ...]:
    """Return for each value of a node's document where it was written, as what, and over what."""
    overridden: Overridden = {}
    made = make(parts, read_file, overridden)
    return tuple(_explain(made, made.root, (), (), ()))


def _explain(made: Made, tree: Tree, path: Path, models: Path, over: tuple[Tree, ...]) -> Iterator[Explained]:
    """``models`` is the path with 0 for every item; ``over`` is what the list around a value took the place of."""
    over = made.overridden.get(id(tree), over)
    if isinstance(tree, Mapping) and tree.entries:
        for name, value in ordered(tree, models):
            yield from _explain(made, value, (*path, name), (*models, name), ())
    elif isinstance(tree, Sequence) and len(tree):
        for index in range(len(tree)):
            yield from _explain(made, tree.item(index), (*path, index), (*models, 0), over)
    else:
        origins = tuple(made.source.origin(one.line, one.column) for one in over)
        text = spelled(tree.value) if isinstance(tree, Scalar) else "{}" if isinstance(tree, Mapping) else "[]"
        by = made.by.get(id(tree), "")
        yield Explained(path, text, made.source.origin(tree.line, tree.column), by, origins)


class _Expander:
    """Puts values of expressions, and contents of secrets' files, into a tree; what stays is the same object."""

    def __init__(self, scope: Scope, read_file: Callable[[str], bytes], overridden: Overridden | None) -> None:
        self._scope = scope
        self._read_file = read_file
        self._overridden = overridden
        self.by: dict[int, str] = {}
        self.files: list[str] = []
        self._kept: list[Tree] = []

    def mapping(self, tree: Mapping, secret: bool) -> Mapping:
        """Return a mapping without expressions. A key whose value is wrong has none."""
        changed: dict[str, Entry] = {}
        for key, entry in tree.entries.items():
            value = entry.value
            if value is None:
                continue
            found: Tree | None = value
            if isinstance(value, Scalar):
                if not isinstance(value.value, str):
                    continue
                found = self._scalar(value, secret or names_a_secret(key))
                if key == AGE and secret and isinstance(found, Scalar):
                    found = self._inlined(found)
            else:
                found = self.tree(value, secret or names_a_secret(key))
            if found is not value:
                changed[key] = Entry(entry.line, entry.column, found)
        if not changed:
            return tree
        new = Mapping(tree.line, tree.column)
        new.entries = {**tree.entries, **changed}
        self._same(tree, new)
        return new

    def tree(self, tree: Tree, secret: bool) -> Tree | None:
        """Return any value without expressions, ``None`` where one alone is wrong."""
        if isinstance(tree, Mapping):
            return self.mapping(tree, secret)
        if isinstance(tree, Sequence):
            return self._sequence(tree, secret)
        return self._scalar(tree, secret)

    def _sequence(self, tree: Sequence, secret: bool) -> Sequence:
        parts: list[Tree | Run] = []
        same = True
        for part in tree.parts:
            if not isinstance(part, Run):
                found = self.tree(part, secret)
                same = same and found is part
                if found is not None:
                    parts.append(found)
            elif any(OPENS in text for text in part.texts):
                same = False
                items = (Scalar(part.line_of(index), part.column, text) for index, text in enumerate(part.texts))
                parts.extend(found for item in items if (found := self._scalar(item, secret)) is not None)
            else:
                parts.append(part)
        if same:
            return tree
        new = Sequence(tree.line, tree.column)
        new.parts = parts
        self._same(tree, new)
        return new

    def _scalar(self, tree: Scalar, secret: bool) -> Scalar | None:
        if not isinstance(tree.value, str) or OPENS not in tree.value:
            return tree
        value = self._scope.written(tree, secret)
        if value is None:
            return None
        new = Scalar(tree.line, tree.column, value)
        self.by[id(new)] = tree.value
        self._same(tree, new)
        return new

    def _inlined(self, tree: Scalar) -> Scalar | None:
        """Return the content of the file that a scalar names, where it names one of the repository."""
        if not isinstance(tree.value, str) or not is_relative_path(tree.value):
            return tree
        try:
            text = text_of(self._read_file(tree.value))
        except (IntentError, ValueError) as exc:
            said = exc.problems[0].message if isinstance(exc, IntentError) else str(exc)
            self._scope.report.add((tree.line, tree.column), f"`{tree.value}` {said}", "paths are below the repository")
            return None
        self.files.append(tree.value)
        new = Scalar(tree.line, tree.column, text)
        self.by[id(new)] = f"the content of {tree.value}"
        self._same(tree, new)
        return new

    def _same(self, old: Tree, new: Tree) -> None:
        """Remember of a new value what the old one took the place of."""
        self._kept += (old, new)
        if self._overridden is not None and id(old) in self._overridden:
            self._overridden[id(new)] = self._overridden[id(old)]
