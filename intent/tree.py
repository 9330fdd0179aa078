"""The values of a file with their places: what is between YAML and the models."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, NamedTuple

from intent.runs import Run
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
    """A list. ``parts`` are its items, but for runs of texts, which stand for many."""

    __slots__ = ("_starts", "column", "line", "parts")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.parts: list[Tree | Run] = []
        self._starts: list[int] | None = None

    def __len__(self) -> int:
        """Return the number of items."""
        return self._part_starts()[-1]

    def item(self, index: int) -> Tree:
        """Return one of the items."""
        starts = self._part_starts()
        number = bisect_right(starts, index) - 1
        part = self.parts[number]
        if not isinstance(part, Run):
            return part
        index -= starts[number]
        return Scalar(part.line_of(index), part.column, part.texts[index])

    def plain(self) -> Iterator[Any]:
        """Yield the values of the items."""
        for part in self.parts:
            if isinstance(part, Run):
                yield from part.texts
            else:
                yield plain(part)

    def _part_starts(self) -> list[int]:
        """Return the index of the first item of each part, and the number of all. Asked for when the list is whole."""
        if self._starts is None:
            sizes = (len(part.texts) if isinstance(part, Run) else 1 for part in self.parts)
            self._starts = [0, *accumulate(sizes)]
        return self._starts


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
        return tuple(tree.plain())
    return tree.value


def size(tree: Tree) -> int:
    """Return of how many values a tree is made."""
    if isinstance(tree, Mapping):
        return 1 + sum(size(value) for _, value in tree.usable())
    if isinstance(tree, Sequence):
        return 1 + sum(len(part.texts) if isinstance(part, Run) else size(part) for part in tree.parts)
    return 1


def pieces(tree: Tree, room: int) -> Iterator[Tree]:
    """Yield trees that together hold all of this one: lists are cut where one would have more values than ``room``."""
    if isinstance(tree, Scalar) or size(tree) <= room:
        yield tree
    elif isinstance(tree, Sequence):
        yield from _pieces_of_list(tree, room)
    else:
        large = {key: value for key, value in tree.usable() if size(value) > room}
        cut = {key: tree.entries[key]._replace(value=next(pieces(value, room))) for key, value in large.items()}
        if not large:
            yield tree
        for key, value in large.items():
            for piece in pieces(value, room):
                part = Mapping(tree.line, tree.column)
                part.incomplete = tree.incomplete
                part.entries = {**tree.entries, **cut, key: tree.entries[key]._replace(value=piece)}
                yield part


def _pieces_of_list(sequence: Sequence, room: int) -> Iterator[Sequence]:
    taken: list[Tree] = []
    values = 0
    for item in map(sequence.item, range(len(sequence))):
        for piece in pieces(item, room):
            more = size(piece)
            if taken and values + more > room:
                yield _list_of(sequence, taken)
                taken, values = [], 0
            taken.append(piece)
            values += more
    yield _list_of(sequence, taken)


def _list_of(sequence: Sequence, items: list[Tree]) -> Sequence:
    part = Sequence(sequence.line, sequence.column)
    part.parts = list(items)
    return part


def follow(tree: Tree, path: Path) -> Tree:
    """Return the value at the path, or the last one on the way to it that there is."""
    for step in path:
        if isinstance(tree, Mapping) and isinstance(step, str):
            entry = tree.entries.get(step)
            if entry is None or entry.value is None:
                return tree
            tree = entry.value
        elif isinstance(tree, Sequence) and isinstance(step, int) and step < len(tree):
            tree = tree.item(step)
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
