"""What of a node concerns the other nodes of its fleet.

A feature yields these as plain values (`intent.feature.Feature.shares`); `intent.fleet.across` compares those of all
nodes. None of them names a feature.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING, NamedTuple

from intent.tree import Path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Unique(NamedTuple):
    """A value that one node of a fleet has, such as an address: ``thing`` says what it is of."""

    path: Path
    thing: str
    value: str


class UniqueAtHost(NamedTuple):
    """A value that one of the nodes behind the same public host has, such as a UDP port."""

    path: Path
    thing: str
    value: int


class Prefixed(NamedTuple):
    """A prefix that overlaps no other node's of the same ``thing``, unless both are equal and say ``shared``.

    ``shared`` is ``None`` where there is no such field.
    """

    path: Path
    thing: str
    prefix: str
    shared: bool | None


class Meeting(NamedTuple):
    """One end of a connection by public keys, whose other end a node of the fleet, or a known key, has to be.

    ``key`` is the other end's public key, ``own`` the name under which this node's is public. ``node`` is the other
    node where the end names it; it then has its key under the name ``own`` too. ``interface`` is where the connection
    ends, ``None`` where that belongs to the mesh in any case. ``agreed`` are fields, with their values as text, that
    are the same at both ends. ``endpoint`` is the host and port at which the other end is sought.
    """

    path: Path
    thing: str
    own: str
    key: str
    node: str | None
    interface: str | None
    listen_port: int | None
    endpoint: tuple[str, int] | None
    agreed: tuple[tuple[str, str], ...]


class Tunnelling(NamedTuple):
    """One end of a connection by addresses: where ``remote`` is another node's ``local``, that has the other end."""

    path: Path
    thing: str
    local: str
    remote: str
    interface: str
    agreed: tuple[tuple[str, str], ...]


class Member(NamedTuple):
    """The node belongs to the mesh. ``exits``: it counts on exits that are there."""

    path: Path
    exits: bool


class Speaking(NamedTuple):
    """The node speaks to the mesh at this interface; who else does is said by connections and segments."""

    path: Path
    interface: str


class Leaving(NamedTuple):
    """Traffic of the mesh leaves here."""

    path: Path


Share = Unique | UniqueAtHost | Prefixed | Meeting | Tunnelling | Member | Speaking | Leaving
SHARES: tuple[type[Share], ...] = (
    Unique,
    UniqueAtHost,
    Prefixed,
    Meeting,
    Tunnelling,
    Member,
    Speaking,
    Leaving,
)


def said(agreed: bool) -> str:
    """Return a truth value as the text of an agreed field."""
    return "yes" if agreed else "no"


def address_shares(path: Path, addresses: Sequence[IPv4Interface | IPv6Interface]) -> Iterator[Unique]:
    """Yield the addresses of an interface that others could have too; ``path`` leads to their list."""
    for number, address in enumerate(addresses):
        if not (address.is_link_local or address.is_loopback):
            yield Unique((*path, number), "address", str(address.ip))
