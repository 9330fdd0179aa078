"""The JSON Schemas of a fleet's files, with which editors complete and explain every field."""

from __future__ import annotations

from typing import Any

from intent.fleet.merging import ADD, REMOVE, REPLACE
from intent.fleet.public import PublicFields
from intent.fleet.settings import FleetHead, LinkLine, SegmentLine, VariableDeclaration
from intent.schema import IDENTIFIER, model_schema, node_schema, without_titles

_LEFT_OUT = ("required", "dependentRequired", "minItems", "minProperties")
_EXPRESSION = "Expression"
_MARKER = "Marker"
_NAMES = {"type": "array", "items": {"type": "string"}}
_DEFINITIONS: dict[str, Any] = {
    _EXPRESSION: {"type": "string", "pattern": r"\$\{", "description": "Text with variables or functions in it."},
    _MARKER: {
        "description": "How this is merged with what is written before.",
        "type": "object",
        "properties": {
            REMOVE: {"const": True, "description": "Take away what is written before."},
            REPLACE: {"type": "array", "description": "This list alone, instead of what is written before."},
            ADD: {"type": "array", "description": "These items behind those written before."},
        },
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    },
}


def _value(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that may also be an expression or a marker."""
    also = [{"$ref": f"#/$defs/{name}"} for name in (_EXPRESSION, _MARKER)]
    described: dict[str, Any] = {key: schema[key] for key in ("description", "examples", "default") if key in schema}
    return {**described, "anyOf": [_relaxed({key: one for key, one in schema.items() if key not in described}), *also]}


def _relaxed(schema: Any) -> Any:
    """Return a schema of which every part may be left out, since another file can have it."""
    if isinstance(schema, list):
        return [_relaxed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    relaxed: dict[str, Any] = {}
    for key, part in schema.items():
        if key == "properties":
            relaxed[key] = {name: _value(one) for name, one in part.items()}
            relaxed[key] |= {marker: {"const": True} for marker in (REMOVE, REPLACE)}
        elif key == "items":
            relaxed[key] = _value(part)
        elif key in ("anyOf", "oneOf", "allOf"):
            relaxed[key] = _relaxed(part)
        elif key not in _LEFT_OUT:
            relaxed[key] = part
    return relaxed


def _definitions(node: dict[str, Any]) -> dict[str, Any]:
    return {**{name: _relaxed(one) for name, one in node["$defs"].items()}, **_DEFINITIONS}


def _fields(node: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(one) for name, one in node["properties"].items() if name not in ("version", "node")}


def overlay_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a group, a role or a node's own file."""
    node = node_schema()
    public = model_schema(PublicFields)
    properties = {
        "variables": {"type": "object", "description": "Values of variables that fleet.yaml declares."},
        "groups": {**_NAMES, "description": "In a node's own file: its groups, the later ones win."},
        "roles": {**_NAMES, "description": "In a node's own file: its roles, which win over groups."},
        "public": {**public, "description": "In a node's own file: what other nodes have to know of it."},
        **_fields(node),
    }
    definitions = {**_definitions(node), **properties["public"].pop("$defs", {})}
    return {
        "$schema": IDENTIFIER,
        "title": "Stellwerk group, role or node of a fleet",
        **without_titles({"type": "object", "properties": properties, "additionalProperties": False}),
        "$defs": without_titles({"$defs": definitions})["$defs"],
    }


def fleet_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of ``fleet.yaml``."""
    node = node_schema()
    head, link = model_schema(FleetHead), model_schema(LinkLine)
    link["additionalProperties"] = True
    properties = {
        **head["properties"],
        "variables": {
            "type": "object",
            "description": "Variables, each declared once.",
            "additionalProperties": model_schema(VariableDeclaration),
        },
        "defaults": {
            "type": "object",
            "description": "Fields of a node file that every node has.",
            "properties": _fields(node),
            "additionalProperties": False,
        },
        "links": {"type": "array", "description": "Links whose both sides are made of one line.", "items": link},
        "segments": {
            "type": "array",
            "description": "Which nodes hear each other over a cable or by radio.",
            "items": model_schema(SegmentLine),
        },
        "known_keys": {
            "type": "object",
            "description": "Public keys of peers that are no node of the fleet.",
            "additionalProperties": {"type": "string"},
        },
    }
    whole = {
        "type": "object",
        "properties": properties,
        "required": head["required"],
        "additionalProperties": False,
        "$defs": _definitions(node),
    }
    return {"$schema": IDENTIFIER, "title": "Stellwerk fleet", **without_titles(whole)}
