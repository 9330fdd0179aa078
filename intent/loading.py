"""From a node file to a `Node`, or to everything that is wrong with it."""

from __future__ import annotations

from ruamel.yaml.error import YAMLError

from intent.document import Node, build_node
from intent.reading import decode, read
from intent.source import Report
from intent.syntax_errors import syntax_problem
from intent.tree import Mapping, Scalar, Tree
from intent.yaml_events import Builder, Stop


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
    report = Report(source)
    builder = Builder(source, report)
    tree: Tree | None = None
    try:
        tree = builder.build()
    except Stop:
        raise report.error() from None
    except YAMLError as exc:
        report.add(*syntax_problem(exc, source))
        raise report.error() from None
    node = build_node(source, _root(tree, report), report)
    if node is None:
        raise report.error()
    return node


def _root(tree: Tree | None, report: Report) -> Mapping:
    if isinstance(tree, Mapping):
        return tree
    if tree is None or (isinstance(tree, Scalar) and tree.value is None):
        message = "is empty: a node file without anything would leave nothing of the node"
        report.add((0, 0), message, "the least is `version: 1` and `node: NAME`")
    else:
        report.add((tree.line, tree.column), "a node file is a mapping", "the least is `version: 1` and `node: NAME`")
    raise report.error()
