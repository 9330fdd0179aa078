"""Look at a node: rows of every table, decoded into the same types as what is desired."""

from __future__ import annotations

import struct
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from intent.resources import kinds
from intent.resources.resource import Key, Resource
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError, RejectedError
from reconciler.core.inventory import Inventory


@dataclass(frozen=True)
class Observation:
    """What a node has: the objects by key, which of them are ours, and the tables that could not be seen."""

    resources: Mapping[Key, Resource] = field(default_factory=dict)
    owned: frozenset[Key] = frozenset()
    unseen: Mapping[str, BackendError] = field(default_factory=dict)


def observe(backends: Sequence[Backend], desired: Iterable[Resource], inventory: Inventory) -> Observation:
    """Look once at every table in which something is desired or ours."""
    return Observer(backends).look(tuple(desired), inventory)


class Observer:
    """Looks at a node again and again, and remembers what it saw, so that a look can be at some tables only.

    What is as it was at the last look is not decoded again: the same `Observation` is returned when all of it is.
    """

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = backends
        self._tables: dict[str, _Table | BackendError] = {}
        self._basis: tuple[Sequence[Resource], Inventory] | None = None
        self._last: tuple[list[_Table | BackendError], Observation] = [], Observation()

    def look(self, desired: Sequence[Resource], inventory: Inventory, tables: Set[str] | None = None) -> Observation:
        """Look at every table in which something is desired or ours; of others than ``tables`` tell what was seen.

        ``None`` looks at all. What was seen counts only as long as desired and inventory are the same: look at all
        when they are not.
        """
        wanted = _wanted(desired, inventory)
        if self._basis is None or self._basis[0] is not desired or self._basis[1] is not inventory:
            # How a row is read depends on both.
            self._basis = desired, inventory
            self._keys = frozenset(resource.key for resource in desired)
            before: dict[str, _Table | BackendError] = {}
        else:
            before = self._tables
        kept = self._tables if tables is not None else {}
        self._tables = {table: kept[table] for table in wanted if table in kept and table not in (tables or ())}
        for backend in self._backends:
            mine = {
                table: partitions
                for table, partitions in wanted.items()
                if table in backend.tables and table not in self._tables
            }
            for table, dump in backend.dump(mine).items() if mine else ():
                self._tables[table] = self._table(table, dump, before.get(table), inventory)
        return self._together(wanted)

    def _table(
        self, table: str, dump: Dump | BackendError, before: _Table | BackendError | None, inventory: Inventory
    ) -> _Table | BackendError:
        """Return what is in a dump: the very same as before where that is known to be so."""
        if isinstance(dump, BackendError):
            return dump
        known = before if isinstance(before, _Table) else None
        if known is not None and dump.digest is not None and dump.digest == known.digest:
            return known
        found = _Table(dump.digest)
        try:
            _decode(kinds()[table], dump, self._keys, inventory, found.resources, found.owned)
        except (ValueError, LookupError, struct.error) as exc:
            return RejectedError(f"table {table}: a row could not be understood: {exc!r}")
        return known if known is not None and dump.digest is None and known.is_as(found) else found

    def _together(self, wanted: Mapping[str, Partitions]) -> Observation:
        tables = [table for name in wanted if (table := self._tables.get(name)) is not None]
        before, observation = self._last
        if len(before) == len(tables) and all(one is other for one, other in zip(before, tables, strict=True)):
            return observation
        resources: dict[Key, Resource] = {}
        owned: set[Key] = set()
        unseen: dict[str, BackendError] = {}
        for name in wanted:
            table = self._tables.get(name)
            if isinstance(table, BackendError):
                unseen[name] = table
            elif table is not None:
                resources |= table.resources
                owned |= table.owned
        _relate(resources)
        _own_parts(resources, owned)
        observation = Observation(resources, frozenset(owned), unseen)
        self._last = tables, observation
        return observation


@dataclass(slots=True)
class _Table:
    """The objects in the rows of one table, by key, and which of them are ours; the digest is that of the dump."""

    digest: Hashable | None
    resources: dict[Key, Resource] = field(default_factory=dict)
    owned: set[Key] = field(default_factory=set)

    def is_as(self, other: _Table) -> bool:
        """Return whether nothing that counts differs in another look at the table."""
        mine, theirs = self.resources, other.resources
        return (
            self.owned == other.owned
            and mine.keys() == theirs.keys()
            and all(type(one) is type(theirs[key]) and one.is_as(theirs[key]) for key, one in mine.items())
        )


def _wanted(desired: Iterable[Resource], inventory: Inventory) -> dict[str, Partitions]:
    partitions: dict[str, set[Hashable]] = {table: set(parts) for table, parts in inventory.partitions.items()}
    for resource in desired:
        partitions.setdefault(resource.table, set()).add(resource.partition())
    wanted: dict[str, Partitions] = {}
    for table, members in kinds().items():
        whole = not all(kind.partitioned for kind in members)
        if whole or (inventory.lost and any(kind.searched for kind in members)):
            wanted[table] = None
        elif parts := partitions.get(table):
            wanted[table] = frozenset(parts)
    return wanted


def _decode(
    members: Sequence[type[Resource]],
    dump: Dump,
    wanted: Set[Key],
    inventory: Inventory,
    resources: dict[Key, Resource],
    owned: set[Key],
) -> None:
    for row in dump.rows:
        for kind in members:
            resource = kind.decode(row, dump.context)
            if resource is not None:
                break
        else:
            continue
        key = resource.key
        remembered = inventory.entries.get(key)
        if remembered is not None:
            resource = resource.recall(remembered)
        ours = resource.owned() or (kind.inventoried and remembered is not None)
        if key in resources and not _prevails(resource, ours, resources[key], key in owned, key in wanted):
            continue
        resources[key] = resource
        if ours:
            owned.add(key)
        else:
            owned.discard(key)


def _prevails(resource: Resource, ours: bool, other: Resource, other_ours: bool, wanted: bool) -> bool:
    """Return whether a twin is the one to compare, of two that the kernel holds under one key, such as two routes.

    What an administrator has put beside ours is in the way when ours is wanted: a change in place could hit either.
    Ours is the one to remove, and the one to compare where a daemon made the other.
    """
    if ours == other_ours:
        return ours
    foreign = other if ours else resource
    return ours is not (wanted and not foreign.automatic())


def _relate(resources: dict[Key, Resource]) -> None:
    """Complete what of its needs only other objects tell."""
    for members in kinds().values():
        for kind in members:
            resources.update((one.key, one) for one in list(kind.related(resources.values())))


def _own_parts(resources: Mapping[Key, Resource], owned: set[Key]) -> None:
    parts: dict[Key, list[Key]] = {}
    for key, resource in resources.items():
        if resource.owned_as_part and (whole := resource.part_of()) is not None:
            parts.setdefault(whole, []).append(key)
    waiting = [whole for whole in parts if whole in owned]
    while waiting:
        new = [part for part in parts.get(waiting.pop(), ()) if part not in owned]
        owned.update(new)
        waiting += new
