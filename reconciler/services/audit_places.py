"""Where in a node file it stands that an object is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set

from intent import tree
from intent.document import Node
from intent.feature import Batch, Feature
from intent.references import References
from intent.resources.resource import Key, Resource
from intent.runs import Run
from reconciler.core.audit import Place

MOST_VALUES = 200_000
"""In a feature with more values none is looked for: its key is the place."""


def places(node: Node, references: References, keys: Set[Key]) -> Mapping[Key, Place]:
    """Return for each of these objects the place of the value that names it, else of the feature that asks for it."""
    found: dict[Key, Place] = {}
    for feature, model in node.parts():
        left = keys - found.keys()
        if not left:
            break
        made = _keys(feature.expand(model, node, references))
        mine = left.intersection(made)
        if not mine:
            continue
        entry = node.root.entries.get(feature.name)
        values = {} if entry is None or entry.value is None else _values(entry.value)
        for key in mine:
            found[key] = _place(node, feature, key, values)
    return found


def file_of(node: Node) -> str:
    """Return the node file's name."""
    return node.source.problem(0, 0, "").file


def _keys(made: Iterable[Resource | Batch[object]]) -> Iterator[Key]:
    for one in made:
        if isinstance(one, Batch):
            yield from (one.make(each).key for each in one.different)
        else:
            yield one.key


def _place(node: Node, feature: Feature[object], key: Key, values: Mapping[str, tree.Place]) -> Place:  # type: ignore[type-var]
    line, column = tree.place(node.root, (feature.name,), at_key=True)
    # What is long, a prefix or a public key, names an object; a number or a link's name stands in many places.
    for part in sorted((part for part in key.name if isinstance(part, str)), key=len, reverse=True):
        where = values.get(part) or values.get(part.removesuffix("/128"))
        if where is not None:
            line, column = where
            break
    problem = node.source.problem(line, column, "")
    return Place(problem.file, problem.line, problem.column)


def _values(value: tree.Tree) -> Mapping[str, tree.Place]:
    """Return the place of each text and number below a value, the first one of those that are the same."""
    found: dict[str, tree.Place] = {}
    pending: list[tree.Tree | Run] = [value]
    while pending and len(found) < MOST_VALUES:
        one = pending.pop()
        if isinstance(one, tree.Scalar):
            # The last one is taken out first: what comes earlier in the file takes its place.
            found[str(one.value)] = (one.line, one.column)
        elif isinstance(one, Run):
            found |= {text: (one.line_of(index), one.column) for index, text in enumerate(one.texts)}
        elif isinstance(one, tree.Mapping):
            pending += [child for _, child in one.usable()]
        else:
            pending += one.parts
    return found
