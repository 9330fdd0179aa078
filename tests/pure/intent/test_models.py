"""What holds for every model of every feature, those yet to come included."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, RootModel

from intent import tree, validation
from intent.document import Head
from intent.features import features
from intent.source import Report, Source
from intent.validation import Model


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a model and all that are inside it; of a list of models, what it holds."""
    if issubclass(model, RootModel):
        inside = [validation.model_at(model, (0,))]
    else:
        yield model
        paths = [path for name in validation.fields_of(model) for path in ((name,), (name, 0))]
        inside = [validation.model_at(model, path) for path in paths]
    for inner in inside:
        if inner is not None:
            yield from models(inner)


ROOTS: list[type[BaseModel]] = [Head, *(feature.model for feature in features().values())]
MODELS = sorted({model for root in ROOTS for model in models(root)}, key=lambda model: model.__name__)
FIELDS = [(model, name) for model in MODELS for name in validation.fields_of(model)]


def test_the_models_are_found() -> None:
    assert {"Head", "Mesh", "MeshInterface", "Babeld", "Interface", "Peer", "Tunnel", "LinkPeer", "Via"} <= {
        model.__name__ for model in MODELS
    }


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_strict_frozen_closed_and_has_a_name_for_people(model: type[BaseModel]) -> None:
    assert issubclass(model, Model)
    assert model.model_config.get("strict")
    assert model.model_config.get("frozen")
    assert model.model_config.get("extra") == "forbid"
    assert model.words
    assert model.__doc__


@pytest.mark.parametrize(("model", "field"), FIELDS)
def test_a_field_is_described(model: type[BaseModel], field: str) -> None:
    description = validation.fields_of(model)[field].description
    assert description
    assert description[0].isupper() or description[0] == "`"
    assert description.endswith(".")


@pytest.mark.parametrize(("model", "field"), FIELDS)
def test_the_examples_and_the_default_of_a_field_are_right(model: type[BaseModel], field: str) -> None:
    information = validation.fields_of(model)[field]
    for example in information.examples or ():
        about = (f"`{field}`", f"an item of `{field}`")
        assert [problem for problem in said_about(model, {field: example}) if problem.startswith(about)] == []


ODD_VALUES: list[Any] = [True, 0, -1, 1.5, float("nan"), float("inf"), 10**30, "", "odd", "\x1b", "/x", (), (1,), {}]


@pytest.mark.parametrize("value", ODD_VALUES, ids=repr)
@pytest.mark.parametrize(("model", "field"), FIELDS)
def test_every_wrong_value_is_refused_in_our_own_words(model: type[BaseModel], field: str, value: object) -> None:
    for problem in said_about(model, {field: value}):
        assert "Input should" not in problem
        assert " is wrong" not in problem
        assert problem.isprintable()


def said_about(model: type[BaseModel], values: dict[str, Any]) -> list[str]:
    report = Report(Source("f", "x"))
    validation.validate(model, as_tree(values), (), report)
    return [problem.message for problem in report.error().problems]


def as_tree(value: Any) -> tree.Tree:
    if isinstance(value, dict):
        mapping = tree.Mapping(1, 1)
        mapping.entries = {key: tree.Entry(1, 1, as_tree(inner)) for key, inner in value.items()}
        return mapping
    if isinstance(value, list | tuple):
        sequence = tree.Sequence(1, 1)
        sequence.parts = [as_tree(inner) for inner in value]
        return sequence
    return tree.Scalar(1, 1, value)
