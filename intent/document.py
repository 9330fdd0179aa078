"""A whole node: the features that its file asks for, each valid, and all of them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field

from intent import tree
from intent.display import quoted
from intent.feature import Feature, Finding, Holding
from intent.features import features as known_features
from intent.field_types import Checked, wrong
from intent.fields import NodeName
from intent.problems import Problem
from intent.source import Report, Source
from intent.validation import Model, meant, validate

VERSION = 1
M = TypeVar("M", bound=BaseModel)


class Version(Checked):
    """The version of the language that the file is written in."""

    def check(self, value: object) -> int:
        """Return the version."""
        if isinstance(value, bool) or not isinstance(value, int) or value != VERSION:
            wrong(f"must be {VERSION}, the only version there is yet")
        return VERSION

    def json_schema(self) -> dict[str, Any]:
        """Return the one value."""
        return {"const": VERSION}


class Head(Model):
    """What every node file begins with."""

    words = "a node file"

    version: Annotated[int, Version()] = Field(
        description="The version of the language of this file.", examples=[VERSION]
    )
    node: NodeName = Field(
        description="The node's name, like a host name: up to 63 letters, digits and hyphens.",
        examples=["exit-berlin-7"],
    )


@dataclass(frozen=True, slots=True)
class Node:
    """What one node is to be. ``features`` are the models, by the order of their keys' names.

    ``source`` is the text it was read from and ``root`` its values with their places, for errors that show later.
    """

    version: int
    name: str
    features: tuple[BaseModel, ...]
    source: Source = field(compare=False, repr=False)
    root: tree.Mapping = field(compare=False, repr=False)

    def get(self, model: type[M]) -> M | None:
        """Return the feature of that model, ``None`` when the file does not ask for it."""
        return next((one for one in self.features if isinstance(one, model)), None)

    def parts(self) -> Iterator[tuple[Feature[Any], BaseModel]]:
        """Yield what the file asks for: each feature with its model."""
        for feature in known_features().values():
            model = self.get(feature.model)
            if model is not None:
                yield feature, model

    def problem(self, name: str, finding: Finding) -> Problem:
        """Return what was found in the feature of that name as a problem at its place in the file."""
        line, column, message = locate(self.source, self.root, name, finding)
        return self.source.problem(line, column, message, finding.suggestion)


def locate(source: Source, root: tree.Mapping, name: str, finding: Finding) -> tuple[int, int, str]:
    """Return line, column and message of what was found in the feature of that name."""
    place = tree.place(root, (name, *finding.path), at_key=not finding.path)
    message = finding.message
    if finding.first is not None:
        first = tree.place(root, (name, *finding.first))[0]
        message = message.replace("line {line}", source.line_words(first, place[0]))
    return (*place, message)


def build_node(source: Source, root: tree.Mapping, report: Report) -> Node | None:
    """Return the node that the values of a file make, ``None`` when anything is wrong, which is then reported."""
    features = known_features()
    if _other_version(root):
        # Nothing else can be said about a language that is not known.
        report.add(tree.place(root, ("version",)), f"`version` must be {VERSION}, the only version there is yet")
        return None
    head = _head(root, report)
    _refuse_unknown(root, (*Head.model_fields, *features), report)
    models: dict[str, BaseModel] = {}
    for name, value in root.usable():
        if name in features and (model := validate(features[name].model, value, (name,), report)) is not None:
            models[name] = model
    name = "" if head is None else head.node
    node = Node(VERSION, name, tuple(models[key] for key in sorted(models)), source, root)
    _refuse_lonely(node, root, report)
    _refuse_findings(node, report)
    _refuse_double_holdings(node, report)
    return None if report else node


def _head(root: tree.Mapping, report: Report) -> Head | None:
    head = tree.Mapping(root.line, root.column)
    head.incomplete = root.incomplete
    head.entries = {key: entry for key, entry in root.entries.items() if key in Head.model_fields}
    misspelt = _meant(root, tuple(Head.model_fields))
    head.incomplete = head.incomplete or bool(misspelt - head.entries.keys())
    return validate(Head, head, (), report)


def _meant(root: tree.Mapping, known: tuple[str, ...]) -> set[str]:
    """Return the known fields that misspelt ones were probably meant to be; of a file of nonsense only some."""
    return {near for key in islice(root.entries, 100) if key not in known and (near := meant(key, known))}


def _other_version(root: tree.Mapping) -> bool:
    entry = root.entries.get("version")
    value = entry.value if entry else None
    return isinstance(value, tree.Scalar) and type(value.value) is int and value.value != VERSION


def _refuse_unknown(root: tree.Mapping, known: tuple[str, ...], report: Report) -> None:
    for key, entry in root.entries.items():
        if key in known:
            continue
        if report.full:
            report.more += 1
            continue
        near = meant(key, known)
        suggestion = "known here: " + ", ".join(f"`{name}`" for name in known)
        if near is not None:
            suggestion = f"did you mean `{near}`?"
        report.add((entry.line, entry.column), f"{quoted(key)} is not a field of a node file", suggestion)


def _refuse_lonely(node: Node, root: tree.Mapping, report: Report) -> None:
    written = _meant(root, tuple(known_features())) | root.entries.keys()
    for feature in known_features().values():
        if feature.name not in root.entries:
            continue
        for need in feature.needs:
            if need not in written and not root.incomplete:
                entry = root.entries[feature.name]
                report.add(
                    (entry.line, entry.column), f"`{feature.name}` needs `{need}`, which this file does not have"
                )


def _refuse_findings(node: Node, report: Report) -> None:
    for feature, model in node.parts():
        for finding in feature.check(model, node):
            line, column, message = locate(node.source, node.root, feature.name, finding)
            report.add((line, column), message, finding.suggestion)


def _refuse_double_holdings(node: Node, report: Report) -> None:
    """Report what is held twice, at the later place in the file."""
    held: list[tuple[tree.Place, Feature[Any], Holding]] = []
    for feature, model in node.parts():
        for holding in feature.holds(model, node):
            place = tree.place(node.root, (feature.name, *holding.path), at_key=not holding.path)
            held.append((place, feature, holding))
    first: dict[tuple[str, str | int], tuple[int, str]] = {}
    for place, feature, holding in sorted(held, key=lambda one: one[0]):
        known = first.get((holding.thing, holding.value))
        if known is None:
            first[holding.thing, holding.value] = (place[0], feature.name)
            continue
        line, by = known
        said = node.source.line_words(line, place[0])
        report.add(place, f"{holding.thing} {holding.value} is already taken by `{by}` in {said}")
