"""From a node file to a `Node`, or to everything that is wrong with it."""

from __future__ import annotations

from ruamel.yaml.error import YAMLError

from intent.document import Node, build_node
from intent.problems import IntentError
from intent.reading import decode, read
from intent.source import Report, Source
from intent.syntax_errors import syntax_problem
from intent.tree import Mapping, Scalar, Sequence, Tree
from intent.yaml_events import Builder, Stop, exact_events, fast_events

EXPLAINED_CHARACTERS = 256 << 10
"""Up to which size a text is read again, slowly, to say better where its YAML breaks."""


def load(path: str) -> Node:
    """Return the node that a file describes; ``-`` is the standard input.

    Raises IntentError with every problem of the file. Reads at most 32 MiB, from regular files only.
    """
    return loads(*read(path))


def loads(data: bytes, name: str) -> Node:
    """Return the node that the text of a file describes. ``name`` stands for the file in messages.

    Raises IntentError with every problem of the text.
    """
    source = decode(data, name)
    tree, report = parse(source)
    node = build_node(source, _root(tree, report), report)
    if node is None:
        raise report.error()
    return node


def parse(source: Source) -> tuple[Tree | None, Report]:
    """Return the values of a text, and what is wrong with them so far. Raises IntentError where YAML breaks off."""
    report = Report(source)
    try:
        return Builder(source, report).build(fast_events(source.text)), report
    except Stop:
        raise report.error() from None
    except YAMLError as exc:
        raise _explained(source, report, exc) from None


def _explained(source: Source, report: Report, error: YAMLError) -> IntentError:
    """Return the error for YAML that breaks off: the Python parser's complaint, if it has one, else that given."""
    if len(source.text) <= EXPLAINED_CHARACTERS:
        second = Report(source)
        try:
            Builder(source, second).build(exact_events(source.text))
        except Stop:
            return second.error()
        except YAMLError as exc:
            report, error = second, exc
        else:
            if second:
                return second.error()
    report.add(*syntax_problem(error))
    return report.error()


def _root(tree: Tree | None, report: Report) -> Mapping:
    if isinstance(tree, Mapping):
        return tree
    if tree is None or (isinstance(tree, Scalar) and tree.value is None):
        message = "is empty: a node file without anything would leave nothing of the node"
        report.add((0, 0), message, "the least is `version: 1` and `node: NAME`")
    else:
        found = "a list" if isinstance(tree, Sequence) else "one value"
        message = f"a node file is a mapping, not {found}"
        report.add((tree.line, tree.column), message, "the least is `version: 1` and `node: NAME`")
    raise report.error()
