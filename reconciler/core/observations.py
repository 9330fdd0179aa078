"""Observations that are made without a node: of what was written down about one, or of what one would have.

A plan from intent to intent is the difference between what is desired after and the observation of a node that has
all that was desired before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from intent.resources.resource import Change, Key, Request, Resource
from reconciler.core.observe import Observation, TableView
from reconciler.core.relations import references


class _InNoTable:
    # Not in the class itself, or `kinds` would count it among the kinds whose rows are decoded.
    table: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class _Ground(_InNoTable, Resource):
    """Something of which it is only known that it is there, since what a node has stands on it."""

    named: Key

    @property
    def key(self) -> Key:
        return self.named

    def describe(self) -> str:
        return f"{self.named} that is not ours"

    @classmethod
    def decode(cls, row: Any, context: Any) -> Self | None:
        return None

    def create(self) -> tuple[Request, ...]:
        return ()

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        return ()

    def delete(self) -> tuple[Request, ...]:
        return ()


def observed(resources: Iterable[Resource], owned: Set[Key]) -> Observation:
    """Return the observation of a node that has these objects, of which those are ours."""
    by_key: dict[Key, Resource] = {}
    tables: dict[str, dict[Key, Resource]] = {}
    for resource in resources:
        key = resource.key
        by_key[key] = resource
        tables.setdefault(resource.table, {})[key] = resource
    views = (
        TableView(name, set(map(type, there.values())), {key.space for key in there}, there)
        for name, there in tables.items()
    )
    return Observation(by_key, owned, tables=tuple(views))


def as_desired(desired: Mapping[Key, Resource], also: Iterable[Resource] = ()) -> Observation:
    """Return the observation of a node that has all that is desired, just so, and nothing else.

    What it stands on is there, and so is what ``also`` stands on, unless ``also`` brings it along.
    """
    new = {resource.key: resource for resource in also}
    there = {key: resource.as_observed() for key, resource in desired.items()}
    needs = {need: None for one in (*desired.values(), *new.values()) for need in references(one)}
    ground = [_Ground(need) for need in needs if need not in there and need not in new]
    return observed((*there.values(), *ground), _ours(there))


def _ours(resources: Mapping[Key, Resource]) -> Set[Key]:
    """Return the keys of what is ours once it was made as desired."""
    ours = {key for key, one in resources.items() if one.owned() or one.inventoried}
    waiting = [(key, one.part_of()) for key, one in resources.items() if one.owned_as_part]
    while found := [key for key, whole in waiting if whole in ours and key not in ours]:
        ours.update(found)
    return ours
