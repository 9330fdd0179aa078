"""The IPv6 prefixes that are delegated to this node, as DHCPv6 clients leave them in the kernel (RFC 8415, 6.3).

No client tells of them in a way that others share, but all leave a route in the main table that makes what is not
used of a delegated prefix unreachable, as RFC 7084 (WPD-5) wants it. It hangs on the loopback link, so that it does
not say by which uplink the prefix came:

- OpenWrt's netifd, for odhcp6c: ``proto static metric 2147483647``, and one for its unique local prefix too;
- systemd-networkd: ``proto dhcp metric 1024``; none for a prefix of length 64;
- dhcpcd: ``proto dhcp``, older ones ``boot`` or ``static``, with the metric of the interface.

The kernel keeps no lifetime of such a route, whatever the client gives it (``RTF_REJECT`` takes the place of all other
flags, net/ipv6/route.c): the route of a client that died stays until somebody removes it, and counts until then.

When the provider renumbers, old and new are both there for a while. The addresses inside the old one are deprecated
then (RFC 9096), or are soon; where nobody says so, what is in use stays in use while it is there. When it goes, what
came with that is taken at once; what had been beside it for long may be of another uplink, and is only taken where the
operator has named the provider's block. Who does not know
what is in use, since it has just been started, learns it from this node's own routes, which the kernel remembers.
"""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network
from typing import Any, ClassVar, Final

from intent.delegation import cut
from intent.references import DelegatedPrefix, Reference
from intent.resources import netlink
from intent.resources.address import IFA_F_PERMANENT, RTM_NEWADDR
from intent.resources.route import (
    PROTOCOL_ANNOUNCED,
    PROTOCOLS,
    RTA_DST,
    RTA_SRC,
    RTA_TABLE,
    RTM_NEWROUTE,
    RTN_NUMBERS,
)
from intent.resources.rule import TABLE_MAIN
from intent.special_purpose import unrouted
from reconciler.backends.machine_clock import MachineClock
from reconciler.backends.netlink_events import routing_table
from reconciler.backends.netlink_socket import NetlinkSocket
from reconciler.backends.references import Resolution, Resolver
from reconciler.core.clock import Clock
from reconciler.core.errors import StaleError

GRACE_SECONDS = 10.0
"""How long a prefix that vanished is held: a client that is started anew takes it away and gets the same again."""
AGAIN_SECONDS = 1.0
"""When to look again after the kernel could not be asked."""

INTERFACE_LENGTH = 64
RTM_GETADDR = 22
RTM_GETROUTE = 26
AF_INET6 = 10
IFA_ADDRESS = 1
IFA_FLAGS = 8
IFA_F_DEPRECATED = 0x20
CLIENTS: Final = frozenset({3, 4, 16})
"""The protocols of routes that DHCPv6 clients make: boot, static, dhcp (linux/rtnetlink.h)."""
_UNREACHABLE = RTN_NUMBERS["unreachable"]
_RTMSG = struct.Struct("=BBBBBBBBI")
_IFADDRMSG = struct.Struct("=BBBBI")


@dataclass(frozen=True, slots=True)
class HeldAddress:
    """An address of this node: the prefix that it is in, whether it is deprecated (RFC 4862), or without a lifetime."""

    address: IPv6Address
    length: int
    link: str
    deprecated: bool
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Delegations:
    """What the kernel has of it: prefixes with an unreachable route, and addresses."""

    routes: Collection[IPv6Network]
    addresses: tuple[HeldAddress, ...] = ()

    def on(self, link: str) -> frozenset[IPv6Network]:
        """Return the prefixes that may be delegated on a link."""
        # A prefix of length 64 is the link's own (RFC 4291, 2.5.1), and longer ones are parts of one.
        given = (one for one in self.addresses if one.link == link and one.length < INTERFACE_LENGTH)
        by_address = {IPv6Network((int(one.address), one.length), strict=False) for one in given}
        return frozenset(self.routes) | by_address

    def deprecated(self, prefix: IPv6Network) -> bool:
        """Return whether there are addresses inside a prefix, and all of them deprecated.

        One without a lifetime is no DHCPv6 client's, but this node's own or the operator's, and tells nothing.
        """
        inside = [
            one.deprecated for one in self.addresses if one.address in prefix and (one.deprecated or not one.permanent)
        ]
        return bool(inside) and all(inside)


@dataclass(frozen=True, slots=True)
class OwnPart:
    """What a route of this node's own is to, or from: it shows that the prefix which this is a part of was in use."""

    part: IPv6Network
    announced: bool


def delegations() -> Delegations:
    """Return what the kernel has now. Raises BackendError."""
    connection = NetlinkSocket(socket.NETLINK_ROUTE)
    try:
        routes = dumped_routes(connection, TABLE_MAIN, kind=_UNREACHABLE)
        addresses = connection.dump(RTM_GETADDR, _IFADDRMSG.pack(AF_INET6, 0, 0, 0, 0))
    finally:
        connection.close()
    names = dict(socket.if_nameindex())
    return Delegations(
        frozenset(found for kind, row in routes if kind == RTM_NEWROUTE and (found := route(row)) is not None),
        tuple(address(row, names) for kind, row in addresses if kind == RTM_NEWADDR and row[0] == AF_INET6),
    )


def own_parts(routing_table: int) -> tuple[OwnPart, ...]:
    """Return what our own routes in a table are to and from. Raises BackendError."""
    connection = NetlinkSocket(socket.NETLINK_ROUTE)
    try:
        # One look for each protocol: the table may hold all of a large mesh.
        rows = [
            row for protocol in sorted(PROTOCOLS) for row in dumped_routes(connection, routing_table, protocol=protocol)
        ]
    finally:
        connection.close()
    return tuple(part for kind, row in rows if kind == RTM_NEWROUTE for part in _parts(row, routing_table))


def dumped_routes(
    connection: NetlinkSocket, table: int, *, kind: int = 0, protocol: int = 0
) -> Sequence[tuple[int, bytes]]:
    """Return rows of a table. The kernel filters them, where it is not too old for that. Raises BackendError."""
    question = _RTMSG.pack(AF_INET6, 0, 0, 0, 0, protocol, 0, kind, 0) + struct.pack("=HHI", 8, RTA_TABLE, table)
    try:
        return connection.dump(RTM_GETROUTE, question)
    except StaleError:
        # Nobody has used the table yet.
        return []


def _parts(row: bytes, table: int) -> Iterator[OwnPart]:
    _, length, from_length, _, _, protocol, _, _, _ = _RTMSG.unpack_from(row)
    if protocol not in PROTOCOLS or routing_table(row) != table:
        return
    found = dict(netlink.attributes(row, _RTMSG.size))
    for attribute, bits in ((RTA_DST, length), (RTA_SRC, from_length)):
        if attribute in found:
            yield OwnPart(IPv6Network((found[attribute], bits)), protocol == PROTOCOL_ANNOUNCED)


def route(row: bytes) -> IPv6Network | None:
    """Return the prefix that a row of the routes makes unreachable, as a client does."""
    _, length, from_length, _, _, protocol, _, kind, _ = _RTMSG.unpack_from(row)
    if kind != _UNREACHABLE or from_length or protocol not in CLIENTS or routing_table(row) != TABLE_MAIN:
        return None
    found = dict(netlink.attributes(row, _RTMSG.size))
    return IPv6Network((found[RTA_DST], length)) if RTA_DST in found else None


def address(row: bytes, names: Mapping[int, str]) -> HeldAddress:
    """Return the address in a row of the addresses."""
    _, length, flags, _, index = _IFADDRMSG.unpack_from(row)
    found = dict(netlink.attributes(row, _IFADDRMSG.size))
    if IFA_FLAGS in found:
        flags = netlink.number(found[IFA_FLAGS])
    deprecated, permanent = bool(flags & IFA_F_DEPRECATED), bool(flags & IFA_F_PERMANENT)
    return HeldAddress(IPv6Address(found[IFA_ADDRESS]), length, names.get(index, ""), deprecated, permanent)


@dataclass(slots=True)
class _Use:
    """The delegated prefix that is in use, and since when it has been missing."""

    whole: IPv6Network | None = None
    missing_since: float | None = None
    came: dict[IPv6Network, float] = field(default_factory=dict)
    """Since when each prefix that may be meant has been there."""
    beside: frozenset[IPv6Network] = frozenset()
    """Those that had been there for long when the one in use went: they may be of another uplink."""

    def look(self, right: Iterable[IPv6Network], now: float) -> None:
        """Take note of the prefixes that are there."""
        self.came = {prefix: self.came.get(prefix, now) for prefix in right}
        self.beside &= self.came.keys()

    def lose(self, now: float, named: bool) -> None:
        """Take note that the one in use is missing; ``named`` says that the others are of its provider's block."""
        if self.missing_since is not None:
            return
        self.missing_since = now
        if not named and self.whole not in self.came:
            self.beside = frozenset(prefix for prefix, came in self.came.items() if came <= now - GRACE_SECONDS)

    def take(self, whole: IPv6Network) -> None:
        """Use a prefix from now on."""
        self.whole, self.missing_since, self.beside = whole, None, frozenset()


class DelegatedPrefixes(Resolver[DelegatedPrefix]):
    """Resolves delegated prefixes. One that is used again and again remembers what is in use."""

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (DelegatedPrefix,)

    def __init__(
        self,
        clock: Clock | None = None,
        ring: Callable[[], None] | None = None,
        look: Callable[[], Delegations] | None = None,
        look_at_own: Callable[[int], Iterable[OwnPart]] | None = None,
    ) -> None:
        self._clock = clock or MachineClock()
        self._look = look
        self._look_at_own = look_at_own
        self._uses: dict[DelegatedPrefix, _Use] = {}
        self._due = math.inf

    def resolve(self, reference: DelegatedPrefix) -> Resolution:
        """Return what is delegated now. Raises BackendError."""
        return self.resolve_all([reference])[reference]

    def resolve_all(self, references: Iterable[DelegatedPrefix]) -> dict[DelegatedPrefix, Resolution]:
        """Return what each of these is now, and forget about others. Raises BackendError."""
        wanted = tuple(references)
        if not wanted:
            self._uses, self._due = {}, math.inf
            return {}
        now = self._clock.now()
        self._due = now + AGAIN_SECONDS
        seen = (self._look or delegations)()
        uses = {reference: self._uses.get(reference) or _Use() for reference in wanted}
        own = self._look_at_own or own_parts
        found = {reference: _resolution(reference, use, seen, own, now) for reference, use in uses.items()}
        self._uses = uses
        times = [use.missing_since + GRACE_SECONDS for use in uses.values() if use.missing_since is not None]
        self._due = min(times, default=math.inf)
        return found

    def due(self) -> float:
        """Return when a time of grace is over, by the clock's `now`."""
        return self._due

    def refresh(self) -> bool:
        """Return that such a time has come, which is told once."""
        self._due = math.inf
        return True


RESOLVER = DelegatedPrefixes
LASTING = DelegatedPrefixes


def _resolution(
    reference: DelegatedPrefix, use: _Use, seen: Delegations, own: Callable[[int], Iterable[OwnPart]], now: float
) -> Resolution:
    """Return the value, and take note of what is in use from now on."""
    within = reference.within
    there = sorted(prefix for prefix in seen.on(reference.interface) if within is None or prefix.subnet_of(within))
    right = [prefix for prefix in there if not _unfit(reference, prefix)]
    usable = [prefix for prefix in right if not seen.deprecated(prefix)] or right
    use.look(right, now)
    if use.whole is None and len(usable) > 1 and reference.routing_table is not None:
        use.whole = _used(usable, tuple(own(reference.routing_table)))
    notes = _choose(reference, use, usable, now)
    if use.whole is None:
        notes += [why for prefix in there if (why := _unfit(reference, prefix))]
        return Resolution(None, tuple(notes))
    part = cut(use.whole, reference.length, reference.subnet)
    if part is None:
        count = 1 << (reference.length - use.whole.prefixlen)
        notes.append(
            f"{use.whole}, delegated on {reference.interface}, has only {count} parts of length {reference.length}: "
            f"there is no `subnet: {reference.subnet}`"
        )
    return Resolution(part, tuple(notes))


def _used(usable: list[IPv6Network], own: Sequence[OwnPart]) -> IPv6Network | None:
    """Return which of several our own routes show to be in use, ``None`` where they show none or more than one.

    What is announced tells more than what is not: a program that died may have been about to withdraw the old one.
    """
    for parts in ([one.part for one in own if one.announced], [one.part for one in own]):
        found = [whole for whole in usable if any(part.subnet_of(whole) for part in parts)]
        if len(found) == 1:
            return found[0]
    return None


def _choose(reference: DelegatedPrefix, use: _Use, usable: list[IPv6Network], now: float) -> list[str]:
    """Take note of which is in use from now on; return what the operator should know about that."""
    others = ", ".join(str(prefix) for prefix in usable if prefix != use.whole)
    choice = "`within`, a block of the provider's, says which is meant"
    if use.whole in usable:
        use.take(use.whole)
        return [f"{use.whole} is in use, and delegated are {others} too; {choice}"] if others else []
    if use.whole is not None:
        use.lose(now, reference.within is not None)
    candidates = [prefix for prefix in usable if prefix not in use.beside]
    if len(candidates) == 1:
        use.take(candidates[0])
        return []
    if use.whole is not None and use.missing_since is not None and now < use.missing_since + GRACE_SECONDS:
        return [f"{use.whole} is not delegated on {reference.interface} any more; it is kept for a few seconds"]
    use.whole = use.missing_since = None
    if usable and not candidates:
        return [f"{others} was delegated beside the one that is gone, and may be of another uplink; {choice}"]
    if usable:
        return [f"several prefixes may be the one delegated on {reference.interface}: {others}; {choice}"]
    inside = "" if reference.within is None else f" inside {reference.within}"
    return [f"no prefix{inside} is delegated on {reference.interface} now; it is waited for"]


def _unfit(reference: DelegatedPrefix, prefix: IPv6Network) -> str:
    """Return why a prefix that is there cannot be the one that is meant, nothing where it can."""
    if prefix.prefixlen > reference.length:
        return f"{prefix} is delegated, which is smaller than a prefix of length {reference.length}"
    why = unrouted(prefix, reference.special_purpose)
    return "" if why is None else f"{prefix} {why.words}"
