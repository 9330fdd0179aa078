"""A complete document as YAML: one field a line, in the order of the models, so that a change is a change of lines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from pydantic import BaseModel

from intent.document import Head
from intent.features import features
from intent.runs import Run
from intent.scalars import Value
from intent.tree import Mapping, Path, Scalar, Sequence, Tree
from intent.validation import fields_of, model_at
from intent.yaml_spelling import as_yaml

_INDENT = "  "


@lru_cache(maxsize=1 << 14, typed=True)
def spelled(value: Value) -> str:
    """Return a text, number or truth value as YAML has it on a line of its own."""
    return as_yaml(value)


@lru_cache(maxsize=4096)
def _order(path: Path) -> tuple[str, ...]:
    """Return the names of the fields of the mapping at a path, in which the items of lists are 0, as its model does."""
    if not path:
        return (*Head.model_fields, *features())
    feature = features().get(str(path[0]))
    model: type[BaseModel] | None = None if feature is None else model_at(feature.model, path[1:])
    if feature is not None and len(path) == 1:
        model = feature.model
    if model is None:
        return ()
    # What an item is told by goes first, also where the model takes fields from another one.
    key = getattr(model, "merge_key", None)
    return tuple(sorted(fields_of(model), key=lambda name: name != key))


def ordered(tree: Mapping, path: Path) -> list[tuple[str, Tree]]:
    """Return the fields of a mapping in the order in which they are written; those that no model has come last."""
    known = _order(path)
    fields = dict(tree.usable())
    first = [(name, fields.pop(name)) for name in known if name in fields]
    return first + sorted(fields.items())


def written(root: Mapping, comment: str) -> str:
    """Return a whole document with a comment in its first line."""
    return "\n".join((f"# {comment}", *_mapping(root, (), ""), ""))


def _mapping(tree: Mapping, path: Path, indent: str) -> Iterator[str]:
    for name, value in ordered(tree, path):
        yield from _field(f"{indent}{spelled(name)}:", value, (*path, name), indent)


def _field(start: str, value: Tree, path: Path, indent: str) -> Iterator[str]:
    if isinstance(value, Scalar):
        yield f"{start} {spelled(value.value)}"
    elif isinstance(value, Mapping):
        if any(True for _ in value.usable()):
            yield start
            yield from _mapping(value, path, indent + _INDENT)
        else:
            yield start + " {}"
    elif value.parts:
        yield start
        yield from _items(value, (*path, 0), indent + _INDENT)
    else:
        yield start + " []"


def _items(tree: Sequence, path: Path, indent: str) -> Iterator[str]:
    for item in tree.parts:
        if isinstance(item, Scalar):
            yield f"{indent}- {spelled(item.value)}"
            continue
        if isinstance(item, Run):
            yield from (f"{indent}- {spelled(text)}" for text in item.texts)
            continue
        inside = indent + _INDENT
        lines: Iterator[str] = iter(())
        if isinstance(item, Mapping):
            lines = _mapping(item, path, inside)
        elif item.parts:
            lines = _items(item, (*path, 0), inside)
        first = next(lines, None)
        if first is None:
            yield f"{indent}- {'{}' if isinstance(item, Mapping) else '[]'}"
        else:
            # The first line of an item stands behind its dash.
            yield f"{indent}- {first[len(inside) :]}"
            yield from lines
