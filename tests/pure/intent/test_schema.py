"""The JSON Schema: current, complete, and of one mind with the loader."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from intent import schema
from intent.loading import load
from tests.pure.intent.test_cases import FOLDERS

EXAMPLES = sorted(Path(__file__).parents[3].glob("examples/*.yaml"))
VALIDATOR = Draft202012Validator(schema.node_schema())


def read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text())


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema.node_schema())


def test_the_checked_in_file_is_current() -> None:
    assert schema.FILE.read_text() == schema.text(), "run `python -m intent.schema`"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_right_for_the_loader_and_for_the_schema(path: Path) -> None:
    assert load(str(path)).name
    assert list(map(str, VALIDATOR.iter_errors(read(path)))) == []
    first, *_ = path.read_text().splitlines()
    assert first == "# yaml-language-server: $schema=../schemas/node.schema.json"


def test_there_are_examples() -> None:
    assert {path.stem for path in EXAMPLES} >= {"mesh-only", "uplink-links", "exit-uplink", "exit-gre"}


def places(part: Any, path: str = "") -> list[tuple[str, Any]]:
    """Return every field in a schema with the way to it."""
    found: list[tuple[str, Any]] = []
    if isinstance(part, dict):
        for name, field in part.get("properties", {}).items():
            found.append((f"{path}.{name}", field))
        for key, inner in part.items():
            found += places(inner, f"{path}/{key}")
    return found


def test_every_field_explains_itself() -> None:
    fields = places(schema.node_schema())
    assert len(fields) > 60
    assert [path for path, field in fields if not field.get("description")] == []


def test_no_field_may_be_null() -> None:
    assert '"null"' not in schema.text()
    assert "null" not in schema.text().replace('"null"', "")


SHAPES = ["addresses/fields", "document/missing", "document/misspelt", "document/other-version", "exit/fields"]
SHAPES += ["gre/fields", "links/fields", "mesh/ranges", "mesh/babeld", "mesh/interface-names", "wireguard/fields"]
SHAPES += ["document/needs-mesh", "yaml/yes-is-text", "document/node-names", "links/as-a-list"]
SHAPES += ["confirm/times", "guards/shares", "routes/fields", "checks/fields", "checks/together"]


@pytest.mark.parametrize("name", SHAPES)
def test_what_the_loader_refuses_for_its_shape_an_editor_marks_too(name: str) -> None:
    (folder,) = (folder for folder in FOLDERS if f"{folder.parent.name}/{folder.name}" == name)
    assert not VALIDATOR.is_valid(read(folder / "intent.yaml"))
