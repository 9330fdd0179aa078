"""The shape of every object that Stellwerk compares and changes.

The same frozen value describes what is desired and what was observed. A resource never touches a socket: the
requests that create, change or delete it are data, which a backend sends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, Self


class Key(NamedTuple):
    """The identity of an object: a name in a space of names. All link kinds share the space ``link``."""

    space: str
    name: tuple[str | int, ...]

    def __str__(self) -> str:
        """Return the key as words, such as ``link gre-provider``."""
        return " ".join((self.space, *map(str, self.name)))


class Claim(NamedTuple):
    """A thing that one object at a time can hold in a node, such as a UDP port."""

    thing: str
    value: Hashable

    def __str__(self) -> str:
        """Return the claim as words, such as ``UDP port 51820``."""
        return f"{self.thing} {self.value}"


class Change(NamedTuple):
    """A field's observed and desired value."""

    have: Any
    want: Any


class Drain(NamedTuple):
    """The requests that make others stop using an object, and what they leave in its place, which is deleted then.

    A request that fails stops those after it, and is told; the object is deleted all the same.
    """

    requests: tuple[Request, ...]
    leaves: Resource


class Notice(NamedTuple):
    """What an operator is to know about an observed object that is nobody's to change here.

    ``event`` is what the history calls it. ``words`` say what it is, in a sentence that stays the same, ``state`` how
    it is now; ``facts`` are both as JSON. A harmful one makes the node degraded. All of it is untrusted text.
    """

    event: str
    words: str
    state: str
    harmful: bool
    facts: Mapping[str, Any]


class Request:
    """Base of all wire requests: frozen data that a backend knows how to send."""

    __slots__ = ()


class Resource(ABC):
    """An object in the kernel, babeld or the file system, as desired or as observed.

    Subclasses are frozen dataclasses with slots. A field that is ``None`` in a desired resource is unmanaged and
    is not compared; ``None`` in an observed one means that the value cannot be seen, or that there is none.
    """

    __slots__ = ()

    table: ClassVar[str]
    """The backend table whose rows this kind decodes."""
    catch_all: ClassVar[bool] = False
    """Whether this kind decodes what no other kind of its table recognises."""
    compared: ClassVar[tuple[str, ...]] = ()
    """The fields that are compared, in the order they are shown."""
    incidental: ClassVar[frozenset[str]] = frozenset()
    """The compared fields without which the object does its work all the same."""
    replace_on: ClassVar[frozenset[str]] = frozenset()
    """The compared fields that cannot be changed in place. Every field used in `claims` belongs to them."""
    disruptive: ClassVar[frozenset[str]] = frozenset()
    """The compared fields whose change in place interrupts traffic."""
    adopts: ClassVar[bool] = False
    """Whether an object that is already there may be changed and owned from then on (a sysctl always exists)."""
    inventoried: ClassVar[bool] = False
    """Whether the object can carry no mark of ours, so that only the inventory knows that we own it."""

    owned_as_part: ClassVar[bool] = False
    """Whether the object is ours whenever the one it is part of is (a peer of our WireGuard interface)."""
    partitioned: ClassVar[bool] = False
    """Whether only parts of the table are looked at, those that `partition` names."""
    searched: ClassVar[bool] = False
    """Whether the whole of a partitioned table is searched for our marks when the inventory was lost."""
    refers_to: ClassVar[frozenset[str] | None] = None
    """The spaces of all keys that the relations of this kind may name, ``None`` when they may be any.

    Relations are `requires`, `part_of`, `renewed_by`, `keeps` and `replaced_through`. What stands on one object of a
    large table, such as a route, is found without asking all that cannot.
    """
    noticed: ClassVar[str | None] = None
    """The name of the list in the status of what `notice` tells, ``None`` for kinds that it tells nothing of."""
    may_be_lacked: ClassVar[bool] = True
    """Whether there are nodes that lack what it takes to make or change objects of this kind."""

    @property
    @abstractmethod
    def key(self) -> Key:
        """The identity, the same for the desired and the observed object."""

    @abstractmethod
    def describe(self) -> str:
        """Return the object in the words of ``ip``, without its action, on one line and without secrets."""

    def requires(self) -> tuple[Key, ...]:
        """Return the keys that must exist before this object is created and as long as it exists."""
        return ()

    def claims(self) -> tuple[Claim, ...]:
        """Return what this object holds exclusively."""
        return ()

    def part_of(self) -> Key | None:
        """Return the key of the object with which this one vanishes, so that deleting it alone is not needed."""
        return None

    def partition(self) -> Hashable:
        """Return the part of a partitioned table that has to be looked at to see this object (a routing table)."""
        return None

    def owned(self) -> bool:
        """Return whether the observed object carries our mark."""
        return False

    def automatic(self) -> bool:
        """Return whether a kernel or a daemon made the observed object by itself and will make it again."""
        return False

    def renewed_by(self) -> tuple[Key, ...]:
        """Return the keys whose change makes a replacement of this object necessary."""
        return ()

    def renews(self, changes: Mapping[str, Change]) -> bool:
        """Return whether these changes in place of this desired object replace what is renewed by it."""
        return True

    def keeps(self) -> Mapping[Key, str]:
        """Return the keys that may not be removed while this observed object is as it is, each with the reason.

        They are removed after it is made anew, or once it is gone.
        """
        return {}

    def replaced_through(self) -> Key | None:
        """Return the key of the object to replace when this observed one cannot be deleted by itself."""
        return None

    def hindrance(self, observed: Self | None) -> str | None:
        """Return why this desired object may not be created or replaced now, or ``None`` when it may.

        The operation is then shown as pending, with this reason, and not carried out.
        """
        return None

    def is_as(self, earlier: Self) -> bool:
        """Return whether this observed object is as it was at an earlier look, for all that anybody decides by it."""
        return self == earlier

    def changes(self, observed: Self) -> dict[str, Change]:
        """Return the compared fields in which the observed object differs from this desired one."""
        return {
            field: Change(have, want)
            for field in self.compared
            if (want := getattr(self, field)) is not None and want != (have := getattr(observed, field))
        }

    def show(self, field: str) -> str:
        """Return a field's value for people; never a secret."""
        return str(getattr(self, field))

    def as_observed(self) -> Self:
        """Return this desired object as it would be observed on a node that has it just so."""
        return self

    def recall(self, remembered: Mapping[str, Any]) -> Self:
        """Return this observed object completed by what the inventory holds about it."""
        return self

    def remember(self, observed: Self | None) -> dict[str, Any] | None:
        """Return the JSON object to hold in the inventory about this desired object, ``None`` for nothing.

        ``observed`` is what was there before the change. An inventoried kind returns at least an empty object.
        """
        return {} if self.inventoried else None

    def drain(self) -> Drain | None:
        """Return what makes others stop using this observed object before it is deleted for good."""
        return None

    @classmethod
    def lost(cls, key: Key, remembered: Mapping[str, Any]) -> Self | None:
        """Return the object of this kind that the inventory holds this about, if others may miss that it is gone.

        Where it has vanished, itself or with what it is part of, and is not made again at once, they are told by
        `retract`. ``None`` for objects of other kinds.
        """
        return None

    def retract(self) -> Drain | None:
        """Return what makes others stop using this object, which has vanished by itself."""
        return None

    def told(self) -> Self:
        """Return this observed object without what is nobody's to know elsewhere, not even by a fingerprint."""
        return self

    def notice(self, desired: Mapping[Key, Resource], observed: Mapping[Key, Resource]) -> Notice | None:
        """Return what an operator is to know about this observed object, by all that is desired and observed."""
        return None

    @classmethod
    @abstractmethod
    def decode(cls, row: Any, context: Any) -> Self | None:
        """Return the object in a row of its table, or ``None`` when the row is of another kind.

        ``context`` is what the backend's dump says is needed to read a row, such as the names of links by index.
        """

    @classmethod
    def related(cls, seen: Iterable[Resource]) -> Iterable[Resource]:
        """Return, completed, the objects among those seen in the table whose rows alone do not say all about them."""
        return ()

    @classmethod
    def expected(cls, desired: Iterable[tuple[Key, Self]], context: Any) -> Callable[[Any], Key | None]:
        """Return what tells, of a row, which desired object it stands for, ``None`` when it has to be decoded.

        It stands for an object when it would be decoded to one that is equal. Of large tables most rows do, and to
        spell the desired ones as the kernel does takes less than to decode what it says. Never raises.
        """
        return lambda row: None

    @abstractmethod
    def create(self) -> tuple[Request, ...]:
        """Return the requests that create this object; it is not there."""

    @abstractmethod
    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the requests that change the observed object in place into this one."""

    @abstractmethod
    def delete(self) -> tuple[Request, ...]:
        """Return the requests that delete this observed object."""
