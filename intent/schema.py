"""The JSON Schema of the node file, with which editors complete and explain every field.

``python -m intent.schema`` writes it to ``schemas/node.schema.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from intent.document import Head
from intent.features import features

IDENTIFIER = "https://json-schema.org/draft/2020-12/schema"
FILE = Path(__file__).parent.parent / "schemas" / "node.schema.json"


class _Generator(GenerateJsonSchema):
    """A field that may be left out is not one that may be null; what is not set has no default."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if described.get("default", 0) is None:
            del described["default"]
        return described


def node_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a node file, made from the models."""
    head = Head.model_json_schema(schema_generator=_Generator)
    properties = dict(head["properties"])
    definitions: dict[str, Any] = {}
    for feature in features().values():
        schema = feature.model.model_json_schema(schema_generator=_Generator)
        definitions |= schema.pop("$defs", {})
        properties[feature.name] = {**schema, "title": feature.name, "description": feature.description}
    _drop_titles(definitions)
    return {
        "$schema": IDENTIFIER,
        "title": "Stellwerk node",
        "description": "What one node of a mesh network is to be.",
        "type": "object",
        "properties": properties,
        "required": head["required"],
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }


def _drop_titles(schema: Any) -> None:
    """Remove the titles that only repeat a field's name."""
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str) and "description" in schema:
            del schema["title"]
        for value in schema.values():
            _drop_titles(value)


def text() -> str:
    """Return the schema as the checked-in file holds it."""
    return json.dumps(node_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")
