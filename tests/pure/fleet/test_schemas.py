"""The JSON Schemas of a fleet's files: checked in, and right for what the loader takes."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from intent import schema
from intent.fleet.repository import read_fleet_from

FLEET = """\
version: 1
fleet: example
variables: {number: {type: integer, default: 7}}
defaults:
  mesh: {table: "${number}", uplinks: [wan], interfaces: [{name: mesh0, type: wired}]}
links: []
segments: [{interface: mesh0, nodes: [a]}]
"""
NODE = """\
groups: [g]
variables: {number: 9}
public: {host: "2001:db8::7"}
mesh:
  uplinks: {$add: [wan2]}
  interfaces: [{name: mesh0, $remove: true}, {name: mesh1}]
guards: {$remove: true}
addresses: [{interface: lo, addresses: ["${address('fd00::/48', number)}/128"]}]
"""


@pytest.mark.parametrize("kind", schema.schemas())
def test_the_checked_in_file_is_current(kind: str) -> None:
    assert schema.file_of(kind).read_text() == schema.text(kind), "run `python -m intent.schema`"
    Draft202012Validator.check_schema(schema.schemas()[kind]())


def wrong(kind: str, text: str) -> list[str]:
    """Return what the schema says is wrong with a file."""
    validator = Draft202012Validator(schema.schemas()[kind]())
    return [error.message for error in validator.iter_errors(YAML(typ="safe").load(text))]


def test_what_the_loader_takes_is_right() -> None:
    files = {"fleet.yaml": FLEET.encode(), "groups/g.yaml": b"guards: {}", "nodes/a.yaml": NODE.encode()}
    assert read_fleet_from(files, "").render("a").text
    assert wrong("fleet", FLEET) == wrong("overlay", NODE) == wrong("overlay", "guards: {}") == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("fleet", "version: 1"),
        ("fleet", FLEET + "nodes: []"),
        ("fleet", FLEET.replace("integer", "number")),
        ("overlay", "node: a"),
        ("overlay", "mesh: {tabel: 7}"),
        ("overlay", "mesh: {table: {$take: true}}"),
        ("overlay", "mesh: {table: seven}"),
    ],
)
def test_what_is_wrong_is_seen(kind: str, text: str) -> None:
    assert wrong(kind, text)
