"""From a node file to a `Node`, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from ruamel.yaml.error import YAMLError

from intent.document import Node, build_node
from intent.problems import IntentError
from intent.reading import decode, read
from intent.runs import Run, fold
from intent.source import Report, Source
from intent.splice import shared
from intent.syntax_errors import syntax_problem
from intent.tree import Mapping, Scalar, Sequence, Tree
from intent.yaml_events import Builder, NoRun, Stop, exact_events, fast_events

EXACT_CHARACTERS = 256 << 10
"""Up to which size a text that the C parser refuses is read again by the one in Python."""


def load(path: str, before: Node | None = None) -> Node:
    """Return the node that a file describes; ``-`` is the standard input. ``before`` is as for `loads`.

    Raises IntentError with every problem of the file. Reads at most 32 MiB, from regular files only.
    """
    return loads(*read(path), before)


def loads(data: bytes | str, name: str, before: Node | None = None) -> Node:
    """Return the node that the text of a file describes. ``name`` stands for the file in messages.

    Texts of long lists that an earlier node has too are kept once for both. Raises IntentError with every problem of
    the text.
    """
    source = decode(data, name)
    tree, report = parse(source, () if before is None else before.source.runs)
    node = build_node(source, _root(tree, report), report)
    if node is None:
        raise report.error()
    return node


def parse(source: Source, before: Iterable[Run] = ()) -> tuple[Tree | None, Report]:
    """Return the values of a text, and what is wrong with them so far. Raises IntentError where YAML breaks off.

    The parser in Python has the last word wherever it is quick enough: the one in C refuses some text that it takes.
    """
    text, runs = fold(source.text)
    for earlier, run in zip(before, runs, strict=False):
        shared(earlier.texts, run.texts)
    exact = len(text) <= EXACT_CHARACTERS
    for events in (fast_events, exact_events) if runs and exact else (fast_events,) if runs else ():
        with suppress(YAMLError, NoRun):
            found = _build(source, events(text), runs)
            source.runs = runs
            return found
        source.forget_hidden()
    try:
        return _build(source, fast_events(source.text))
    except YAMLError as exc:
        if len(source.text) > EXACT_CHARACTERS:
            raise _broken(source, exc) from None
    try:
        return _build(source, exact_events(source.text))
    except YAMLError as exc:
        raise _broken(source, exc) from None


def _build(source: Source, events: Iterator[Any], runs: Iterable[Run] = ()) -> tuple[Tree | None, Report]:
    report = Report(source)
    try:
        return Builder(source, report, runs).build(events), report
    except Stop:
        raise report.error() from None


def _broken(source: Source, error: YAMLError) -> IntentError:
    report = Report(source)
    report.add(*syntax_problem(error, source))
    return report.error()


def _root(tree: Tree | None, report: Report) -> Mapping:
    if isinstance(tree, Mapping):
        if "lab" in tree.entries and "version" not in tree.entries:
            entry = tree.entries["lab"]
            report.add(
                (entry.line, entry.column), "this is a lab's file, not a node file", "`stellwerk lab up` takes it"
            )
            raise report.error()
        return tree
    if tree is None or (isinstance(tree, Scalar) and tree.value is None):
        message = "is empty: a node file without anything would leave nothing of the node"
        report.add((0, 0), message, "the least is `version: 1` and `node: NAME`")
    else:
        found = "a list" if isinstance(tree, Sequence) else "one value"
        message = f"a node file is a mapping, not {found}"
        report.add((tree.line, tree.column), message, "the least is `version: 1` and `node: NAME`")
    raise report.error()
