"""A plan: the operations that close the difference between what a node is and what it should be, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from intent.resources.resource import Change, Key, Resource
from reconciler.core.errors import BackendError, RefusedError


class Action(StrEnum):
    """What an operation does to its object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Impact(StrEnum):
    """What an operation means for traffic."""

    ADDITION = "addition"
    IN_PLACE = "in place"
    DISRUPTIVE = "disruptive"
    REPLACEMENT = "replacement"
    REMOVAL = "removal"
    RETRACTION = "retraction"


FOR_GOOD = frozenset({Impact.REMOVAL, Impact.RETRACTION})
"""What leaves nothing: an object is removed, or it has vanished by itself and others are told."""


class Operation(NamedTuple):
    """One step of a plan. A replacement is two: a deletion and a creation of the same key.

    ``after`` are the positions, in the plan, of the operations that must be done before; ``generation`` counts the
    steps that can be taken together. ``takes`` are the objects that vanish with the one that is deleted. One that has
    vanished by itself already is ``observed`` as the inventory remembers it.
    """

    action: Action
    key: Key
    desired: Resource | None
    observed: Resource | None
    reason: str
    impact: Impact
    changes: Mapping[str, Change] = MappingProxyType({})
    takes: tuple[Key, ...] = ()
    after: tuple[int, ...] = ()
    generation: int = 0

    @property
    def resource(self) -> Resource:
        """The object as it will be, or, where it is deleted, as it was."""
        resource = self.observed if self.action is Action.DELETE else self.desired
        if resource is None:
            raise ValueError(f"an operation to {self.action} {self.key} without the object")
        return resource


@dataclass(frozen=True, slots=True)
class Pending:
    """A difference that may not be closed now, and why."""

    resource: Resource
    reason: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """An object that is not ours and in the way: it is not touched.

    ``over`` is the key of what cannot be as desired because of it.
    """

    key: Key
    reason: str
    over: Key


@dataclass(frozen=True)
class Plan:
    """What would be done, in order, what waits, what stands in the way, and what could not be seen."""

    operations: tuple[Operation, ...] = ()
    pending: tuple[Pending, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    unseen: Mapping[str, BackendError] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether the node is what it should be, as far as all of it could be seen."""
        return not (self.operations or self.pending or self.conflicts or self.unseen)

    def connected(self, keys: Set[Key]) -> frozenset[Key]:
        """Return the keys of all operations that hang together with operations on the keys, by what comes after what.

        A replacement is only done as a whole, or not begun.
        """
        groups: dict[int, int] = {}

        def root(position: int) -> int:
            while (above := groups.get(position, position)) != position:
                # The way gets shorter each time: thousands of operations may hang on one, such as peers on a link.
                groups[position] = groups.get(above, above)
                position = above
            return position

        for position, operation in enumerate(self.operations):
            for earlier in operation.after:
                groups[root(earlier)] = root(position)
        hit = {root(position) for position, operation in enumerate(self.operations) if operation.key in keys}
        return frozenset(operation.key for position, operation in enumerate(self.operations) if root(position) in hit)


class PlanError(RefusedError):
    """No order of operations leads to what is desired: needs that nothing provides, or needs in a circle."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
