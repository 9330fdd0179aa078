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

import struct
import sys
from array import array
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from intent.resources import kinds
from intent.resources.resource import Key, Resource
from reconciler.core.backend import Backend, Dump, Partitions, RowNews
from reconciler.core.desired import Desired
from reconciler.core.errors import BackendError, RejectedError
from reconciler.core.inventory import Inventory
from reconciler.core.overlay import Joined, OverlaidSet, Overlay
from reconciler.core.relations import completed, expecting, remembering

MOST_LAID_OVER = 1000
"""After how many rows that changed one by one their table is looked at again."""
ROWS_DECODED_FIRST = 8
"""Of up to one row in so many desired objects each is decoded."""
HASHES_TELL = sys.hash_info.width >= 64
"""Whether two rows with the same hash are the same; of 32 bits, as on small routers, they are too often not."""
T = TypeVar("T")
_UNREADABLE = (ValueError, LookupError, struct.error)


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
    ``None`` when that is not known.
    """

    resources: Mapping[Key, Resource] = field(default_factory=dict)
    owned: Set[Key] = frozenset()
    unseen: Mapping[str, BackendError] = field(default_factory=dict)
    unsettled: Unsettled | None = None
    tables: Sequence[TableView] = ()


def observe(backends: Sequence[Backend], desired: Iterable[Resource], inventory: Inventory) -> Observation:
    """Look once at every table in which something is desired or ours."""
    return Observer(backends).look(Desired(desired), inventory)


class Observer:
    """Looks at a node again and again, and remembers what it saw, so that a look can be at some tables only.

    What is as it was at the last look is not decoded again: the same `Observation` is returned when all of it is.
    """

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = backends
        self._tables: dict[str, _Table | BackendError] = {}
        self._basis = _Basis(Desired(), Inventory())
        self._last: tuple[list[_Table | BackendError], Desired, Observation] = [], Desired(), Observation()
        self._changes: dict[str, dict[Key, Resource | None]] = {}

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
        wanted = _wanted(desired, inventory)
        kept: Set[str] = frozenset()
        if tables is not None:
            unsuited = {
                table for table, news in (rows or {}).items() if table not in tables and not self._lay_over(table, news)
            }
            kept = before.keys() - tables - unsuited
        self._tables = {table: before[table] for table in wanted if table in kept}
        self._changes = {table: laid for table, laid in self._changes.items() if table in self._tables}
        basis = _Basis(desired, inventory)
        for backend in self._backends:
            mine = {
                table: partitions
                for table, partitions in wanted.items()
                if table in backend.tables and table not in self._tables
            }
            for table, dump in backend.dump(mine).items() if mine else ():
                known = before.get(table)
                reader = _Reader(table, basis, self._basis)
                self._tables[table] = reader.read(dump, known if isinstance(known, _Table) else None)
        self._basis = basis
        return self._with_changes(self._together(wanted, desired), desired)

    def _together(self, wanted: Mapping[str, Partitions], desired: Desired) -> Observation:
        tables = [table for name in wanted if (table := self._tables.get(name)) is not None]
        before, compared_to, observation = self._last
        if (
            desired is compared_to
            and len(before) == len(tables)
            and all(one is other for one, other in zip(before, tables, strict=True))
        ):
            return observation
        seen = [table for table in tables if isinstance(table, _Table)]
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
        if not isinstance(table, _Table) or not table.rows_stand_alone or len(changes) + len(news) > MOST_LAID_OVER:
            return False
        reader = _Reader(name, basis, basis)
        for one in news:
            try:
                read = reader.decode(one.row, table.context)
            except _UNREADABLE:
                return False
            if read is None:
                continue
            key = read.key
            resource = _one_of(basis.desired.by_key.get(key), read)
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


@dataclass(slots=True)
class _Table:
    """The objects in the rows of one table, by key; the digest is that of the dump.

    Where rows stand alone an object tells by itself whether it is ours; elsewhere ``owned`` are those that are. Rows
    that stand alone in a dump with a digest are known again: ``hashes`` has that of each, and ``keys`` the keys of
    their objects. ``twins`` are the keys of which there is more than one row.
    """

    name: str
    digest: Hashable | None
    context: Any
    rows_stand_alone: bool
    has_owned_parts: bool
    kinds: set[type[Resource]] = field(default_factory=set)
    spaces: set[str] = field(default_factory=set)
    resources: dict[Key, Resource] = field(default_factory=dict)
    owned: set[Key] = field(default_factory=set)
    twins: set[Key] = field(default_factory=set)
    hashes: array[int] = field(default_factory=lambda: array("q"))
    keys: list[Key | None] = field(default_factory=list)
    differing: tuple[Desired, list[Key]] | None = None

    def is_as(self, other: _Table) -> bool:
        """Return whether nothing that counts differs in another look at the table."""
        mine, theirs = self.resources, other.resources
        return (
            self.owned == other.owned
            and self.twins == other.twins
            # By it the rows are read that are told of one by one.
            and (not self.rows_stand_alone or self.context == other.context)
            and mine.keys() == theirs.keys()
            and all(type(one) is type(theirs[key]) and one.is_as(theirs[key]) for key, one in mine.items())
        )


class _Basis(NamedTuple):
    """What a row is read by."""

    desired: Desired
    inventory: Inventory


class _Reader:
    """Reads the rows of one table."""

    def __init__(self, table: str, basis: _Basis, before: _Basis) -> None:
        self._name = table
        self._kinds = kinds()[table]
        self._basis = basis
        self._before = before

    def read(self, dump: Dump | BackendError, known: _Table | None) -> _Table | BackendError:
        """Return what is in a dump: the very same as is known where that is known to be so."""
        if isinstance(dump, BackendError):
            return dump
        if known is not None and not self._holds(known):
            known = None
        if known is not None and dump.digest is not None and dump.digest == known.digest:
            return known
        try:
            found = self._decode(dump, known)
        except _UNREADABLE as exc:
            return RejectedError(f"table {self._name}: a row could not be understood: {exc!r}")
        return known if known is not None and dump.digest is None and known.is_as(found) else found

    def _holds(self, known: _Table) -> bool:
        """Return whether what was read on another basis would be read the same on this one."""
        desired, inventory = self._before
        return (self._basis.inventory is inventory or not any(map(remembering, self._kinds))) and (
            self._basis.desired is desired or not known.twins
        )

    def decode(self, row: Any, context: Any) -> Resource | None:
        """Return the object in a row, ``None`` when no kind knows it. Raises what `_UNREADABLE` lists."""
        for kind in self._kinds:
            resource = kind.decode(row, context)
            if resource is not None:
                return resource
        return None

    def _decode(self, dump: Dump, known: _Table | None) -> _Table:
        found = _Table(
            self._name,
            dump.digest,
            dump.context,
            not any(completed(kind) or remembering(kind) or kind.owned_as_part for kind in self._kinds),
            any(kind.owned_as_part for kind in self._kinds),
        )
        note = found.rows_stand_alone and dump.digest is not None and HASHES_TELL
        rows = dump.rows if known is None or not note else _new_rows(dump, known, found)
        for row in self._unexpected(rows, note, found):
            resource = self.decode(row, dump.context)
            if resource is not None:
                self._take(resource, found)
            if note:
                found.hashes.append(hash(row))
                found.keys.append(None if resource is None else resource.key)
        for kind in filter(completed, self._kinds):
            found.resources.update((one.key, one) for one in list(kind.related(found.resources.values())))
        return found

    def _unexpected(self, rows: Iterable[Any], note: bool, found: _Table) -> Iterable[Any]:
        """Take the rows that are of what is as desired; return the others."""
        kind = next(filter(expecting, self._kinds), None)
        members = None if kind is None else self._basis.desired.kinds.get(kind)
        if kind is None or members is None:
            return rows
        rows = iter(rows)
        # It costs less to decode a few rows than to spell out what all should be.
        few = list(islice(rows, len(members[0]) // ROWS_DECODED_FIRST))
        if len(few) < len(members[0]) // ROWS_DECODED_FIRST:
            return few
        expected = kind.expected(zip(*members, strict=True), found.context)
        as_desired: list[Key] = []
        others = []
        # What was there before under a key may still be there, beside it.
        taken = found.resources or ()
        for row in chain(few, rows):
            key = expected(row)
            if key is None or key in taken:
                others.append(row)
            else:
                as_desired.append(key)
                if note:
                    found.hashes.append(hash(row))
        if as_desired:
            found.keys += as_desired if note else ()
            found.kinds.add(kind)
            found.spaces.add(as_desired[0].space)
            found.resources.update(
                zip(as_desired, map(self._basis.desired.by_key.__getitem__, as_desired), strict=True)
            )
        return others

    def _take(self, resource: Resource, found: _Table) -> None:
        desired, inventory = self._basis
        key = resource.key
        remembered = inventory.entries.get(key)
        if remembered is not None:
            resource = resource.recall(remembered)
        ours = resource.owned() or (resource.inventoried and remembered is not None)
        want = desired.by_key.get(key)
        if key in found.resources:
            found.twins.add(key)
            there = found.resources[key]
            if _rank(resource, ours, want) < _rank(there, key in found.owned or there.owned(), want):
                return
        found.kinds.add(type(resource))
        found.spaces.add(key.space)
        found.resources[key] = _one_of(want, resource)
        if ours and not found.rows_stand_alone:
            found.owned.add(key)
        else:
            found.owned.discard(key)


def _new_rows(dump: Dump, known: _Table, found: _Table) -> Iterable[Any]:
    """Take over what is known of rows that were there before; return the others.

    A row is known again by its hash of 64 bits, keyed anew in each process: that one of 100,000 rows becomes another of
    the same hash as one before happens less often than once in 10¹⁴ looks.
    """
    before = dict(zip(known.hashes, known.keys, strict=True))
    if not before or known.twins or known.context != dump.context or len(before) < len(known.hashes):
        return dump.rows
    new = []
    for row in dump.rows:
        number = hash(row)
        if number in before:
            found.hashes.append(number)
            found.keys.append(before.pop(number))
        else:
            new.append(row)
    found.kinds, found.spaces, found.resources = known.kinds | found.kinds, set(known.spaces), dict(known.resources)
    for key in before.values():
        if key is not None:
            del found.resources[key]
    return new


def _wanted(desired: Desired, inventory: Inventory) -> dict[str, Partitions]:
    wanted: dict[str, Partitions] = {}
    for table, members in kinds().items():
        whole = not all(kind.partitioned for kind in members)
        if whole or (inventory.lost and any(kind.searched for kind in members)):
            wanted[table] = None
        elif parts := inventory.partitions.get(table, frozenset()) | desired.partitions.get(table, frozenset()):
            wanted[table] = parts
    return wanted


def _rank(resource: Resource, ours: bool, want: Resource | None) -> tuple[bool, bool, bool, str]:
    """Return by what one of two is compared that the kernel holds under one key, such as two routes: the higher.

    What an administrator has put beside ours is in the way when ours is wanted: a change in place could hit either.
    Ours is the one to remove, and the one to compare where a daemon made the other. Which of two others it is does not
    depend on which was seen first; rather the one that differs.
    """
    in_the_way = want is not None and not ours and not resource.automatic()
    return in_the_way, ours, resource != want, repr(resource)


def _by_space(tables: Iterable[_Table]) -> dict[str, Mapping[Key, Resource]]:
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


def _own_parts(tables: Iterable[_Table], owned: set[Key]) -> None:
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


def _one_of(want: Resource | None, read: Resource) -> Resource:
    """Return the desired object where what was read is the same in all that anybody decides by.

    Then there is one in memory, which need not be compared again.
    """
    return want if want is not None and want == read and want.is_as(read) else read


def _settled(want: Resource, have: Resource | None) -> bool:
    """Return whether nothing is to be done about an object that is desired."""
    return have is want or (have is not None and type(have) is type(want) and not want.changes(have))


def _unsettled(
    desired: Desired, resources: Mapping[Key, Resource], owned: set[Key], tables: Sequence[_Table]
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


def _differing(desired: Desired, name: str, table: _Table | None) -> Sequence[Key]:
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
