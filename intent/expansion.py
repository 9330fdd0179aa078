"""From a node to the objects that the kernel, babeld and the file system are to hold."""

from __future__ import annotations

from typing import Any

from intent.document import Node
from intent.feature import Finding
from intent.problems import IntentError, Problem
from intent.references import Reference, References
from intent.resources.resource import Key, Resource


def references(node: Node) -> tuple[Reference[Any], ...]:
    """Return what has to be looked up before the node can be expanded, each once."""
    found: dict[Reference[Any], None] = {}
    for feature, model in node.parts():
        found |= dict.fromkeys(feature.references(model, node))
    return tuple(found)


def expand(node: Node, references: References) -> tuple[Resource, ...]:
    """Return the objects that the node is to have, each once.

    Raises IntentError where two features ask for the same object with different properties.
    """
    wanted: dict[Key, tuple[Resource, str]] = {}
    problems: list[Problem] = []
    for feature, model in node.parts():
        for resource in feature.expand(model, node, references):
            known, by = wanted.setdefault(resource.key, (resource, feature.name))
            if known is not resource and known != resource:
                features = f"`{feature.name}`" if by == feature.name else f"both `{by}` and `{feature.name}`"
                message = f"{features} ask for {resource.key}, with different properties"
                problems.append(node.problem(feature.name, Finding((), message)))
    if problems:
        raise IntentError(problems)
    return tuple(resource for resource, _ in wanted.values())
