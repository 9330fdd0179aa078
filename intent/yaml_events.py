"""YAML text into a tree of values with places, event by event: nothing grows with what anchors expand to.

ruamel.yaml's C parser is used where it is installed, the one in Python otherwise. Both give the same events; what a
scalar means is decided by `intent.scalars`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import ruamel.yaml.main
from ruamel.yaml import YAML
from ruamel.yaml import events as yaml_events
from ruamel.yaml.error import YAMLError

from intent.display import quoted
from intent.runs import Run
from intent.scalars import Value, resolve
from intent.source import Report, Source, may_be_shown, names_a_secret
from intent.tree import Entry, Mapping, Place, Scalar, Sequence, Tree

CParser: Any = getattr(ruamel.yaml.main, "CParser", None)
"""The C parser, ``None`` where it is not installed."""
DEEPEST = 32
"""How deep lists and mappings may be inside one another, anchors expanded."""
MOST_VALUES = 1_000_000
"""How many values a file may have, anchors expanded."""

MOST_KEYS = 10_000
"""How many keys a mapping may have."""

_ANCHOR = re.compile(r"[A-Za-z0-9_-]+")
_ANCHOR_IN_PLACE = re.compile(r"[&*]([A-Za-z0-9_-]+)(?=[ \r\n,\]}]|\Z)")
_NO_VALUE = re.compile(r"(?:[ \r\n]|#[^\r\n]*)*")


class Stop(Exception):
    """Nothing more can be read; what is wrong has been reported."""


class NoRun(Exception):
    """What looks like a run of texts is something else."""


def fast_events(text: str) -> Iterator[Any]:
    """Yield the events of a text by the C parser where it is installed. Raises YAMLError."""
    return _events(CParser(text)) if CParser is not None else exact_events(text)


def exact_events(text: str) -> Iterator[Any]:
    """Yield the events of a text by the parser in Python, whose complaints are the better ones. Raises YAMLError."""
    try:
        yield from _events(YAML(typ="safe", pure=True).get_constructor_parser(text)[1])
    except ValueError as exc:
        raise YAMLError(str(exc)) from exc


def _events(parser: Any) -> Iterator[Any]:
    while parser.check_event():
        yield parser.get_event()


def _place(mark: Any) -> Place:
    return mark.line + 1, mark.column + 1


class _Frame:
    """A list or mapping whose end has not come, with what it expands to so far."""

    __slots__ = ("anchor", "depth", "key", "node", "values_before")

    def __init__(self, node: Sequence | Mapping, anchor: str | None, values_before: int) -> None:
        self.node = node
        self.anchor = anchor
        self.values_before = values_before
        self.depth = 1
        self.key: _Key | None = None


class _Key(NamedTuple):
    """A key that waits for its value; ``name`` is None when the key cannot be used."""

    name: str | None
    line: int
    column: int


class _Anchored(NamedTuple):
    """What an alias stands for, and what it expands to; ``span`` is where it stands unless that is hidden anyway."""

    tree: Tree
    values: int
    depth: int
    span: tuple[Place, Place] | None


class Builder:
    """Builds the tree of one document out of events and reports what is wrong on the way.

    ``runs`` are the texts of which the events tell only the first and the last.
    """

    def __init__(self, source: Source, report: Report, runs: Iterable[Run] = ()) -> None:
        self._source = source
        self._report = report
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._root: Tree | None = None
        self._documents = 0
        self._values = 0
        self._last: Any = None
        # The depth of the mapping in which a key names a secret, while its value is read.
        self._secret_depth: int | None = None
        # By the line of the first text until that is there, then by the line of the last.
        self._runs = {run.line: run for run in runs}

    def build(self, events: Iterator[Any]) -> Tree | None:
        """Return the root of the tree, ``None`` when there is none. Raises Stop, NoRun and YAMLError."""
        for event in events:
            self._take(event)
            self._last = event
        if self._runs:
            raise NoRun
        self._source.parsed = True
        return self._root

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml_events.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml_events.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml_events.MappingStartEvent):
            self._open(Mapping(*_place(event.start_mark)), event)
        elif isinstance(event, yaml_events.SequenceStartEvent):
            self._open(Sequence(*_place(event.start_mark)), event)
        elif isinstance(event, yaml_events.MappingEndEvent | yaml_events.SequenceEndEvent):
            self._close(event)
        elif isinstance(event, yaml_events.DocumentStartEvent):
            self._document(event)

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            self._report.add(_place(event.start_mark), "a second document begins here; one file describes one node")
            raise Stop

    def _scalar(self, event: Any) -> None:
        mark = event.start_mark
        place = (mark.line + 1, mark.column + 1)
        style = event.style
        if place[0] in self._runs:
            self._run(event, place)
            return
        if style or event.tag is not None or event.anchor is not None:
            self._refuse_properties(event, place)
        value: Value = event.value if style else resolve(event.value)
        if self._secret_depth is not None:
            self._hide(event, value)
        if self._awaits_key():
            self._take_key(event, value, place)
            return
        if value is None:
            place = self._missing_place(event, place)
        scalar = Scalar(*place, value)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(scalar, 1, 0, self._span(place, event))
        self._count(1, place)
        self._add(scalar, 0)

    def _run(self, event: Any, place: Place) -> None:
        """Take the first or the last text of a run. Raises NoRun where this is anything but an item of a block list."""
        run = self._runs.pop(place[0])
        first = place[0] == run.line
        node = self._stack[-1].node if self._stack else None
        usual = event.tag is None and event.anchor is None and self._secret_depth is None
        if not usual or not isinstance(node, Sequence) or node.column + 2 != run.column or place[1] != run.column:
            raise NoRun
        if (event.style or "", event.value) != (run.style, run.texts[0 if first else -1]):
            raise NoRun
        if not first:
            if not node.parts or node.parts[-1] is not run:
                raise NoRun
            return
        if self._values + len(run.texts) > MOST_VALUES:
            # The place where it is too much is inside.
            raise NoRun
        self._runs[run.last_line] = run
        self._values += len(run.texts)
        frame = self._stack[-1]
        frame.depth = max(frame.depth, 1)
        node.parts.append(run)

    def _span(self, start: Place, event: Any) -> tuple[Place, Place] | None:
        return None if self._secret_depth is not None else (start, _place(event.end_mark))

    def _refuse_properties(self, event: Any, place: Place) -> None:
        if getattr(event, "style", None) in ("|", ">"):
            self._report.add(place, "blocks of text (`|` and `>`) are not used here", "write text on one line")
        if event.tag is not None:
            self._report.add(place, f"tags such as {quoted(str(event.tag))} are not used here", "leave it out")
        self._check_anchor(event, place)

    def _check_anchor(self, event: Any, place: Place) -> None:
        """Refuse a name that the two parsers would end at different characters."""
        if event.anchor is None:
            return
        offset = self._source.offset(*place)
        if isinstance(event, yaml_events.AliasEvent) or self._source.text[offset : offset + 1] == "&":
            match = _ANCHOR_IN_PLACE.match(self._source.text, offset)
            if match is not None and match[1] == event.anchor:
                return
        elif _ANCHOR.fullmatch(event.anchor):
            # It stands behind a tag, which is refused.
            return
        self._report.add(place, "the name of an anchor is made of letters, digits, `-` and `_`, with a space after it")
        raise Stop

    def _hide(self, event: Any, value: Value) -> None:
        if not isinstance(value, bool | None) and not may_be_shown(str(value)):
            self._source.hide(_place(event.start_mark), _place(event.end_mark))

    def _awaits_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].node, Mapping) and self._stack[-1].key is None

    def _take_key(self, event: Any, value: Value, place: Place) -> None:
        frame = self._stack[-1]
        assert isinstance(frame.node, Mapping)  # noqa: S101 - _awaits_key looked
        name: str | None = None
        if value == "<<" and not event.style:
            frame.node.incomplete = True
            self._report.add(
                place, "merge keys (`<<`) are not used here", "write the fields out, or render the file from a template"
            )
        elif value is None and not event.value:
            frame.node.incomplete = True
            self._report.add(self._missing_place(event, place), "a key is missing before this `:`")
        elif not isinstance(value, str):
            self._report.add(place, f"a key must be a word, not {quoted(event.value)}", "put it in quotes")
        elif value in frame.node.entries:
            first = frame.node.entries[value].line
            shown = quoted(value) if self._secret_depth is None or may_be_shown(value) else "this key"
            self._report.add(place, f"{shown} is written twice; the first one is in line {first}")
        else:
            name = value
        if len(frame.node.entries) >= MOST_KEYS:
            self._report.add(place, f"with this the mapping has more than {MOST_KEYS} keys; no node needs as many")
            raise Stop
        frame.key = _Key(name, *place)
        if self._secret_depth is None and isinstance(value, str) and names_a_secret(value):
            self._secret_depth = len(self._stack)

    def _missing_place(self, event: Any, place: Place) -> Place:
        """Return where a value or key should be; the two parsers put an empty scalar at different ends of a gap."""
        if event.value or event.style not in (None, ""):
            return place
        # A list or mapping without brackets starts where its first item does.
        opens = isinstance(self._last, yaml_events.CollectionStartEvent)
        offset = self._source.offset(*_place(self._last.start_mark if opens else self._last.end_mark))
        match = _NO_VALUE.match(self._source.text, offset)
        return self._source.place(match.end() if match else offset)

    def _alias(self, event: Any) -> None:
        place = _place(event.start_mark)
        if self._awaits_key():
            self._refuse_key(place, "an alias", "write the word")
            return
        self._count(1, place)
        self._check_anchor(event, place)
        if event.anchor not in self._anchors:
            self._report.add(place, f"no anchor {quoted('&' + event.anchor)} comes before this alias")
            self._add(None, 0)
            return
        anchored = self._anchors[event.anchor]
        if anchored is None:
            self._report.add(place, "this alias is inside what it stands for, so that it would never end")
            self._add(None, 0)
            return
        if len(self._stack) + anchored.depth > DEEPEST:
            self._too_deep(place)
        if (self._secret_depth is None) != (anchored.span is not None):
            # What is shown in one place would give away what is hidden in the other.
            if anchored.span is not None:
                self._source.hide(*anchored.span)
            self._report.add(place, "an alias cannot stand for a key here and for something else elsewhere")
            self._add(None, 0)
            return
        self._count(anchored.values, place)
        self._add(anchored.tree, anchored.depth)

    def _refuse_key(self, place: Place, what: str, advice: str | None = None) -> None:
        frame = self._stack[-1]
        self._report.add(place, f"a key must be a word, not {what}", advice)
        if isinstance(frame.node, Mapping):
            frame.node.incomplete = True
        frame.key = _Key(None, *place)

    def _open(self, node: Sequence | Mapping, event: Any) -> None:
        place = (node.line, node.column)
        self._refuse_properties(event, place)
        if len(self._stack) >= DEEPEST:
            self._too_deep(place)
        self._count(1, place)
        if self._awaits_key():
            template = "{{" in self._source.line(place[0])[max(0, place[1] - 2) : place[1] + 1]
            advice = "put what a template leaves as `{{ … }}` in quotes" if template else None
            self._refuse_key(place, "a mapping" if isinstance(node, Mapping) else "a list", advice)
            self._stack.append(_Frame(node, _COMPLEX_KEY, self._values))
            return
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Frame(node, event.anchor, self._values))

    def _too_deep(self, place: Place) -> None:
        self._report.add(place, f"lists and mappings are more than {DEEPEST} deep here; a node file never needs that")
        raise Stop

    def _close(self, event: Any) -> None:
        frame = self._stack.pop()
        if frame.anchor == _COMPLEX_KEY:
            return
        if frame.anchor:
            values = self._values - frame.values_before
            span = self._span((frame.node.line, frame.node.column), event)
            self._anchors[frame.anchor] = _Anchored(frame.node, values, frame.depth, span)
        self._add(frame.node, frame.depth)

    def _count(self, values: int, place: Place) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            self._report.add(
                place, f"with this the file has more than {MOST_VALUES} values, aliases expanded; no node needs as many"
            )
            raise Stop

    def _add(self, tree: Tree | None, depth: int) -> None:
        """Put a finished value into what it is part of; ``None`` for one that cannot be used."""
        if not self._stack:
            self._root = tree
            return
        frame = self._stack[-1]
        frame.depth = max(frame.depth, depth + 1)
        if isinstance(tree, Scalar) and tree.value is None:
            self._no_value(frame, tree)
            tree = None
        if isinstance(frame.node, Sequence):
            if tree is not None:
                frame.node.parts.append(tree)
            return
        key, frame.key = frame.key, None
        if key is not None and key.name is not None:
            frame.node.entries[key.name] = Entry(key.line, key.column, tree)
        if self._secret_depth == len(self._stack):
            self._secret_depth = None

    def _no_value(self, frame: _Frame, tree: Scalar) -> None:
        if frame.key is None:
            self._report.add(
                (tree.line, tree.column), "this item of the list is empty", "leave it out, or write a value"
            )
        elif frame.key.name is not None:
            self._report.add(
                (frame.key.line, frame.key.column),
                f"{quoted(frame.key.name)} has no value",
                "write one, or leave the field out",
            )


_COMPLEX_KEY = "\0"
