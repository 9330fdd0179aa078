"""Look at a node: rows of every table, decoded into the same types as what is desired.

Most looks find what was there before, and most rows are of what is as desired, so as little as possible is decoded:

- A dump with the digest of the last one of its table is not even split into rows: all is as it was.
- A row that is what a kind has `expected` of a desired object stands for that very object: it is not decoded, and
  wherever desired and observed are the same object nothing has to be compared.
- A row that was there before is known again by its hash.
- What is told of single rows is laid over what was seen; the table is not looked at.

What is left over is `Observation.unsettled`, and that is all that `reconciler.core.diff` has to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, TypeVar

from intent.resources import kinds
from intent.resources.resource import Key, Resource
from reconciler.core.backend import Backend, Partitions, RowNews
from reconciler.core.desired import Desired
from reconciler.core.errors import BackendError
from reconciler.core.inventory import Inventory
from reconciler.core.overlay import Joined, OverlaidSet, Overlay
from reconciler.core.reading import UNREADABLE, Basis, Reader, Table, one_of
from reconciler.core.relations import retractable

MOST_LAID_OVER = 1000
"""After how many rows that changed one by one their table is looked at again."""
T = TypeVar("T")


class TableView(NamedTuple):
    """The objects of one table by key, and the kinds and the spaces of keys that are among them."""

    name: str
    kinds: Set[type[Resource]]
    spaces: Set[str]
    resources: Mapping[Key, Resource]


class _Owned(Set[Key]):
    """The keys of what is ours: those ``named``, and in some spaces those whose objects say so themselves."""

    def __init__(self, named: Set[Key], speaking: Mapping[str, Mapping[Key, Resource]]) -> None:
        self._named = named
        self._speaking = speaking

    @classmethod
    def _from_iterable(cls, members: Iterable[T]) -> Set[T]:
        return frozenset(members)

    def __contains__(self, key: object) -> bool:
        if isinstance(key, Key) and key.space in self._speaking:
            resource = self._speaking[key.space].get(key)
            if resource is not None:
                return resource.owned()
        return key in self._named

    def __iter__(self) -> Iterator[Key]:
        yield from self._named
        for resources in self._distinct():
            for key, resource in resources.items():
                if resource.owned():
                    yield key

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        own = (resource.owned() for resources in self._distinct() for resource in resources.values())
        return len(self._named) + sum(own)

    def _distinct(self) -> Iterable[Mapping[Key, Resource]]:
        return {id(resources): resources for resources in self._speaking.values()}.values()


def _view(name: str, resources: Mapping[Key, Resource]) -> TableView:
    return TableView(name, set(map(type, resources.values())), {key.space for key in resources}, resources)


class Unsettled(NamedTuple):
    """The keys of all objects that may differ from what is desired, in the order of that.

    They are those that are not there or not the same, and then those that are ours and not desired.
    """

    desired: Desired
    keys: Sequence[Key]


@dataclass(frozen=True)
class Observation:
    """What a node has: the objects by key, which of them are ours, and the tables that could not be seen.

    ``tables`` are the objects once more, table by table. ``unsettled`` is what may differ from what is desired,
    ``None`` when that is not known. ``vanished`` are objects that we made and that have gone by themselves, as they
    are remembered, of kinds of which others may not have noticed.
    """

    resources: Mapping[Key, Resource] = field(default_factory=dict)
    owned: Set[Key] = frozenset()
    unseen: Mapping[str, BackendError] = field(default_factory=dict)
    unsettled: Unsettled | None = None
    tables: Sequence[TableView] = ()
    vanished: Mapping[Key, Resource] = field(default_factory=dict)


def observe(backends: Sequence[Backend], desired: Iterable[Resource], inventory: Inventory) -> Observation:
    """Look once at every table in which something is desired or ours."""
    return Observer(backends).look(Desired(desired), inventory)


class Observer:
    """Looks at a node again and again, and remembers what it saw, so that a look can be at some tables only.

    What is as it was at the last look is not decoded again: the same `Observation` is returned when all of it is.
    """

    def __init__(self, backends: Sequence[Backend], besides: Mapping[str, Partitions] | None = None) -> None:
        """Take the ways to the node, and the parts of tables to look at beside those of what is desired or ours."""
        self._backends = backends
        self._besides = besides or {}
        self._tables: dict[str, Table | BackendError] = {}
        self._basis = Basis(Desired(), Inventory())
        self._last: tuple[list[Table | BackendError], Desired, Observation] = [], Desired(), Observation()
        self._changes: dict[str, dict[Key, Resource | None]] = {}
        self._remembered: tuple[Inventory, Mapping[Key, Resource]] = Inventory(), {}
        self._last_vanished = Observation(), Observation()

    def forget(self) -> None:
        """Have the next look begin from nothing."""
        self._tables, self._changes = {}, {}

    def look(
        self,
        desired: Desired,
        inventory: Inventory,
        tables: Set[str] | None = None,
        rows: Mapping[str, Sequence[RowNews]] | None = None,
    ) -> Observation:
        """Look at every table in which something is desired or ours; of others than ``tables`` tell what was seen.

        ``None`` looks at all. ``rows`` tell of other tables all that has changed in them. What was seen counts only as
        long as desired and inventory are the same: look at all when they are not.
        """
        before = self._tables
        wanted = looked_at(desired, inventory, self._besides)
        kept: Set[str] = frozenset()
        if tables is not None:
            unsuited = {
                table for table, news in (rows or {}).items() if table not in tables and not self._lay_over(table, news)
            }
            kept = before.keys() - tables - unsuited
        self._tables = {table: before[table] for table in wanted if table in kept}
        self._changes = {table: laid for table, laid in self._changes.items() if table in self._tables}
        basis = Basis(desired, inventory)
        for backend in self._backends:
            mine = {
                table: partitions
                for table, partitions in wanted.items()
                if table in backend.tables and table not in self._tables
            }
            for table, dump in backend.dump(mine).items() if mine else ():
                known = before.get(table)
                reader = Reader(table, kinds()[table], basis, self._basis)
                self._tables[table] = reader.read(dump, known if isinstance(known, Table) else None)
        self._basis = basis
        return self._with_vanished(self._with_changes(self._together(wanted, desired), desired))

    def _together(self, wanted: Mapping[str, Partitions], desired: Desired) -> Observation:
        tables = [table for name in wanted if (table := self._tables.get(name)) is not None]
        before, compared_to, observation = self._last
        if (
            desired is compared_to
            and len(before) == len(tables)
            and all(one is other for one, other in zip(before, tables, strict=True))
        ):
            return observation
        seen = [table for table in tables if isinstance(table, Table)]
        resources = Joined(_by_space(seen))
        owned = {key for table in seen for key in table.owned}
        _own_parts([table for table in seen if table.has_owned_parts], owned)
        unsettled = Unsettled(desired, _unsettled(desired, resources, owned, seen))
        observation = Observation(
            resources,
            _Owned(owned, _by_space([table for table in seen if table.rows_stand_alone])),
            {name: table for name in wanted if isinstance(table := self._tables.get(name), BackendError)},
            unsettled,
            tuple(TableView(table.name, table.kinds, table.spaces, table.resources) for table in seen),
        )
        self._last = tables, desired, observation
        return observation

    # Rows that changed one by one.

    def _lay_over(self, name: str, news: Sequence[RowNews]) -> bool:
        """Take what is told of single rows; return whether that can be done without a look at the table."""
        table, basis = self._tables.get(name), self._basis
        changes = self._changes.setdefault(name, {})
        if not isinstance(table, Table) or not table.rows_stand_alone or len(changes) + len(news) > MOST_LAID_OVER:
            return False
        reader = Reader(name, kinds()[name], basis, basis)
        for one in news:
            try:
                read = reader.decode(one.row, table.context)
            except UNREADABLE:
                return False
            if read is None:
                continue
            key = read.key
            resource = one_of(basis.desired.by_key.get(key), read)
            there = changes[key] if key in changes else table.resources.get(key)
            if key in table.twins or (there is not None and there != resource):
                # Something stands beside it under that key, or took its place.
                return False
            changes[key] = None if one.gone else resource
        return True

    def _with_changes(self, observation: Observation, desired: Desired) -> Observation:
        changes = {key: resource for table in self._changes.values() for key, resource in table.items()}
        if not changes:
            return observation
        owned = {key: resource is not None and resource.owned() for key, resource in changes.items()}
        before = () if observation.unsettled is None else observation.unsettled.keys
        unsettled = [key for key in before if key not in changes]
        for key, resource in changes.items():
            want = desired.by_key.get(key)
            if owned[key] if want is None else not _settled(want, resource):
                unsettled.append(key)
        new = [
            _view(name, {key: resource for key, resource in laid.items() if resource is not None})
            for name, laid in self._changes.items()
        ]
        return replace(
            observation,
            resources=Overlay(observation.resources, changes),
            owned=OverlaidSet(observation.owned, owned),
            unsettled=Unsettled(desired, unsettled),
            # What is gone may still be found in its table, and then nowhere else.
            tables=(*observation.tables, *new),
        )

    # What has vanished.

    def _with_vanished(self, observation: Observation) -> Observation:
        desired, inventory = self._basis
        if self._remembered[0] is not inventory:
            self._remembered = inventory, _remembered(inventory)
        # What cannot be seen may be there.
        vanished = {
            key: lost
            for key, lost in (() if observation.unseen else self._remembered[1].items())
            if not (_has_ground(lost, observation) or _has_ground(desired.by_key.get(key), observation))
        }
        if not vanished:
            return observation
        before, found = self._last_vanished
        if observation is not before or found.vanished != vanished:
            keys = () if observation.unsettled is None else observation.unsettled.keys
            keys = list(dict.fromkeys((*keys, *vanished)))
            found = replace(observation, unsettled=Unsettled(desired, keys), vanished=vanished)
            self._last_vanished = observation, found
        return found


def looked_at(
    desired: Desired, inventory: Inventory, besides: Mapping[str, Partitions] | None = None
) -> dict[str, Partitions]:
    """Return the tables to look at, and the parts of each, ``None`` for all of it."""
    wanted: dict[str, Partitions] = {}
    for table, members in kinds().items():
        whole = not all(kind.partitioned for kind in members)
        more = (besides or {}).get(table, frozenset())
        if whole or more is None or (inventory.lost and any(kind.searched for kind in members)):
            wanted[table] = None
        elif parts := inventory.partitions.get(table, frozenset()) | desired.partitions.get(table, frozenset()) | more:
            wanted[table] = parts
    return wanted


def _by_space(tables: Iterable[Table]) -> dict[str, Mapping[Key, Resource]]:
    """Return all objects with keys in each space. More than one table may have some, as files and key files do."""
    found: dict[str, Mapping[Key, Resource]] = {}
    for table in tables:
        resources: Mapping[Key, Resource] = table.resources
        spaces = set(table.spaces)
        for other in {id(other): other for space in spaces if (other := found.get(space)) is not None}.values():
            resources = {**other, **resources}
            spaces |= {space for space, there in found.items() if there is other}
        found |= dict.fromkeys(spaces, resources)
    return found


def _own_parts(tables: Iterable[Table], owned: set[Key]) -> None:
    parts: dict[Key, list[Key]] = {}
    for table in tables:
        for key, resource in table.resources.items():
            if resource.owned_as_part and (whole := resource.part_of()) is not None:
                parts.setdefault(whole, []).append(key)
    waiting = [whole for whole in parts if whole in owned]
    while waiting:
        new = [part for part in parts.get(waiting.pop(), ()) if part not in owned]
        owned.update(new)
        waiting += new


def _remembered(inventory: Inventory) -> Mapping[Key, Resource]:
    """Return the objects in the inventory of which others may have to be told that they have vanished."""
    speaking = [kind for members in kinds().values() for kind in members if retractable(kind)]
    found = ((key, kind.lost(key, held)) for key, held in inventory.entries.items() for kind in speaking)
    return {key: lost for key, lost in found if lost is not None}


def _has_ground(resource: Resource | None, observation: Observation) -> bool:
    """Return whether an object is there, or what it is part of: a part may still show when its whole is gone."""
    if resource is None:
        return False
    whole = resource.part_of()
    return (resource.key if whole is None else whole) in observation.resources


def _settled(want: Resource, have: Resource | None) -> bool:
    """Return whether nothing is to be done about an object that is desired."""
    return have is want or (have is not None and type(have) is type(want) and not want.changes(have))


def _unsettled(
    desired: Desired, resources: Mapping[Key, Resource], owned: set[Key], tables: Sequence[Table]
) -> Sequence[Key]:
    """Return what may differ: first what is desired, then what is ours beside that, each in the order it came in."""
    looked_at = {table.name: table for table in tables}
    differing = [_differing(desired, name, looked_at.get(name)) for name in desired.partitions]
    found = [key for keys in differing for key in keys]
    if sum(map(bool, differing)) > 1:
        some = set(found)
        found = [key for key in desired.by_key if key in some]
    surplus = owned.difference(desired.by_key)
    for table in tables:
        if table.rows_stand_alone:
            others = table.resources.keys() - desired.by_key.keys()
            surplus |= {key for key in others if table.resources[key].owned()}
    return [*found, *(key for key in resources if key in surplus)] if surplus else found


def _differing(desired: Desired, name: str, table: Table | None) -> Sequence[Key]:
    """Return the keys of what is desired in a table and not so in it; asked again of the same it is not compared."""
    if table is None:
        return [key for key, _ in desired.of_table(name)]
    if table.differing is None or table.differing[0] is not desired:
        get = table.resources.get
        keys = [
            key for key, want in desired.of_table(name) if (have := get(key)) is not want and not _settled(want, have)
        ]
        table.differing = desired, keys
    return table.differing[1]
