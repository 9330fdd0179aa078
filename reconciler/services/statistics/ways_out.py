"""Which way traffic leaves the mesh from here: that of each source prefix, and that of the node itself.

With source-specific routing (RFC 9079) there are as many ways out as there are source prefixes: of the default routes
whose source prefix a packet's source address is in, the one with the longest source prefix takes it.
"""

from __future__ import annotations

import socket
import threading
import weakref
from collections.abc import Container, Hashable, Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from operator import itemgetter
from typing import Any, NamedTuple

from reconciler.backends.babel_table import Known, Route
from reconciler.services.statistics.figures import Figures

ANYWHERE = "::/0"
ANYWHERE_IPV4 = "0.0.0.0/0"
_DEFAULTS = (ANYWHERE, ANYWHERE_IPV4)
INFINITY = 65535
_RETRACTED = 65534
"""From this metric on, what this node announces is on its way to be withdrawn: nobody else can use it."""

_Prefix = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address


class WayOut(NamedTuple):
    """The way that packets from one source prefix take out of the mesh.

    ``destination`` is ``::/0`` or ``0.0.0.0/0``, and ``source`` of the same family; a length of 0 means all that no
    longer prefix takes. ``router_id`` is that of the exit, empty where it is not known. ``here`` is whether that is
    this node: then there is no ``next_hop`` (a link-local address) and no ``interface``, and the metric is that which
    it announces. ``contains_own`` is whether an address of this node is in ``source``.
    """

    destination: str
    source: str
    here: bool
    router_id: str
    next_hop: str | None
    interface: str | None
    metric: int
    contains_own: bool


class WaysOut(NamedTuple):
    """All ways out, each pair of destination and source once, sorted; and what this node itself sends takes.

    ``ipv6`` and ``ipv4`` are for what shows one way alone, such as a map: the way of the longest source prefix that an
    address of this node is in; else, since then nothing that the node sends leaves, of what others' packets take
    through it the one that ends here, or the cheapest. None where nothing leaves.
    """

    ways: tuple[WayOut, ...]
    ipv6: WayOut | None
    ipv4: WayOut | None


NOWHERE = WaysOut((), None, None)


class _Source(NamedTuple):
    """A source prefix, as text, where it is in the order, and whether an address of this node is in it."""

    text: str
    order: tuple[int, int]
    contains_own: bool


_Sources = dict[tuple[str, str], _Source | None]
"""By the destination and the source as babeld writes them."""


def ways_out(known: Known | None, own_exits: Iterable[str], own_addresses: Iterable[str]) -> WaysOut:
    """Return the ways out, by what babeld knows: its installed routes, for others take no packets.

    ``own_exits`` are source prefixes that leave the mesh at this node, beside those of the default routes which babeld
    announces for it; they win over what is learned, as they do in babeld. What is no prefix or address is left out.
    """
    return _put_together(known, own_exits, own_addresses, {})[0]


def _put_together(
    known: Known | None, own_exits: Iterable[str], own_addresses: Iterable[str], before: _Sources
) -> tuple[WaysOut, _Sources]:
    """Return the ways out, and the sources in them; ``before`` are those of the last time with the same addresses."""
    addresses = [one for one in map(_address, own_addresses) if one is not None]
    own_router = "" if known is None else known.router_id
    found: dict[tuple[str, tuple[int, int]], WayOut] = {}
    sources: _Sources = {}

    def source_of(destination: str, written: str) -> _Source | None:
        key = destination, written
        if key not in sources:
            sources[key] = before[key] if key in before else _source(destination, written, addresses)
        return sources[key]

    announced = () if known is None else known.xroutes
    local = [(one.destination, one.source, one.metric) for one in announced if one.destination in _DEFAULTS]
    local += [(ANYWHERE if ":" in one else ANYWHERE_IPV4, one, 0) for one in own_exits]
    for destination, written, metric in local:
        if metric < _RETRACTED and (source := source_of(destination, written)) is not None:
            way = WayOut(destination, source.text, True, own_router, None, None, metric, source.contains_own)
            found.setdefault((destination, source.order), way)
    for route in () if known is None else known.defaults:
        if not _takes_packets(route) or (source := source_of(route.destination, route.source)) is None:
            continue
        if (route.destination, source.order) not in found:
            found[route.destination, source.order] = _learned(route, source)
    items = sorted(found.items(), key=itemgetter(0))
    return WaysOut(tuple(way for _, way in items), _own(items, ANYWHERE), _own(items, ANYWHERE_IPV4)), sources


class Leaving:
    """The ways out of a node, put together anew only when something of it has changed. For any thread."""

    def __init__(self, figures: Figures) -> None:
        # So that it can be kept for as long as they are there.
        self._figures: Figures = weakref.proxy(figures)
        self._last: tuple[Hashable, WaysOut] = (None, NOWHERE)
        self._sources: tuple[Hashable, _Sources] = (None, {})
        self._own: tuple[Any, tuple[str, ...], tuple[str, ...]] = (None, (), ())

    def now(self) -> WaysOut | None:
        """Return the ways out, None while they are not known."""
        babel = self._figures.babel()
        known = None if babel is None else babel.known
        exits = own_exits(self._figures.status())
        if known is None and not exits:
            # An exit leaves here although babeld is away; of others nothing is known then.
            return NOWHERE if babel is None else None
        _, addresses = self._addresses(known)
        defaults, announced = (known.defaults, known.xroutes) if known is not None else ((), ())
        basis = defaults, announced, "" if known is None else known.router_id, exits, addresses
        last, found = self._last
        if basis != last:
            of_addresses, before = self._sources
            found, sources = _put_together(known, exits, addresses, before if of_addresses == addresses else {})
            self._sources = addresses, sources
            self._last = basis, found
        return found

    def mesh_addresses(self) -> tuple[str, ...]:
        """Return the addresses on the node's interfaces by which the mesh reaches it."""
        babel = self._figures.babel()
        return self._addresses(None if babel is None else babel.known)[0]

    def _addresses(self, known: Known | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the `mesh_addresses`, and those that its packets have."""
        on_links = self._figures.addresses()
        basis = on_links, known and known.interfaces, known and known.xroutes
        last, inside, own = self._own
        if basis != last:
            inside, own = _addresses(self._figures, known)
            self._own = basis, inside, own
        return inside, own


_leaving: weakref.WeakKeyDictionary[Figures, Leaving] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def leaving(figures: Figures) -> Leaving:
    """Return the one `Leaving` of these figures, which all who tell of the ways out share."""
    with _lock:
        found = _leaving.get(figures)
        if found is None:
            found = _leaving[figures] = Leaving(figures)
        return found


def of(figures: Figures) -> WaysOut | None:
    """Return the ways out of a node, None while they are not known."""
    return leaving(figures).now()


def own_exits(status: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the prefixes that leave the mesh at this node, as the daemon's status has them: those it announces."""
    offers = () if status is None else status.get("offers", ())
    return tuple(
        one["prefix"]
        for one in offers
        if one["kind"] == "exit" and one["state"] == "announced" and one.get("prefix") is not None
    )


def _addresses(figures: Figures, known: Known | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the addresses on interfaces by which the mesh reaches the node, and those that its own packets have.

    They are on interfaces of the mesh or the loopback, or in what it announces: those of its networks, whose clients
    and whose own packets leave the mesh alike. Its own packets may have announced ones that are seen on no interface
    too, and those of its uplinks where there are no others.
    """
    names = {one.name for one in figures.settings.mesh_interfaces} | {"lo"}
    announced: dict[int, set[int]] = {}
    single: list[str] = []
    if known is not None:
        names |= {one.name for one in known.interfaces}
        for one in known.xroutes:
            address, _, length = one.destination.rpartition("/")
            if length == ("128" if ":" in address else "32"):
                single.append(address)
            elif (prefix := _shortened(address, length)) is not None:
                announced.setdefault(prefix[0], set()).add(prefix[1])
    on_links = figures.addresses()
    single_addresses = set(single)
    inside = [
        one
        for name, ones in on_links.items()
        for one in ones
        if name in names or one in single_addresses or _is_announced(one, announced)
    ]
    told = _global(inside)
    own = _global((*inside, *single)) or _global(one for ones in on_links.values() for one in ones)
    return told, own


def _shortened(address: str, length: str) -> tuple[int, int] | None:
    """Return the length of a prefix, negative for IPv4, and its bits; None for one of length 0 and what is none.

    This is several times quicker than the library's networks, of which there may be ten thousand.
    """
    try:
        family, bits = (socket.AF_INET6, 128) if ":" in address else (socket.AF_INET, 32)
        count = int(length)
        number = int.from_bytes(socket.inet_pton(family, address), "big")
    except (OSError, ValueError):
        return None
    return (count if bits == 128 else -count, number >> (bits - count)) if 0 < count <= bits else None


def _is_announced(address: str, announced: Mapping[int, Container[int]]) -> bool:
    six = ":" in address
    return any(
        (length > 0) is six and (prefix := _shortened(address, str(abs(length)))) is not None and prefix[1] in there
        for length, there in announced.items()
    )


def _takes_packets(route: Route) -> bool:
    return route.installed and route.metric < INFINITY and route.destination in _DEFAULTS


def _learned(route: Route, source: _Source) -> WayOut:
    return WayOut(
        destination=route.destination,
        source=source.text,
        here=False,
        router_id=route.router_id,
        next_hop=route.via,
        interface=route.interface,
        metric=route.metric,
        contains_own=source.contains_own,
    )


def _own(items: Iterable[tuple[tuple[str, tuple[int, int]], WayOut]], destination: str) -> WayOut | None:
    """Return the way of the longest source prefix with an own address, else the one for all, here, or the cheapest."""

    def rank(item: tuple[int, WayOut]) -> tuple[bool, int, bool, int, str]:
        length, way = item
        specific = -length if way.contains_own else min(length, 1)
        return not way.contains_own, specific, not way.here, way.metric, way.source

    there = ((length, way) for (to, (_, length)), way in items if to == destination)
    return min(there, key=rank, default=(0, None))[1]


def _source(destination: str, source: str, addresses: Iterable[_Address]) -> _Source | None:
    """Return a source prefix in the family of its destination: babeld writes ``::/0`` for any source of IPv4, too."""
    try:
        found = ip_network(source, strict=False)
        anywhere = ip_network(destination)
    except ValueError:
        return None
    if found.prefixlen == 0:
        found = anywhere
    elif found.version != anywhere.version:
        return None
    return _Source(str(found), (int(found.network_address), found.prefixlen), _any_in(addresses, found))


def _any_in(addresses: Iterable[_Address], source: _Prefix) -> bool:
    return any(address.version == source.version and address in source for address in addresses)


def _address(text: str) -> _Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _global(addresses: Iterable[str]) -> tuple[str, ...]:
    found = [one for one in map(_address, addresses) if one is not None]
    return tuple(dict.fromkeys(str(one) for one in found if not one.is_link_local and not one.is_loopback))
