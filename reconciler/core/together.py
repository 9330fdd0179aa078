"""What hangs together: all that a comparison has to know of to judge some objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from intent.resources.resource import Key, Resource
from reconciler.core.desired import Desired
from reconciler.core.observe import Observation
from reconciler.core.relations import claiming, may_refer, references


def hanging_together(keys: Sequence[Key], desired: Desired, observation: Observation) -> Sequence[Key]:
    """Return the keys with those of all objects that a plan about them may be about, or may have to look at.

    What stands on them, and on that, may have to be replaced with them; then come what all of these need, and all
    that hold something exclusively where one of these does. The keys come first, in their order.
    """
    found = dict.fromkeys(keys)
    waiting: Sequence[Key] = keys
    while waiting:
        waiting = [key for key in _affected(waiting, desired, observation) if key not in found]
        found |= dict.fromkeys(waiting)
    if any(claiming(type(resource)) for key in found for resource in _versions(key, desired, observation)):
        found |= dict.fromkeys(_claimants(desired, observation))
    waiting = list(found)
    while waiting:
        needs = (
            need
            for key in waiting
            for resource in _versions(key, desired, observation)
            for need in references(resource)
        )
        waiting = list(dict.fromkeys(need for need in needs if need not in found))
        found |= dict.fromkeys(waiting)
    return list(found)


def _affected(keys: Sequence[Key], desired: Desired, observation: Observation) -> Iterator[Key]:
    """Yield what may be affected when something is done about the keys."""
    spaces, some = {key.space for key in keys}, set(keys)
    for key, resource in _referring(spaces, desired, observation):
        if not some.isdisjoint(references(resource)):
            yield key
    for key in keys:
        seen = observation.resources.get(key)
        if seen is not None and (through := seen.replaced_through()) is not None:
            yield through


def _referring(spaces: Set[str], desired: Desired, observation: Observation) -> Iterator[tuple[Key, Resource]]:
    for kind, (keys, resources) in desired.kinds.items():
        if may_refer(kind, spaces):
            yield from zip(keys, resources, strict=True)
    for table in observation.tables:
        if any(may_refer(kind, spaces) for kind in table.kinds):
            yield from table.resources.items()


def _claimants(desired: Desired, observation: Observation) -> Iterator[Key]:
    for kind, (keys, _) in desired.kinds.items():
        if claiming(kind):
            yield from keys
    for table in observation.tables:
        if any(map(claiming, table.kinds)):
            yield from table.resources


def _versions(key: Key, desired: Desired, observation: Observation) -> Iterator[Resource]:
    for found in (desired.by_key.get(key), observation.resources.get(key)):
        if found is not None:
            yield found
