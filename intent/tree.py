"""The values of a file with their places: what is between YAML and the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from intent.scalars import Value

Path = tuple[str | int, ...]
"""The way from a value down to one inside it: keys of mappings and indices of lists."""
Place = tuple[int, int]
"""Line and column, counted from 1."""


class Scalar:
    """A text, number or truth value."""

    __slots__ = ("column", "line", "value")

    def __init__(self, line: int, column: int, value: Value) -> None:
        self.line = line
        self.column = column
        self.value = value


class Sequence:
    """A list."""

    __slots__ = ("column", "items", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.items: list[Tree] = []


class Entry(NamedTuple):
    """The value under a key, and the place of the key."""

    line: int
    column: int
    value: Tree | None


class Mapping:
    """Keys and values. A key whose value could not be used has an entry without one."""

    __slots__ = ("column", "entries", "incomplete", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.entries: dict[str, Entry] = {}
        # Something that would have given keys was refused, so that a missing key says nothing.
        self.incomplete = False

    def usable(self) -> Iterator[tuple[str, Tree]]:
        """Yield the keys that have a value, with it."""
        for key, entry in self.entries.items():
            if entry.value is not None:
                yield key, entry.value


Tree = Scalar | Sequence | Mapping


def plain(tree: Tree) -> Any:
    """Return the values alone: dicts, tuples, and scalars."""
    if isinstance(tree, Mapping):
        return {key: plain(value) for key, value in tree.usable()}
    if isinstance(tree, Sequence):
        return tuple(map(plain, tree.items))
    return tree.value


def plain_items(sequence: Sequence, start: int, end: int) -> tuple[Any, ...]:
    """Return the values of some items of a list."""
    return tuple(map(plain, sequence.items[start:end]))


def follow(tree: Tree, path: Path) -> Tree:
    """Return the value at the path, or the last one on the way to it that there is."""
    for step in path:
        if isinstance(tree, Mapping) and isinstance(step, str):
            entry = tree.entries.get(step)
            if entry is None or entry.value is None:
                return tree
            tree = entry.value
        elif isinstance(tree, Sequence) and isinstance(step, int) and step < len(tree.items):
            tree = tree.items[step]
        else:
            return tree
    return tree


def place(tree: Tree, path: Path, at_key: bool = False) -> Place:
    """Return where the value at the path stands, or its key; for what is not there, what should contain it."""
    if at_key and path:
        parent = follow(tree, path[:-1])
        if isinstance(parent, Mapping) and isinstance(path[-1], str) and path[-1] in parent.entries:
            return parent.entries[path[-1]][:2]
    found = follow(tree, path)
    return found.line, found.column
