"""Frozen dataclasses as JSON and back, exactly: whatever does not fit a field is an error, never another value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Value = TypeVar("Value")


def encode(value: Any) -> Any:
    """Return a dataclass of texts, numbers, tuples and further dataclasses as JSON."""
    if is_dataclass(value):
        return {
            field.name: encode(part)
            for field in fields(value)
            # An older version reads a file in which nothing new is said.
            if (part := getattr(value, field.name)) is not None or field.default is not None
        }
    return [encode(part) for part in value] if isinstance(value, tuple) else value


def decode(kind: type[Value], document: Mapping[str, Any]) -> Value:
    """Return the dataclass that was encoded. A field that is not there has its default, if it has one.

    Raises ValueError, TypeError or OverflowError where the document is of another shape.
    """
    if not isinstance(document, Mapping):
        raise TypeError(f"{type(document).__name__} stands where {kind.__name__} belongs")
    hints = get_type_hints(kind)
    if unknown := sorted(document.keys() - hints.keys()):
        raise ValueError(f"{kind.__name__} has no {unknown[0]!r}")
    optional = {field.name for field in fields(kind) if field.default is not MISSING}  # type: ignore[arg-type]
    if missing := sorted(hints.keys() - document.keys() - optional):
        raise ValueError(f"{kind.__name__} lacks {missing[0]!r}")
    return kind(**{name: _decode(hints[name], value) for name, value in document.items()})


def _decode(hint: Any, value: Any) -> Any:
    if get_origin(hint) is UnionType:
        (kind,) = (one for one in get_args(hint) if one is not NoneType)
        return None if value is None else _decode(kind, value)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{type(value).__name__} stands where a list belongs")
        return tuple(_decode(get_args(hint)[0], part) for part in value)
    if is_dataclass(hint):
        return decode(hint, value)  # type: ignore[arg-type]
    if hint is float and type(value) in (int, float):
        number = float(value)
        if math.isnan(number):
            raise ValueError("a number is none")
        return number
    if type(value) is not hint:
        raise TypeError(f"{type(value).__name__} stands where {hint.__name__} belongs")
    return value
