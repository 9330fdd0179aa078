"""From a node to the objects that the kernel, babeld and the file system are to hold."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from intent.document import Node
from intent.feature import Batch, Finding
from intent.offers import Offer
from intent.problems import IntentError, Problem
from intent.references import Reference, References
from intent.resources.resource import Key, Resource
from intent.services import Service
from intent.splice import common_ends


def references(node: Node) -> tuple[Reference[Any], ...]:
    """Return what has to be looked up before the node can be expanded, each once."""
    found: dict[Reference[Any], None] = {}
    for feature, model in node.parts():
        found |= dict.fromkeys(feature.references(model, node))
    return tuple(found)


def offers(node: Node, references: References) -> tuple[Offer, ...]:
    """Return what the node offers to others only while it is fit to, and whether it is now."""
    return tuple(offer for feature, model in node.parts() for offer in feature.offers(model, node, references))


def services(node: Node, references: References) -> tuple[Service, ...]:
    """Return what is to run beside the loop that keeps the node."""
    return tuple(one for feature, model in node.parts() for one in feature.services(model, node, references))


class _Made(NamedTuple):
    """The objects of a batch and their keys, in the order of what is different."""

    different: tuple[Hashable, ...]
    keys: list[Key]
    resources: list[Resource]


_NOTHING = _Made((), [], [])


class Expansion:
    """The objects that a node is to have, each once, in order."""

    __slots__ = ("_batches", "by_key")

    def __init__(self) -> None:
        self.by_key: dict[Key, Resource] = {}
        self._batches: dict[Hashable, _Made] = {}

    def __iter__(self) -> Iterator[Resource]:
        """Yield the objects."""
        return iter(self.by_key.values())

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.by_key)

    def like(self, key: Key, resource: Resource) -> Resource:
        """Return the object that is here and like another one, else that one."""
        known = self.by_key.get(key)
        return resource if known is None or not _same(known, resource) else known

    def add(self, resource: Resource, before: Expansion | None) -> Key | None:
        """Add an object, or the one of before that is like it. Returns the key where there is another by that key."""
        key = resource.key
        if before is not None:
            resource = before.like(key, resource)
        known = self.by_key.setdefault(key, resource)
        return key if known is not resource and known != resource else None

    def make_again(self, batch: Batch[Any]) -> _Made:
        """Make the objects of a batch, but take those that are here and like them."""
        earlier = self._batches.get(batch.alike, _NOTHING)
        old, new = earlier.different, batch.different
        start, end = common_ends(old, new)
        old_last = len(old) - end
        between = dict(zip(old[start:old_last], range(start, old_last), strict=True))
        keys, resources = earlier.keys[:start], earlier.resources[:start]
        for one in new[start : len(new) - end]:
            index = between.get(one)
            if index is not None:
                keys.append(earlier.keys[index])
                resources.append(earlier.resources[index])
            else:
                resource = batch.make(one)
                keys.append(resource.key)
                resources.append(self.like(keys[-1], resource))
        return _Made(new, keys + earlier.keys[old_last:], resources + earlier.resources[old_last:])

    def add_batch(self, batch: Batch[Any], before: Expansion | None) -> Iterator[Key]:
        """Add many objects, or those of before that are like them. Yields the keys by which there are others."""
        made = _make(batch) if before is None else before.make_again(batch)
        new = dict(zip(made.keys, made.resources, strict=True))
        if self.by_key.keys().isdisjoint(new.keys()):
            self.by_key.update(new)
            self._batches.setdefault(batch.alike, made)
            return
        for resource in made.resources:
            key = self.add(resource, before)
            if key is not None:
                yield key


def _make(batch: Batch[Any]) -> _Made:
    resources = list(map(batch.make, batch.different))
    return _Made(batch.different, [resource.key for resource in resources], resources)


def _same(one: Resource, other: Resource) -> bool:
    """Return whether two objects are alike in every field, also in those that are not compared."""
    if one != other or not is_dataclass(one):
        return False
    return all(getattr(one, field.name) == getattr(other, field.name) for field in fields(one) if not field.compare)


def expand(node: Node, references: References, before: Expansion | None = None) -> Expansion:
    """Return the objects that the node is to have, each once.

    Those that were the same in the expansion ``before``, of whatever node, are the very same objects. Raises
    IntentError where two features ask for the same object with different properties.
    """
    expansion = Expansion()
    starts: list[tuple[int, str]] = []
    problems: list[Problem] = []
    for feature, model in node.parts():
        starts.append((len(expansion), feature.name))
        for one in feature.expand(model, node, references):
            if isinstance(one, Batch):
                others: Iterable[Key | None] = expansion.add_batch(one, before)
            else:
                others = (expansion.add(one, before),)
            for key in filter(None, others):
                by = _first_to_ask(key, expansion, starts)
                features = f"`{feature.name}`" if by == feature.name else f"both `{by}` and `{feature.name}`"
                message = f"{features} ask for {key}, with different properties"
                problems.append(node.problem(feature.name, Finding((), message)))
    if problems:
        raise IntentError(problems)
    return expansion


def _first_to_ask(key: Key, expansion: Expansion, starts: list[tuple[int, str]]) -> str:
    """Return the feature that an object comes from; ``starts`` says how many there were before each."""
    index = list(expansion.by_key).index(key)
    return starts[bisect_right(starts, index, key=lambda start: start[0]) - 1][1]
