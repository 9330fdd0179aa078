"""The reference of the node file, made from the models' descriptions through the JSON Schema.

``python -m docs.node_file`` writes it to ``docs/node-file.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from intent.schema import node_schema
from intent.yaml_spelling import as_yaml

FILE = Path(__file__).parent / "node-file.md"
Schema = dict[str, Any]

_HEAD = """\
# The node file

<!-- Made by `python -m docs.node_file` from the descriptions in `intent/`. Change it there. -->

A node file is YAML 1.2: a mapping with the keys below, of which only `version` and `node` must be there. It is UTF-8,
at most 32 MiB. A key that is not known here is an error; so is one that stands twice. `yes`, `no`, `on` and `off` are
text: write `true` and `false`. Quote addresses with colons inside `[ ]` and `{ }`.

Whole files to begin with are in [examples](../examples). Editors that know yaml-language-server complete and explain
every field, with this as the first line of the file:
`# yaml-language-server: $schema=node.schema.json` and the output of `stellwerk schema` in that file.
"""


def text() -> str:
    """Return the reference as the checked-in file holds it."""
    schema = node_schema()
    parts = [_HEAD, _table(schema, "", schema), *_needs(schema)]
    for name, value in schema["properties"].items():
        if _inner(value, schema) is not None:
            parts += [f"## `{name}`\n", f"{value['description']}\n", *_sections(value, name, schema)]
    return "\n".join(parts)


def slug(heading: str) -> str:
    """Return the anchor that a heading gets where Markdown is shown on the web."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _needs(schema: Schema) -> Iterator[str]:
    for name, needs in schema.get("dependentRequired", {}).items():
        yield f"`{name}` needs {_join(needs, 'and')}.\n"


def _sections(value: Schema, path: str, whole: Schema) -> Iterator[str]:
    """Yield the table of the mapping at a path, or of a list's entries, and then those of the mappings inside it."""
    model = _inner(value, whole)
    if model is None:
        return
    if _is_list(value, whole):
        yield f"A list. Each entry of `{path}`:\n"
    yield _table(model, path, whole)
    for name, field in model.get("properties", {}).items():
        if _inner(field, whole) is not None:
            inner = f"{path}.{name}"
            yield f"### `{inner}`\n"
            yield from _sections(field, inner, whole)


def _table(model: Schema, path: str, whole: Schema) -> str:
    required = model.get("required", [])
    rows = ["| field | value | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model["properties"].items():
        default = "**required**" if name in required else _default(field)
        cells = (f"`{name}`", _value(field, f"{path}.{name}" if path else name, whole), default, _meaning(field, whole))
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def _meaning(field: Schema, whole: Schema) -> str:
    words: str = field.get("description") or _resolved(field, whole).get("description", "")
    # What can be one thing only needs no example.
    examples = [] if "const" in field else field.get("examples", [])
    return words + (f" For example {_join(examples, 'or')}." if examples else "")


def _default(field: Schema) -> str:
    default = field.get("default")
    return "" if default is None or default in ([], {}) else f"`{as_yaml(default)}`"


def _value(field: Schema, path: str, whole: Schema) -> str:
    """Return in a few words what may stand there."""
    field = _resolved(field, whole)
    if "anyOf" in field:
        return " or ".join(_value(one, path, whole) for one in field["anyOf"])
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return _join(field["enum"], "or")
    kind = field.get("type")
    if kind == "object":
        return f"[a mapping](#{slug(path)})"
    if kind == "array":
        items = _resolved(field["items"], whole)
        inner = f"[mappings](#{slug(path)})" if items.get("type") == "object" else "texts"
        return f"a list of {inner}"
    if kind in ("integer", "number"):
        low, high = (f"{field[end]:.15g}" for end in ("minimum", "maximum"))
        return f"{'a whole number' if kind == 'integer' else 'a number'}, {low}–{high}"
    return {"boolean": "`true` or `false`", "string": "text"}[str(kind)]


def _inner(field: Schema, whole: Schema) -> Schema | None:
    """Return the mapping that a field holds, itself, as entries of a list or instead of a text; None for none."""
    field = _resolved(field, whole)
    if "anyOf" in field:
        return next(filter(None, (_inner(one, whole) for one in field["anyOf"])), None)
    if field.get("type") == "array":
        field = _resolved(field["items"], whole)
    return field if field.get("type") == "object" else None


def _is_list(field: Schema, whole: Schema) -> bool:
    return _resolved(field, whole).get("type") == "array"


def _resolved(field: Schema, whole: Schema) -> Schema:
    reference = field.get("$ref")
    if reference is None:
        return field
    definition: Schema = whole["$defs"][str(reference).rpartition("/")[2]]
    return definition


def _join(values: list[Any], last: str) -> str:
    shown = [f"`{as_yaml(value)}`" for value in values]
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}" if len(shown) > 1 else shown[0]


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
