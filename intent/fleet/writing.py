"""A complete document as YAML: one field a line, in the order of the models, so that a change is a change of lines."""

from __future__ import annotations

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
    lines = [f"# {comment}"]
    _mapping(root, (), "", lines)
    return "\n".join((*lines, ""))


def _mapping(tree: Mapping, path: Path, indent: str, lines: list[str]) -> None:
    for name, value in ordered(tree, path):
        start = f"{indent}{spelled(name)}:"
        if isinstance(value, Scalar):
            lines.append(f"{start} {spelled(value.value)}")
        elif isinstance(value, Mapping):
            if _has_fields(value):
                lines.append(start)
                _mapping(value, (*path, name), indent + _INDENT, lines)
            else:
                lines.append(start + " {}")
        elif value.parts:
            lines.append(start)
            _items(value, (*path, name, 0), indent + _INDENT, lines)
        else:
            lines.append(start + " []")


def _items(tree: Sequence, path: Path, indent: str, lines: list[str]) -> None:
    for item in tree.parts:
        if isinstance(item, Scalar):
            lines.append(f"{indent}- {spelled(item.value)}")
            continue
        if isinstance(item, Run):
            lines.extend(f"{indent}- {spelled(text)}" for text in item.texts)
            continue
        first, inside = len(lines), indent + _INDENT
        if isinstance(item, Mapping):
            _mapping(item, path, inside, lines)
        else:
            _items(item, (*path, 0), inside, lines)
        if len(lines) == first:
            lines.append(f"{indent}- {'{}' if isinstance(item, Mapping) else '[]'}")
        else:
            # The first line of an item stands behind its dash.
            lines[first] = f"{indent}- {lines[first][len(inside) :]}"


def _has_fields(tree: Mapping) -> bool:
    return any(entry.value is not None for entry in tree.entries.values())
