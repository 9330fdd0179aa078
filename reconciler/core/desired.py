"""What is desired, with what is asked about it in every round worked out once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

from intent.resources.resource import Key, Resource
from reconciler.core.relations import claiming


class Desired:
    """All that a node is to have, by key, in the order it was given in."""

    def __init__(self, resources: Mapping[Key, Resource] | Iterable[Resource] = ()) -> None:
        """Take the objects. What is wrong with them is in `problems`."""
        self._twice: list[str] = []
        self.by_key: Mapping[Key, Resource]
        if isinstance(resources, Mapping):
            self.by_key = resources
            return
        by_key: dict[Key, Resource] = {}
        for resource in resources:
            key = resource.key
            if key in by_key:
                self._twice.append(f"{key} is asked for twice")
            by_key[key] = resource
        self.by_key = by_key

    def __iter__(self) -> Iterator[Resource]:
        """Yield the objects."""
        return iter(self.by_key.values())

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.by_key)

    @cached_property
    def kinds(self) -> Mapping[type[Resource], tuple[Sequence[Key], Sequence[Resource]]]:
        """The keys and, in the same order, the objects of each kind."""
        found: dict[type[Resource], tuple[list[Key], list[Resource]]] = {}
        for key, resource in self.by_key.items():
            kind = type(resource)
            if kind not in found:
                found[kind] = [], []
            keys, resources = found[kind]
            keys.append(key)
            resources.append(resource)
        return found

    def of_table(self, table: str) -> Iterator[tuple[Key, Resource]]:
        """Yield the keys and objects of a table, kind by kind."""
        return chain.from_iterable(
            zip(keys, resources, strict=True) for kind, (keys, resources) in self.kinds.items() if kind.table == table
        )

    @cached_property
    def partitions(self) -> Mapping[str, frozenset[Hashable]]:
        """The parts of each table in which something is desired."""
        found: dict[str, set[Hashable]] = {}
        for kind, (_, resources) in self.kinds.items():
            found.setdefault(kind.table, set()).update(
                {resource.partition() for resource in resources} if kind.partitioned else {None}
            )
        return {table: frozenset(parts) for table, parts in found.items()}

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Why not all of it can be at once: an object twice, or two that hold the same thing."""
        problems = list(self._twice)
        holders: dict[Hashable, Key] = {}
        claimants = [zip(*members, strict=True) for kind, members in self.kinds.items() if claiming(kind)]
        for key, resource in chain.from_iterable(claimants):
            for claim in resource.claims():
                holder = holders.setdefault(claim, key)
                if holder is not key:
                    problems.append(f"{holder} and {key} both need {claim}, which only one can have")
        return tuple(problems)
