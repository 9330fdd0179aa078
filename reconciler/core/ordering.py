"""The order of operations: a topological sort over needs and claims, never a list of kinds.

Needs are made before what needs them, what needs is deleted before what it needs, and a thing that is held
exclusively is let go before it is taken. Where the choice is free, making comes before deleting.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set

from intent.resources.resource import Key, Resource
from reconciler.core.plan import Action, Operation, PlanError
from reconciler.core.relations import claiming, renewable


def in_order(
    operations: Sequence[Operation], want: Mapping[Key, Resource], have: Mapping[Key, Resource]
) -> tuple[Operation, ...]:
    """Return the operations in an order in which each can be done. Raises PlanError, which names a circle."""
    before = _edges(operations, want, have)
    if not before:
        # As they are: all that makes something, then all that deletes.
        return _independent(operations)
    generations = _generations(operations, before)
    position = {old: new for new, old in enumerate(number for group in generations for number in group)}
    return tuple(
        operations[number]._replace(
            generation=generation,
            after=tuple(sorted(position[earlier] for earlier in before.get(number, ()))),
        )
        if generation or number in before
        else operations[number]
        for generation, group in enumerate(generations)
        for number in group
    )


def _independent(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    making = [operation for operation in operations if operation.action is not Action.DELETE]
    if len(making) == len(operations):
        return tuple(making)
    deleting = [operation for operation in operations if operation.action is Action.DELETE]
    return (*making, *(operation._replace(generation=1) for operation in deleting)) if making else tuple(deleting)


def _edges(
    operations: Sequence[Operation], want: Mapping[Key, Resource], have: Mapping[Key, Resource]
) -> dict[int, set[int]]:
    """Return for each operation that has to wait the numbers of those that come before it."""
    making = {op.key: number for number, op in enumerate(operations) if op.action is not Action.DELETE}
    # What vanishes with a deleted object goes, and lets go of what it holds, at the same moment.
    going = {
        part: number
        for number, op in enumerate(operations)
        if op.action is Action.DELETE
        for part in (op.key, *op.takes)
    }
    before: defaultdict[int, set[int]] = defaultdict(set)
    _put_off_making(before, making, _freed(operations, going, want, have), operations)
    for key, number in going.items():
        if key in making:
            before[making[key]].add(number)
        for need in have[key].requires():
            if need in going:
                before[going[need]].add(number)
    for key, number in making.items() if going else ():
        # What is changed lets go of an old need only then.
        for need in have[key].requires() if operations[number].action is Action.UPDATE else ():
            if need in going and need not in making:
                before[going[need]].add(number)
    _put_off_what_is_kept(before, making, going, have)
    return {number: others for number, earlier in before.items() if (others := earlier - {number})}


def _put_off_making(
    before: Mapping[int, set[int]],
    making: Mapping[Key, int],
    freed: Mapping[Hashable, int],
    operations: Sequence[Operation],
) -> None:
    """Have an object made after what it needs or is renewed by, and after what holds what it claims has let go."""
    free: tuple[Key, ...] = ()
    for number in making.values():
        resource = operations[number].resource
        needs = resource.requires()
        if renewable(type(resource)):
            needs += resource.renewed_by()
        if needs is not free:
            earlier = {making[need] for need in needs if need in making}
            if earlier:
                before[number] |= earlier
            else:
                # Thousands of routes in a row need the same link, which is there.
                free = needs
        for claim in resource.claims() if freed else ():
            if claim in freed:
                before[number].add(freed[claim])


def _put_off_what_is_kept(
    before: Mapping[int, set[int]], making: Mapping[Key, int], going: Mapping[Key, int], have: Mapping[Key, Resource]
) -> None:
    """Have an object made anew, or gone for good, before that is removed which only the old one keeps."""
    for key in (key for key in {*making, *going} if key in have) if going else ():
        through = have[key].replaced_through()
        steps = {making[key]} if key in making else {going[key]}
        if key not in making and through is not None and through in making:
            steps.add(making[through])
        for kept in have[key].keeps():
            if kept in going and kept not in making:
                before[going[kept]] |= steps


def _freed(
    operations: Sequence[Operation],
    going: Mapping[Key, int],
    want: Mapping[Key, Resource],
    have: Mapping[Key, Resource],
) -> dict[Hashable, int]:
    """Return the number of the operation that lets go of each claim."""
    freed: dict[Hashable, int] = {
        claim: number for key, number in going.items() if claiming(type(have[key])) for claim in have[key].claims()
    }
    for number, op in enumerate(operations):
        if op.action is Action.UPDATE and claiming(type(have[op.key])):
            kept = want[op.key].claims()
            freed |= {claim: number for claim in have[op.key].claims() if claim not in kept}
    return freed


def _generations(operations: Sequence[Operation], before: Mapping[int, Set[int]]) -> list[list[int]]:
    after: dict[int, list[int]] = {}
    for number, earlier in before.items():
        for other in earlier:
            after.setdefault(other, []).append(number)
    open_needs = {number: len(earlier) for number, earlier in before.items()}
    ready = [number for number in range(len(operations)) if number not in before]
    generations: list[list[int]] = []
    done = 0
    while ready:
        making = [number for number in ready if operations[number].action is not Action.DELETE]
        group = making or ready
        ready = [number for number in ready if making and operations[number].action is Action.DELETE]
        for number in group:
            for later in after.get(number, ()):
                open_needs[later] -= 1
                if open_needs[later] == 0:
                    ready.append(later)
        generations.append(group)
        done += len(group)
    if done < len(operations):
        raise CircleError(_circle(operations, before, open_needs))
    return generations


def _circle(
    operations: Sequence[Operation], before: Mapping[int, Set[int]], open_needs: Mapping[int, int]
) -> list[Operation]:
    """Return the operations of one circle, the same one in whatever order they were given."""

    def first(numbers: Iterable[int]) -> int:
        return min(
            (n for n in numbers if open_needs.get(n)), key=lambda n: (str(operations[n].key), operations[n].action)
        )

    number = first(range(len(operations)))
    path: list[int] = []
    while number not in path:
        path.append(number)
        number = first(before[number])
    return [operations[step] for step in path[path.index(number) :]]


class CircleError(PlanError):
    """Operations that would each have to come before the next, and the last before the first."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        names = list(dict.fromkeys(str(operation.key) for operation in operations))
        super().__init__([f"these need one another in a circle: {' → '.join((*names, names[0]))}"])
        self.operations = tuple(operations)
