"""The order of operations: a topological sort over needs and claims, never a list of kinds.

Needs are made before what needs them, what needs is deleted before what it needs, and a thing that is held
exclusively is let go before it is taken. Where the choice is free, making comes before deleting.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from intent.resources.resource import Key, Resource
from reconciler.core.plan import Action, Operation, PlanError


def in_order(
    operations: Sequence[Operation], want: Mapping[Key, Resource], have: Mapping[Key, Resource]
) -> tuple[Operation, ...]:
    """Return the operations in an order in which each can be done. Raises PlanError, which names a circle."""
    before = _edges(operations, want, have)
    generations = _generations(operations, before)
    position = {old: new for new, old in enumerate(number for group in generations for number in group)}
    return tuple(
        replace(
            operations[number],
            generation=generation,
            after=tuple(sorted(position[earlier] for earlier in before[number])),
        )
        for generation, group in enumerate(generations)
        for number in group
    )


def _edges(
    operations: Sequence[Operation], want: Mapping[Key, Resource], have: Mapping[Key, Resource]
) -> list[set[int]]:
    """Return for each operation the numbers of those that come before it."""
    making = {op.key: number for number, op in enumerate(operations) if op.action is not Action.DELETE}
    deleting = {op.key: number for number, op in enumerate(operations) if op.action is Action.DELETE}
    # What vanishes with a deleted object lets go of what it holds at the same moment.
    holders: dict[Hashable, int] = {
        claim: number
        for key, number in deleting.items()
        for part in (key, *operations[number].takes)
        for claim in have[part].claims()
    }
    before: list[set[int]] = [set() for _ in operations]
    for key, number in making.items():
        for need in want[key].requires():
            if need in making:
                before[number].add(making[need])
        if key in deleting:
            before[number].add(deleting[key])
        before[number].update(holders[claim] for claim in want[key].claims() if claim in holders)
        if operations[number].action is Action.UPDATE:
            # It lets go of an old need only once it is changed.
            for need in have[key].requires():
                if need in deleting and need not in making:
                    before[deleting[need]].add(number)
    for key, number in deleting.items():
        for need in have[key].requires():
            if need in deleting:
                before[deleting[need]].add(number)
    for number, earlier in enumerate(before):
        earlier.discard(number)
    return before


def _generations(operations: Sequence[Operation], before: Sequence[set[int]]) -> list[list[int]]:
    after: list[list[int]] = [[] for _ in operations]
    for number, earlier in enumerate(before):
        for other in earlier:
            after[other].append(number)
    open_needs = [len(earlier) for earlier in before]
    ready = [number for number, count in enumerate(open_needs) if count == 0]
    generations: list[list[int]] = []
    done = 0
    while ready:
        making = [number for number in ready if operations[number].action is not Action.DELETE]
        group = making or ready
        ready = [number for number in ready if making and operations[number].action is Action.DELETE]
        for number in group:
            for later in after[number]:
                open_needs[later] -= 1
                if open_needs[later] == 0:
                    ready.append(later)
        generations.append(group)
        done += len(group)
    if done < len(operations):
        raise PlanError([_circle(operations, before, open_needs)])
    return generations


def _circle(operations: Sequence[Operation], before: Sequence[set[int]], open_needs: Sequence[int]) -> str:
    number = next(number for number, count in enumerate(open_needs) if count)
    path: list[int] = []
    while number not in path:
        path.append(number)
        number = next(earlier for earlier in before[number] if open_needs[earlier])
    names = [str(operations[step].key) for step in (*path[path.index(number) :], number)]
    return f"these need one another in a circle: {' → '.join(names)}"
