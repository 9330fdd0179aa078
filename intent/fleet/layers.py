"""The files of a fleet as trees whose lines tell which file they are of.

Each file has a range of line numbers of its own: where it begins is added to its lines. So a tree that is merged from
several files is one like any other, and a `FleetSource` turns its lines back into files and lines.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence as Listed
from dataclasses import dataclass

from intent.display import quoted
from intent.fleet.rendered import Origin
from intent.loading import parse
from intent.problems import IntentError, Problem
from intent.reading import decode
from intent.runs import Run
from intent.source import Report, Source
from intent.tree import Entry, Mapping, Scalar, Sequence, Tree

MARKER = "$"
"""What the names begin with that say how to merge; no field's name does."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of a fleet, its lines counted from after ``base``. ``marked``: some mapping in it has a marker."""

    file: str
    source: Source
    base: int
    root: Mapping
    marked: bool = False

    @property
    def end(self) -> int:
        """The last line number that the file may have."""
        return self.base + self.source.text.count("\n") + 2

    def origin(self, line: int, column: int) -> Origin:
        """Return the place of a line of the whole fleet."""
        return Origin(self.file, line - self.base, column)


class FleetSource(Source):
    """What a node's complete document is made of. ``name`` is the node's own file, ``text`` what is written at last."""

    __slots__ = ("_bases", "_layers", "became")

    def __init__(self, name: str, layers: Listed[Layer]) -> None:
        super().__init__(name, "")
        self.parsed = True
        self._layers = sorted(layers, key=lambda layer: layer.base)
        self._bases = [layer.base for layer in self._layers]
        self.became: dict[tuple[int, int], str] = {}
        """What the texts with ``${…}`` at a line and column became, where that may be shown."""

    def layer(self, line: int) -> Layer:
        """Return the file that a line is of."""
        return self._layers[max(0, bisect_left(self._bases, line) - 1)]

    def origin(self, line: int, column: int) -> Origin:
        """Return the file, line and column."""
        return self.layer(line).origin(line, column)

    def line_words(self, line: int, at: int) -> str:
        """Return what a message at the line ``at`` calls another line, with its file where that is another one."""
        layer = self.layer(line)
        return f"{'line ' if layer is self.layer(at) else layer.source.name + ':'}{line - layer.base}"

    def problem(self, line: int, column: int, message: str, suggestion: str | None = None) -> Problem:
        """Return a problem at its place in the file that it is in; 0 is the whole of the node's own file."""
        if not line:
            return Problem(self.name, 0, 0, message, suggestion)
        layer = self.layer(line)
        became = self.became.get((line, column))
        if became is not None:
            became = f"the text became {quoted(became)} here"
            suggestion = became if suggestion is None else f"{suggestion}; {became}"
        return layer.source.problem(line - layer.base, column, message, suggestion)


def read_layer(data: bytes, file: str, shown: str, base: int, what: str) -> Layer:
    """Return a file as a layer. ``shown`` is its name in messages, ``what`` what it is, with its article.

    Raises IntentError with all that is wrong with it as YAML, and where it is no mapping.
    """
    source = decode(data, shown)
    if _is_empty(source.text):
        return Layer(file, source, base, Mapping(base + 1, 1))
    tree, report = parse(source)
    if isinstance(tree, Mapping):
        for key, entry in tree.entries.items():
            if key.startswith(MARKER):
                advice = "it stands inside a field"
                report.add(entry[:2], f"{quoted(key)} cannot stand at the top of a file", advice)
    elif not (tree is None or (isinstance(tree, Scalar) and tree.value is None)):
        report.add((tree.line, tree.column), f"{what} is a mapping, not a list or one value")
    if report:
        raise report.error()
    if not isinstance(tree, Mapping):
        return Layer(file, source, base, Mapping(base + 1, 1))
    return Layer(file, source, base, tree, _move(tree, base))


_NOTHING = re.compile(r"(?:\s|#[^\n]*)*")


def _is_empty(text: str) -> bool:
    return _NOTHING.fullmatch(text) is not None


def _move(root: Tree, lines: int) -> bool:
    """Count the lines of a tree from another one on. Return whether a mapping in it has a marker."""
    marked = False
    seen: set[int] = set()
    waiting: list[Tree | Run] = [root]
    while waiting:
        tree = waiting.pop()
        if id(tree) in seen:
            # An anchor's value stands where each of its aliases does.
            continue
        seen.add(id(tree))
        if isinstance(tree, Run):
            tree.move(lines)
            continue
        tree.line += lines
        if isinstance(tree, Sequence):
            waiting.extend(tree.parts)
        elif isinstance(tree, Mapping):
            for key, entry in tree.entries.items():
                marked = marked or key.startswith(MARKER)
                tree.entries[key] = Entry(entry.line + lines, entry.column, entry.value)
                if entry.value is not None:
                    waiting.append(entry.value)
    return marked


def raise_all(errors: Listed[IntentError]) -> None:
    """Raise one IntentError with the problems of all, where there is any."""
    if errors:
        problems = [problem for error in errors for problem in error.problems]
        raise IntentError(problems, sum(error.more for error in errors))


def report_for(layer: Layer) -> Report:
    """Return a report of problems in one file, whose lines are those of the whole fleet."""
    return Report(FleetSource(layer.source.name, [layer]))
