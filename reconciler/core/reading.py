"""The rows of a table, read into the objects that they stand for.

What is known already is not read again: see `reconciler.core.observe`.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple

from intent.resources.resource import Key, Resource
from reconciler.core.backend import Dump
from reconciler.core.desired import Desired
from reconciler.core.errors import BackendError, RejectedError
from reconciler.core.inventory import Inventory
from reconciler.core.relations import completed, expecting, remembering

ROWS_DECODED_FIRST = 8
"""Of up to one row in so many desired objects each is decoded."""
HASHES_TELL = sys.hash_info.width >= 64
"""Whether two rows with the same hash are the same; of 32 bits, as on small routers, they are too often not."""
UNREADABLE = (ValueError, LookupError, struct.error)
"""What a kind raises that cannot understand a row."""


@dataclass(slots=True)
class Table:
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

    def is_as(self, other: Table) -> bool:
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


class Basis(NamedTuple):
    """What a row is read by."""

    desired: Desired
    inventory: Inventory


class Reader:
    """Reads the rows of one table."""

    def __init__(self, table: str, kinds: Sequence[type[Resource]], basis: Basis, before: Basis) -> None:
        self._name = table
        self._kinds = kinds
        self._basis = basis
        self._before = before

    def read(self, dump: Dump | BackendError, known: Table | None) -> Table | BackendError:
        """Return what is in a dump: the very same as is known where that is known to be so."""
        if isinstance(dump, BackendError):
            return dump
        if known is not None and not self._holds(known):
            known = None
        if known is not None and dump.digest is not None and dump.digest == known.digest:
            return known
        try:
            found = self._decode(dump, known)
        except UNREADABLE as exc:
            return RejectedError(f"table {self._name}: a row could not be understood: {exc!r}")
        return known if known is not None and dump.digest is None and known.is_as(found) else found

    def _holds(self, known: Table) -> bool:
        """Return whether what was read on another basis would be read the same on this one."""
        desired, inventory = self._before
        return (self._basis.inventory is inventory or not any(map(remembering, self._kinds))) and (
            self._basis.desired is desired or not known.twins
        )

    def decode(self, row: Any, context: Any) -> Resource | None:
        """Return the object in a row, ``None`` when no kind knows it. Raises what `UNREADABLE` lists."""
        for kind in self._kinds:
            resource = kind.decode(row, context)
            if resource is not None:
                return resource
        return None

    def _decode(self, dump: Dump, known: Table | None) -> Table:
        found = Table(
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

    def _unexpected(self, rows: Iterable[Any], note: bool, found: Table) -> Iterable[Any]:
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

    def _take(self, resource: Resource, found: Table) -> None:
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
        found.resources[key] = one_of(want, resource)
        if ours and not found.rows_stand_alone:
            found.owned.add(key)
        else:
            found.owned.discard(key)


def _new_rows(dump: Dump, known: Table, found: Table) -> Iterable[Any]:
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


def _rank(resource: Resource, ours: bool, want: Resource | None) -> tuple[bool, bool, bool, str]:
    """Return by what one of two is compared that the kernel holds under one key, such as two routes: the higher.

    What an administrator has put beside ours is in the way when ours is wanted: a change in place could hit either.
    Ours is the one to remove, and the one to compare where a daemon made the other. Which of two others it is does not
    depend on which was seen first; rather the one that differs.
    """
    in_the_way = want is not None and not ours and not resource.automatic()
    return in_the_way, ours, resource != want, repr(resource)


def one_of(want: Resource | None, read: Resource) -> Resource:
    """Return the desired object where what was read is the same in all that anybody decides by.

    Then there is one in memory, which need not be compared again.
    """
    return want if want is not None and want == read and want.is_as(read) else read
