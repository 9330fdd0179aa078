"""What a message says to write can be written so: YAML reads it as what was meant."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from intent.schema import node_schema
from intent.yaml_spelling import as_yaml


def read(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize(
    ("value", "alone", "inside"),
    [
        ("wan", "wan", "wan"),
        ("[::1]:9742", '"[::1]:9742"', '"[::1]:9742"'),
        ("127.0.0.1:9742", "127.0.0.1:9742", '"127.0.0.1:9742"'),
        ("2001:db8::/32", "2001:db8::/32", '"2001:db8::/32"'),
        ("::1", '"::1"', '"::1"'),
        ("fd00::", '"fd00::"', '"fd00::"'),
        ("true", '"true"', '"true"'),
        ("001122334455", '"001122334455"', '"001122334455"'),
        ("a, b", "a, b", '"a, b"'),
        ("a #b", '"a #b"', '"a #b"'),
        ("- a", '"- a"', '"- a"'),
        ("", '""', '""'),
        (True, "true", "true"),
        (52.5, "52.5", "52.5"),
        (["kiel:mesh0", "wan"], '["kiel:mesh0", wan]', '["kiel:mesh0", wan]'),
        ([{"ping": "::1", "interface": "wan"}], '[{ping: "::1", interface: wan}]', '[{ping: "::1", interface: wan}]'),
    ],
)
def test_it_is_quoted_where_it_must_be(value: object, alone: str, inside: str) -> None:
    assert (as_yaml(value), as_yaml(value, inside=True)) == (alone, inside)


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_text_is_read_back(text: str) -> None:
    assert read(f"field: {as_yaml(text)}\n") == {"field": text}
    assert read(f"field: {{a: {as_yaml(text, inside=True)}}}\n") == {"field": {"a": text}}


def examples(schema: object) -> Iterator[object]:
    if isinstance(schema, dict):
        found = schema.get("examples")
        yield from found if isinstance(found, list) else ()
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from examples(inner)


def test_each_example_can_be_copied_from_the_reference() -> None:
    found = list(examples(node_schema()))
    assert len(found) > 50
    for example in found:
        assert read(f"field: {as_yaml(example)}\n") == {"field": example}
