"""The IPv6 routes of the fake (ip-route(8), net/ipv6/ip6_fib.c, net/ipv6/route.c)."""

from __future__ import annotations

import errno
import ipaddress
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from intent.resources import netlink
from intent.resources import route as wire
from reconciler.backends.fake.addresses import AF_INET6, FakeAddresses
from reconciler.backends.fake.links import FakeLinks
from reconciler.backends.fake.refused import Refused, encoded
from reconciler.core.backend import Partitions

MAIN = 254
KERNEL_METRIC = 256
RTPROT_KERNEL = 2
UNICAST = wire.RTN_NUMBERS["unicast"]
REJECTING = frozenset(wire.RTN_NUMBERS[name] for name in ("blackhole", "unreachable", "prohibit", "throw"))
LOOPBACK = 1
_HEADER = struct.Struct("=BBBBBBBBI")
_HOP = struct.Struct("=HBBI")


@dataclass(frozen=True, slots=True)
class FakeRoute:
    """A route as the kernel holds it; prefixes as (packed address, length), no gateway is ``b""``."""

    table: int
    destination: tuple[bytes, int]
    source: tuple[bytes, int]
    metric: int
    kind: int
    protocol: int
    link: int
    gateway: bytes = b""
    flags: int = 0

    @property
    def place(self) -> tuple[object, ...]:
        """What no two routes have in common when one was added with NLM_F_EXCL."""
        return self.table, self.destination, self.source, self.metric

    @property
    def shares(self) -> bool:
        """Whether routes of one place become next hops of one route with it (rt6_qualify_for_ecmp)."""
        return self.kind == UNICAST and bool(self.gateway)

    def row(self, *others: FakeRoute) -> bytes:
        """Return the payload of its RTM_NEWROUTE, with the other next hops; their protocol is not told."""
        table = self.table if self.table < 256 else 252
        lengths = self.destination[1], self.source[1]
        hops = [one._hop() for one in (self, *others)]
        return encoded(
            (
                _HEADER.pack(AF_INET6, *lengths, 0, table, self.protocol, 0, self.kind, self.flags),
                *netlink.u32(wire.RTA_TABLE, self.table),
                *(netlink.attribute(wire.RTA_DST, self.destination[0]) if self.destination[1] else ()),
                *(netlink.attribute(wire.RTA_SRC, self.source[0]) if self.source[1] else ()),
                *netlink.u32(wire.RTA_PRIORITY, self.metric),
                *(netlink.attribute(wire.RTA_MULTIPATH, *hops) if others else self._way()),
            )
        )

    def _way(self) -> netlink.Body:
        gateway = netlink.attribute(wire.RTA_GATEWAY, self.gateway) if self.gateway else ()
        return (*gateway, *netlink.u32(wire.RTA_OIF, self.link))

    def _hop(self) -> bytes:
        gateway = encoded(netlink.attribute(wire.RTA_GATEWAY, self.gateway))
        return _HOP.pack(_HOP.size + len(gateway), self.flags, 0, self.link) + gateway

    def describe(self, names: Mapping[int, str]) -> str:
        """Return the route in one line, as ``ip -6 route`` words."""
        words = f"route {wire.RTN_TYPES[self.kind]} {text(self.destination)} from {text(self.source)}"
        words += f" via {ipaddress.IPv6Address(self.gateway)}" if self.gateway else ""
        return f"{words} dev {names[self.link]} table {self.table} proto {self.protocol} metric {self.metric}"


class FakeRoutes:
    """All routes that were added; those of addresses are made from the addresses."""

    def __init__(self, links: FakeLinks, addresses: FakeAddresses) -> None:
        self._links = links
        self._addresses = addresses
        self._added: list[FakeRoute] = []

    def __iter__(self) -> Iterator[FakeRoute]:
        """Return the routes of addresses, then those that were added."""
        yield from self._connected()
        yield from self._added

    def rows(self, partitions: Partitions) -> Iterator[bytes]:
        """Return the payloads of the RTM_NEWROUTE of the tables, those that are next hops of one route in one."""
        told: set[tuple[object, ...]] = set()
        for one in self:
            if partitions is not None and one.table not in partitions:
                continue
            if not one.shares:
                yield one.row()
            elif one.place not in told:
                told.add(one.place)
                yield one.row(*(other for other in self._siblings(one) if other is not one))

    def _siblings(self, route: FakeRoute) -> list[FakeRoute]:
        return [one for one in self._added if one.place == route.place and one.shares and route.shares]

    def add(self, payload: bytes, flags: int) -> None:
        """Carry out RTM_NEWROUTE.

        Raises Refused: ENODEV, ENETDOWN, EINVAL for a gateway that cannot be on the link, EEXIST, ENOENT.
        """
        route = _parse(payload)
        if route.kind not in REJECTING:
            self._check_way(route)
        places = [number for number, there in enumerate(self._added) if there.place == route.place]
        if not places:
            if not flags & netlink.NLM_F_CREATE:
                raise Refused(errno.ENOENT)
            self._added.append(route)
        elif flags & netlink.NLM_F_EXCL:
            raise Refused(errno.EEXIST)
        elif flags & netlink.NLM_F_REPLACE:
            self._replace(self._added[places[0]], route)
        elif route in self._added:
            raise Refused(errno.EEXIST)
        else:
            self._added.append(route)

    def delete(self, payload: bytes) -> None:
        """Carry out RTM_DELROUTE: the first that matches all that is told, without a gateway all its next hops.

        Raises Refused: ESRCH. See ip6_route_del.
        """
        told = _parse(payload)
        for there in self._added:
            same = (there.table, there.destination, there.source) == (told.table, told.destination, told.source)
            optional = ((told.metric, there.metric), (told.protocol, there.protocol), (told.link, there.link))
            if same and all(said in (0, has) for said, has in optional) and told.gateway in (b"", there.gateway):
                gone = [there] if told.gateway else [there, *self._siblings(there)]
                self._added = [one for one in self._added if one not in gone]
                return
        raise Refused(errno.ESRCH)

    def _replace(self, there: FakeRoute, route: FakeRoute) -> None:
        """Put a route in the place of another, and of all its next hops."""
        gone = [one for one in self._siblings(there) if one is not there]
        self._added = [route if one is there else one for one in self._added if one not in gone]

    def drop(self, indices: Iterable[int]) -> None:
        """Drop the routes over links that went down or are gone (fib6_ifdown)."""
        left = frozenset(indices)
        self._added = [route for route in self._added if route.link not in left or route.kind in REJECTING]

    def _check_way(self, route: FakeRoute) -> None:
        if route.link == 0:
            raise Refused(errno.EHOSTUNREACH if route.gateway else errno.ENODEV)
        if not self._links.at(route.link).up:
            raise Refused(errno.ENETDOWN, "Nexthop device is not up")
        if not route.gateway:
            return
        gateway = ipaddress.IPv6Address(route.gateway)
        if gateway.is_multicast or gateway.is_unspecified:
            raise Refused(errno.EINVAL, "Invalid gateway address")
        if any(one.local == route.gateway and one.index == route.link for one in self._addresses):
            raise Refused(errno.EINVAL, "Gateway can not be a local address")
        # ip6_route_check_nh_onlink: a more specific way to the gateway over another link says that it is not here.
        near = [one for one in self._connected() if gateway in ipaddress.IPv6Network(one.destination)]
        best = max(near, key=lambda one: one.destination[1], default=None)
        if not gateway.is_link_local and best is not None and best.link != route.link:
            raise Refused(errno.EINVAL, "Nexthop has invalid gateway or device mismatch")

    def _connected(self) -> Iterator[FakeRoute]:
        for one in self._addresses:
            if one.family == AF_INET6 and self._links.at(one.index).up:
                network = one.interface.network
                destination = (network.network_address.packed, network.prefixlen)
                nowhere = (bytes(16), 0)
                yield FakeRoute(MAIN, destination, nowhere, KERNEL_METRIC, UNICAST, RTPROT_KERNEL, one.index)


def text(prefix: tuple[bytes, int]) -> str:
    """Return a prefix in its one spelling."""
    return f"{ipaddress.IPv6Address(prefix[0])}/{prefix[1]}"


def _parse(payload: bytes) -> FakeRoute:
    _, to_length, from_length, _, table, protocol, _, kind, flags = _HEADER.unpack_from(payload)
    found = dict(netlink.attributes(payload, _HEADER.size))
    rejecting = kind in REJECTING
    return FakeRoute(
        table=netlink.number(found[wire.RTA_TABLE]) if wire.RTA_TABLE in found else table,
        destination=(found.get(wire.RTA_DST, bytes(16)), to_length),
        source=(found.get(wire.RTA_SRC, bytes(16)), from_length),
        metric=netlink.number(found.get(wire.RTA_PRIORITY, b"")) or wire.DEFAULT_METRIC,
        kind=kind,
        protocol=protocol,
        link=LOOPBACK if rejecting else netlink.number(found.get(wire.RTA_OIF, b"")),
        gateway=b"" if rejecting else found.get(wire.RTA_GATEWAY, b""),
        flags=flags,
    )
