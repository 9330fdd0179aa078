"""Where the fields of a complete document come from, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from intent.display import printable, width
from intent.fleet.rendered import Explained, Origin, Rendered
from intent.tree import Path

VALUE_CELLS = 44
"""How much of a value is shown."""
_HEADS = ("FIELD", "VALUE", "FROM", "INSTEAD OF", "WRITTEN AS")


def lines(rendered: Rendered) -> Iterator[str]:
    """Yield a table: each field, its value, where that was written and as what, and what it took the place of."""
    rows = [_HEADS, *(_row(one) for one in rendered.explained)]
    widths = [max(_cells(row[column]) for row in rows) for column in range(len(_HEADS) - 1)]
    for row in rows:
        cells = [text + " " * (wide - _cells(text)) for text, wide in zip(row, widths, strict=False)]
        yield "  ".join((*cells, row[-1])).rstrip()


def to_json(explained: Sequence[Rendered]) -> dict[str, Any]:
    """Return the same of some nodes as JSON values; ``value`` is YAML, ``over`` begins with the latest."""
    nodes = [{"node": one.node.name, "fields": [_field(field) for field in one.explained]} for one in explained]
    return {"stellwerk_explained": 1, "nodes": nodes}


def field_name(path: Path) -> str:
    """Return the way to a value as ``mesh.interfaces[0].name``."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(parts).removeprefix(".")


def _row(one: Explained) -> tuple[str, ...]:
    value = printable(" ".join(one.value.split()))
    over = ", ".join(map(str, one.over))
    return printable(field_name(one.path)), _cut(value), printable(str(one.origin)), printable(over), printable(one.by)


def _field(one: Explained) -> dict[str, Any]:
    over = [_place(origin) for origin in one.over]
    return {"path": list(one.path), "value": one.value, **_place(one.origin), "by": one.by, "over": over}


def _place(origin: Origin) -> dict[str, Any]:
    return {"file": origin.file, "line": origin.line, "column": origin.column}


def _cells(text: str) -> int:
    return sum(map(width, text))


def _cut(text: str) -> str:
    if _cells(text) <= VALUE_CELLS:
        return text
    ends = accumulate(map(width, text))
    return "".join(character for character, end in zip(text, ends, strict=True) if end < VALUE_CELLS) + "…"
