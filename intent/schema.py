"""The JSON Schema of the node file, with which editors complete and explain every field.

``python -m intent.schema`` writes it to ``schemas/node.schema.json``, and those of a fleet's files beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
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
        for name, definition in schema.pop("$defs", {}).items():
            if definitions.setdefault(name, definition) != definition:
                raise TypeError(f"two different models are called {name}")
        properties[feature.name] = {**schema, "description": feature.description}
    schema = {
        "description": "What one node of a mesh network is to be.",
        "type": "object",
        "properties": properties,
        "required": head["required"],
        "dependentRequired": {feature.name: list(feature.needs) for feature in features().values() if feature.needs},
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }
    return {"$schema": IDENTIFIER, "title": "Stellwerk node", **without_titles(schema)}


def without_titles(schema: Any) -> Any:
    """Return a schema without titles, which only repeat the names of fields and classes."""
    if isinstance(schema, list):
        return [without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    # Under `properties` and `$defs` a key is a name of ours, which may well be "title".
    return {
        key: {name: without_titles(part) for name, part in value.items()}
        if key in ("properties", "$defs")
        else without_titles(value)
        for key, value in schema.items()
        if key != "title"
    }


def model_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of one model."""
    return model.model_json_schema(schema_generator=_Generator)


def schemas() -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what makes the schema of each kind of file, by the name of the kind."""
    from intent.fleet.schema import fleet_schema, overlay_schema

    return {"node": node_schema, "fleet": fleet_schema, "overlay": overlay_schema}


def file_of(kind: str) -> Path:
    """Return the checked-in file of a kind's schema."""
    return FILE.with_name(f"{kind}.schema.json")


def text(kind: str = "node") -> str:
    """Return a schema as the checked-in file holds it."""
    return json.dumps(schemas()[kind](), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    for kind in schemas():
        file_of(kind).write_text(text(kind), encoding="utf-8")
