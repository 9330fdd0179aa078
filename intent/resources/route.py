"""IPv6 routes, source-specific ones too (ip-route(8), linux/rtnetlink.h, RFC 9079)."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, Final, Literal, NamedTuple, Self

from intent.resources import netlink
from intent.resources.babel_requests import AwaitWithdrawal
from intent.resources.link import Names
from intent.resources.link import key as link_key
from intent.resources.netlink import About, IndexOf, NetlinkRequest
from intent.resources.resource import Change, Drain, Key, Request, Resource

RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTA_DST = 1
RTA_SRC = 2
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_PRIORITY = 6
RTA_MULTIPATH = 9
RTA_CACHEINFO = 12
RTA_TABLE = 15
RTA_PREF = 20
RTN_TYPES: Final = {
    **{1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast"},
    **{6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"},
}
RTN_NUMBERS: Final = {name: number for number, name in RTN_TYPES.items()}
RTNH_F_ONLINK = 4
RTPROT_BOOT = 3
RTPROT_STATIC = 4

PROTOCOL_HELD: Final = 241
"""Our routes that babeld must not announce, such as the guard against loops."""
PROTOCOL_ANNOUNCED: Final = 242
"""Our routes that babeld announces."""
PROTOCOL_WITHDRAWN: Final = 243
"""Our routes that babeld announces as unreachable before they are deleted."""
PROTOCOLS: Final = frozenset({PROTOCOL_HELD, PROTOCOL_ANNOUNCED, PROTOCOL_WITHDRAWN})
PROTOCOL_NAMES: Final = {
    **{2: "kernel", 3: "boot", 4: "static", 9: "ra", 16: "dhcp", 42: "babel"},
    **{241: "stellwerk-held", 242: "stellwerk", 243: "stellwerk-withdrawn"},
}
ANYWHERE: Final = "::/0"
DEFAULT_METRIC: Final = 1024

_RTMSG = struct.Struct("=BBBBBBBBI")
_NUMBER = struct.Struct("=HHI")
_ADDRESS = struct.Struct("=HH16s")
_GROUPS = [struct.Struct(f">{groups}H{16 - 2 * groups}x") for groups in range(8)]
"""So many groups of an address, and zeros up to its end."""
_LINK_FOLLOWS = struct.pack("=HH", 8, RTA_OIF)
_CACHEINFO = struct.pack("=HH", 36, RTA_CACHEINFO)
_PREF_MEDIUM = struct.pack("=HHB3x", 5, RTA_PREF, 0)
_TAIL = -len(_PREF_MEDIUM) - 36
"""Where the two attributes begin that the kernel ends a row with."""
_ANY_TABLE = 252
"""RT_TABLE_COMPAT: what the header says of a routing table whose number it has no room for."""


def route_key(routing_table: int, destination: str, source: str, metric: int) -> Key:
    """Return the identity of a route: what the kernel keeps one of."""
    return Key("route", (routing_table, destination, source, metric))


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Resource):
    """A route of an IPv6 routing table; ``metric`` is the kernel's, which the lower of wins.

    ``destination`` and ``source`` are normalised prefixes, ``::/0`` for any. A unicast route has a ``link`` and
    possibly a ``gateway``, which is taken to be on that link. ``next_hops`` counts those that share the key: the
    kernel shows one protocol for all of them, so more than one means that not all of the route is ours.
    """

    table: ClassVar[str] = "route"
    refers_to: ClassVar[frozenset[str] | None] = frozenset({"link"})
    may_be_lacked: ClassVar[bool] = False
    compared: ClassVar[tuple[str, ...]] = ("kind", "gateway", "link", "protocol", "next_hops")
    partitioned: ClassVar[bool] = True
    searched: ClassVar[bool] = True

    routing_table: int
    destination: str
    source: str = ANYWHERE
    metric: int = DEFAULT_METRIC
    kind: Literal["unicast", "throw"] | str = "unicast"
    link: str | None = None
    gateway: str | None = None
    protocol: int = PROTOCOL_ANNOUNCED
    next_hops: int = 1

    @property
    def key(self) -> Key:
        """Table, destination, source and metric: what the kernel keeps one route of."""
        return Key("route", (self.routing_table, self.destination, self.source, self.metric))

    def describe(self) -> str:
        """Return the route as ``ip -6 route`` words."""
        words = "route " if self.kind == "unicast" else f"route {self.kind} "
        words += "default" if self.destination == ANYWHERE else self.destination
        words += "" if self.source == ANYWHERE else f" from {self.source}"
        words += "" if self.gateway is None else f" via {self.gateway}"
        words += "" if self.link is None or self.kind != "unicast" else f" dev {self.link}"
        words += f" table {self.routing_table} proto {self.show('protocol')}"
        return words + ("" if self.metric == DEFAULT_METRIC else f" metric {self.metric}")

    def show(self, field: str) -> str:
        """Return the field's value, a protocol by its name."""
        value = getattr(self, field)
        return PROTOCOL_NAMES.get(value, str(value)) if field == "protocol" else str(value)

    def requires(self) -> tuple[Key, ...]:
        """Return the link of a unicast route."""
        return () if self.link is None or self.kind != "unicast" else _on(self.link)

    def partition(self) -> Hashable:
        """Return the number of the routing table."""
        return self.routing_table

    def owned(self) -> bool:
        """Return whether it carries one of our protocol numbers, and no other next hop stands beside ours."""
        return self.protocol in PROTOCOLS and self.next_hops == 1

    def automatic(self) -> bool:
        """Return whether a daemon or the kernel keeps it, rather than an administrator."""
        return self.protocol not in (RTPROT_BOOT, RTPROT_STATIC, *(PROTOCOLS if self.next_hops > 1 else ()))

    def changes(self, observed: Self) -> dict[str, Change]:
        """Return what differs; no gateway, or no link, means that there must be none."""
        return {
            field: Change(have, want)
            for field in self.compared
            if (want := getattr(self, field)) != (have := getattr(observed, field))
        }

    def create(self) -> tuple[Request, ...]:
        """Return the request that adds the route."""
        return (self._add(netlink.NLM_F_CREATE | netlink.NLM_F_EXCL, "add"),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the request that replaces the route's way in one step, so that no packet goes without."""
        return (self._add(netlink.NLM_F_CREATE | netlink.NLM_F_REPLACE, "change"),)

    def delete(self) -> tuple[Request, ...]:
        """Return the request that deletes the route and no other: its protocol and its way are part of it.

        Without the gateway the kernel deletes the next hops that others have put beside ours too (ip6_route_del).
        """
        return (NetlinkRequest(RTM_DELROUTE, 0, self._body(), About("delete", self), gone_is_done=True),)

    def drain(self) -> Drain | None:
        """Return what has babeld say first that an announced route cannot be used any more.

        Most versions do not tell neighbours about a route that is simply gone: they would use it for minutes.
        """
        if self.protocol != PROTOCOL_ANNOUNCED:
            return None
        flags = netlink.NLM_F_CREATE | netlink.NLM_F_REPLACE
        withdrawn = self.withdrawn()
        requests = (
            withdrawn._add(flags, "withdraw"),
            AwaitWithdrawal(None, self.destination, self.source),
        )
        return Drain(requests, withdrawn)

    @classmethod
    def retraction(cls, key: Key, socket: str) -> Drain:
        """Return what has the babeld at a socket say that the route of this key, which vanished, cannot be used.

        babeld has flushed it without a word, and speaks of it again when there is an unreachable one. That one has a
        place of its own in the kernel: left behind by a program that died it is found and removed, also while ours is
        waited for.
        """
        table, destination, source, metric = key.name
        stand_in = cls(
            routing_table=int(table),
            destination=str(destination),
            source=str(source),
            metric=int(metric) + 1,
            kind="unreachable",
            protocol=PROTOCOL_WITHDRAWN,
        )
        requests = (
            *stand_in.delete(),
            stand_in._add(netlink.NLM_F_CREATE | netlink.NLM_F_EXCL, "retract"),
            AwaitWithdrawal(socket, stand_in.destination, stand_in.source, retracted=True),
        )
        return Drain(requests, stand_in)

    def withdrawn(self) -> Self:
        """Return this route as babeld announces it unreachable."""
        return replace(self, protocol=PROTOCOL_WITHDRAWN)

    def _add(self, flags: int, verb: str) -> NetlinkRequest:
        return NetlinkRequest(RTM_NEWROUTE, flags, self._body(), About(verb, self))

    def _body(self) -> netlink.Body:
        frame = _frame(self.routing_table, self.metric, self.protocol, self.kind, self.gateway, self.link)
        destination, to_length = _attribute(RTA_DST, self.destination)
        source, from_length = _attribute(RTA_SRC, self.source)
        body = bytes((10, to_length, from_length)) + frame.asked + destination + source + frame.way
        return (body,) if frame.link is None else (body, frame.link)

    @classmethod
    def expected(cls, desired: Iterable[tuple[Key, Self]], context: Names) -> Callable[[bytes], Key | None]:
        """Return what tells for which unicast route a row of the kernel stands; see `_Expected`."""
        indices = {name: _number(RTA_OIF, index) for index, name in context.items()}
        expected = _Expected()
        for key, one in desired:
            index = indices.get(one.link or "")
            if index is not None and one.kind == "unicast" and one.next_hops == 1:
                frame = _frame(one.routing_table, one.metric, one.protocol, one.kind, one.gateway, one.link)
                destination, to_length = _attribute(RTA_DST, one.destination)
                source, from_length = _attribute(RTA_SRC, one.source)
                prefixes = bytes((to_length, from_length)) + destination + source
                expected.add(key, prefixes, frame.told + frame.told_way + index)
        return expected.find

    @classmethod
    def decode(cls, row: bytes, context: Names) -> Self | None:
        """Return the route in an RTM_NEWROUTE payload; of several next hops the first, and their number."""
        _, to_length, from_length, _, table, protocol, _, kind, _ = _RTMSG.unpack_from(row)
        found = dict(netlink.attributes(row, _RTMSG.size))
        hops = _hops(found.get(RTA_MULTIPATH, b""))
        if hops:
            found |= dict(netlink.attributes(hops[0], 8))
            found[RTA_OIF] = hops[0][4:8]
        unicast = kind == RTN_NUMBERS["unicast"]
        gateway = found.get(RTA_GATEWAY)
        return cls(
            routing_table=netlink.number(found[RTA_TABLE]) if RTA_TABLE in found else table,
            destination=_prefix(found.get(RTA_DST), to_length),
            source=_prefix(found.get(RTA_SRC), from_length),
            metric=netlink.number(found.get(RTA_PRIORITY, b"\0")),
            kind=RTN_TYPES.get(kind, str(kind)),
            # The kernel hangs an unreachable route on the loopback link; that says nothing.
            link=context.get(netlink.number(found[RTA_OIF])) if unicast and RTA_OIF in found else None,
            gateway=str(ipaddress.IPv6Address(gateway)) if gateway and len(gateway) == 16 else None,
            protocol=protocol,
            next_hops=max(1, len(hops)),
        )


class _Expected:
    """The rows of desired routes as the kernel spells them (rt6_fill_node), without what varies.

    A row has its header, the table, the prefixes as far as there are any, all else that tells one route from another,
    and at last two attributes that say nothing. The flags in the header do not count: they tell the state of the
    link, and that the gateway was not looked for. The prefixes are kept for each route, the rest once.
    """

    def __init__(self) -> None:
        self._rests: dict[bytes, bytes] = {}
        self._keys: dict[bytes, Key] = {}

    def add(self, key: Key, prefixes: bytes, rest: bytes) -> None:
        """Expect a row with these lengths and attributes of prefixes, and this around them."""
        number = self._rests.get(rest)
        if number is None:
            number = self._rests[rest] = len(self._rests).to_bytes(4, "big")
        self._keys[prefixes + number] = key

    def find(self, row: bytes) -> Key | None:
        """Return the key of the route that the row stands for, if it is one of these."""
        if row[_TAIL : _TAIL + 4] != _CACHEINFO or row[-8:] != _PREF_MEDIUM:
            return None
        end = 20 + (20 if row[1] else 0) + (20 if row[2] else 0)
        number = self._rests.get(row[3:8] + row[12:20] + row[end:_TAIL])
        return None if number is None else self._keys.get(row[1:3] + row[20:end] + number)


@lru_cache(maxsize=64)
def _on(link: str) -> tuple[Key, ...]:
    return (link_key(link),)


@lru_cache(maxsize=256)
def _number(kind: int, number: int) -> bytes:
    """Return an attribute that holds 32 bits in host byte order."""
    return _NUMBER.pack(8, kind, number)


class _Frame(NamedTuple):
    """What the messages about many routes have in common: as they are asked for, and as the kernel tells of them.

    ``asked`` and ``told`` are all between the lengths of the prefixes and the prefixes, without the flags in ``told``;
    ``way`` and ``told_way`` come after the prefixes, and then the index of the ``link``.
    """

    asked: bytes
    way: bytes
    link: IndexOf | None
    told: bytes
    told_way: bytes


@lru_cache(maxsize=256)
def _frame(table: int, metric: int, protocol: int, kind: str, gateway: str | None, link: str | None) -> _Frame:
    number = RTN_NUMBERS[kind]
    # The operator names both gateway and link, so the gateway need not be inside a connected prefix.
    flags = 0 if gateway is None else RTNH_F_ONLINK
    start = _RTMSG.pack(0, 0, 0, 0, 0, protocol, 0, number, flags)[3:]
    way = b"" if gateway is None else _ADDRESS.pack(20, RTA_GATEWAY, packed(gateway))
    return _Frame(
        asked=start + _number(RTA_TABLE, table) + _number(RTA_PRIORITY, metric),
        way=way if link is None else way + _LINK_FOLLOWS,
        link=None if link is None else IndexOf(link),
        told=bytes((0, table if table < 256 else _ANY_TABLE, protocol, 0, number)) + _number(RTA_TABLE, table),
        told_way=_number(RTA_PRIORITY, metric) + way,
    )


def _attribute(kind: int, prefix: str) -> tuple[bytes, int]:
    """Return the attribute that holds a prefix, none for any, and its length."""
    if prefix == ANYWHERE:
        return b"", 0
    address, _, length = prefix.partition("/")
    return _ADDRESS.pack(20, kind, packed(address)), int(length)


def packed(address: str) -> bytes:
    """Return the 16 bytes of a valid IPv6 address.

    The common form, some groups of hexadecimal digits and then ``::``, is read at a fraction of the cost.
    """
    if address.endswith("::") and address != "::":
        groups = address[:-2].split(":")
        return _GROUPS[len(groups)].pack(*[int(group, 16) for group in groups])
    return ipaddress.IPv6Address(address).packed


def _hops(multipath: bytes) -> list[bytes]:
    """Return the next hops in RTA_MULTIPATH: each a struct rtnexthop, which begins with its length, and attributes."""
    hops = []
    while len(multipath) >= 8:
        length = netlink.number(multipath[:2])
        if length < 8:
            raise ValueError("a next hop is shorter than its header")
        hops.append(multipath[:length])
        multipath = multipath[(length + 3) & ~3 :]
    return hops


def _prefix(packed: bytes | None, length: int) -> str:
    return ANYWHERE if packed is None else f"{ipaddress.IPv6Address(packed)}/{length}"
