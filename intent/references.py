"""What an intent refers to but does not contain: key files, names, what the running system has and can do.

A feature lists the references it needs; the reconciler resolves them, once each, and hands the values to `expand`,
which so stays pure. Adding a kind of reference is a class here and a module with its resolver beside the backends.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import IPv6Network
from typing import Any, Generic, TypeVar, cast

from intent.resources.rule import TABLE_MAIN
from intent.secrets import PresharedKey, PrivateKey

T = TypeVar("T")


class Reference(Generic[T]):
    """Base of all references; ``T`` is the type of the resolved value."""

    __slots__ = ()

    @property
    def lives_on(self) -> Mapping[str, frozenset[Hashable] | None]:
        """The tables of the node that the value depends on, and which parts of each, ``None`` for all of it.

        At news of one of them it is resolved anew, in the same turn. Of ``route`` the parts are the numbers of routing
        tables.
        """
        return {}

    def change(self, before: T, after: T) -> str:
        """Return in words how the value has changed, for the history; nothing where that says no more than the plan."""
        return ""

    def assumed(self) -> T:
        """Return the value to plan with where no node is at hand: all is there and works, and nobody is in the way."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ResolvedKey:
    """A private key, and whether it was made just now because its file does not exist yet."""

    key: PrivateKey
    generated: bool


@dataclass(frozen=True, slots=True)
class PrivateKeyFile(Reference[ResolvedKey]):
    """The private key in a file of ``wg genkey``'s form; made anew when it is missing and ``generate`` is set."""

    path: str
    generate: bool

    def assumed(self) -> ResolvedKey:
        """Return a key of its own for each path."""
        return ResolvedKey(PrivateKey(_stand_in("private", self.path)), generated=False)


@dataclass(frozen=True, slots=True)
class PresharedKeyFile(Reference[PresharedKey]):
    """The preshared key in a file of ``wg genpsk``'s form."""

    path: str

    def assumed(self) -> PresharedKey:
        """Return a key of its own for each path."""
        return PresharedKey(_stand_in("preshared", self.path))


@dataclass(frozen=True, slots=True)
class AgePrivateKey(Reference[ResolvedKey]):
    """The private key in an age file: ``age`` is its absolute path, or its content in base64."""

    age: str = field(repr=False)

    def assumed(self) -> ResolvedKey:
        """Return a key of its own for each file."""
        return ResolvedKey(PrivateKey(_stand_in("private", self.age)), generated=False)


@dataclass(frozen=True, slots=True)
class AgePresharedKey(Reference[PresharedKey]):
    """The preshared key in an age file: ``age`` is its absolute path, or its content in base64."""

    age: str = field(repr=False)

    def assumed(self) -> PresharedKey:
        """Return a key of its own for each file."""
        return PresharedKey(_stand_in("preshared", self.age))


@dataclass(frozen=True, slots=True)
class HostAddress(Reference[tuple[str, ...]]):
    """The addresses of a host name, in the same order at each look; none when it cannot be resolved now."""

    name: str

    def assumed(self) -> tuple[str, ...]:
        """Return no address: which one it is, only a resolver knows."""
        return ()


@dataclass(frozen=True, slots=True)
class KernelLinkKind(Reference[bool]):
    """Whether the running kernel can make links of this kind, such as ``wireguard`` (as in ip-link(8))."""

    kind: str

    def assumed(self) -> bool:
        """Return that it can."""
        return True


@dataclass(frozen=True, slots=True)
class AdvertisedUplinks(Reference[tuple[str, ...]]):
    """The links with a default route by router advertisement that they would lose when the node begins to forward.

    Those are the ones with accept_ra=1; with 2 they go on listening (Documentation/networking/ip-sysctl.rst).
    """

    def assumed(self) -> tuple[str, ...]:
        """Return none."""
        return ()


@dataclass(frozen=True, slots=True)
class DelegatedPrefix(Reference[IPv6Network | None]):
    """A part, of this length and number, of the prefix that is delegated on an uplink; ``None`` while there is none.

    It is inside the block ``within``, if any, and global unicast unless ``special_purpose`` ones count too. Where
    several are there, this node's own routes in ``routing_table`` tell which one has been in use.
    """

    interface: str
    length: int
    subnet: int = -1
    within: IPv6Network | None = None
    special_purpose: bool = False
    routing_table: int | None = field(default=None, compare=False)

    @property
    def lives_on(self) -> Mapping[str, frozenset[Hashable] | None]:
        """The main table, where DHCPv6 clients leave a route for it, and addresses, which may be deprecated."""
        return {"route": frozenset({TABLE_MAIN}), "address": None}

    def change(self, before: IPv6Network | None, after: IPv6Network | None) -> str:
        """Return what became of it."""
        words = f"the prefix delegated on {self.interface}"
        if after is None:
            return f"{words} is gone, it was {before}"
        return f"{words} is {after}" if before is None else f"{words} changed from {before} to {after}"

    def assumed(self) -> None:
        """Return that nothing is delegated."""


class References:
    """The resolved values, by reference. Two are equal when both hold the same references with equal values."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[Reference[Any], Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, reference: Reference[T]) -> T:
        """Return the resolved value. Raises KeyError for a reference that the feature did not list."""
        return cast(T, self._values[reference])

    def __contains__(self, reference: Reference[Any]) -> bool:
        """Return whether the reference was resolved: what is not needed for a node to be kept may be left out."""
        return reference in self._values

    def changes(self, before: References) -> tuple[str, ...]:
        """Return in words which values are others than before."""
        old = before._values
        told = (one.change(old[one], value) for one, value in self._values.items() if one in old and old[one] != value)
        return tuple(dict.fromkeys(filter(None, told)))

    def __eq__(self, other: object) -> bool:
        """Return whether a node expanded with the one is the same as with the other."""
        return isinstance(other, References) and self._values == other._values


def assumed(references: Iterable[Reference[Any]]) -> References:
    """Return the values to plan with where no node is at hand."""
    return References({one: one.assumed() for one in references})


def _stand_in(kind: str, path: str) -> bytes:
    """Return 32 bytes that stand for the key in a file, the same wherever that file is named."""
    return sha256(f"stellwerk assumed {kind} key\0{path}".encode()).digest()
