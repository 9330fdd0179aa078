"""Which way traffic leaves the mesh from here: that of each source prefix, and that of the node itself.

With source-specific routing (RFC 9079) there are as many ways out as there are source prefixes: of the default routes
whose source prefix a packet's source address is in, the one with the longest source prefix takes it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
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


def ways_out(known: Known | None, own_exits: Iterable[str], own_addresses: Iterable[str]) -> WaysOut:
    """Return the ways out, by what babeld knows: its installed routes, for others take no packets.

    ``own_exits`` are source prefixes that leave the mesh at this node, beside those of the default routes which babeld
    announces for it; they win over what is learned, as they do in babeld. What is no prefix or address is left out.
    """
    addresses = [one for one in map(_address, own_addresses) if one is not None]
    own_router = "" if known is None else known.router_id
    found: dict[tuple[str, _Prefix], WayOut] = {}
    announced = () if known is None else known.xroutes
    local = [(one.destination, one.source, one.metric) for one in announced if one.destination in _DEFAULTS]
    local += [(ANYWHERE if ":" in one else ANYWHERE_IPV4, one, 0) for one in own_exits]
    for destination, written, metric in local:
        if metric < _RETRACTED and (source := _source(destination, written)) is not None:
            way = WayOut(destination, str(source), True, own_router, None, None, metric, _any_in(addresses, source))
            found.setdefault((destination, source), way)
    for route in () if known is None else known.defaults:
        if not _takes_packets(route) or (source := _source(route.destination, route.source)) is None:
            continue
        found.setdefault((route.destination, source), _learned(route, source, addresses))
    ways = tuple(way for _, way in sorted(found.items(), key=_order))
    return WaysOut(ways, _own(ways, ANYWHERE), _own(ways, ANYWHERE_IPV4))


class Leaving:
    """The ways out of a node, put together anew only when something of it has changed. For any thread."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._last: tuple[Hashable, WaysOut] = (None, NOWHERE)

    def now(self) -> WaysOut | None:
        """Return the ways out, None while they are not known."""
        babel = self._figures.babel()
        known = None if babel is None else babel.known
        exits = own_exits(self._figures.status())
        if known is None and not exits:
            # An exit leaves here although babeld is away; of others nothing is known then.
            return NOWHERE if babel is None else None
        addresses = own_addresses(self._figures, known)
        defaults, announced = (known.defaults, known.xroutes) if known is not None else ((), ())
        basis = defaults, announced, "" if known is None else known.router_id, exits, addresses
        last, found = self._last
        if basis != last:
            found = ways_out(known, exits, addresses)
            self._last = basis, found
        return found


def of(figures: Figures) -> WaysOut | None:
    """Return the ways out of a node, None while they are not known; each call puts them together anew."""
    return Leaving(figures).now()


def own_exits(status: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the prefixes that leave the mesh at this node, as the daemon's status has them: those it announces."""
    offers = () if status is None else status.get("offers", ())
    return tuple(
        one["prefix"]
        for one in offers
        if one["kind"] == "exit" and one["state"] == "announced" and one.get("prefix") is not None
    )


def own_addresses(figures: Figures, known: Known | None) -> tuple[str, ...]:
    """Return the addresses that this node has in the mesh; those of its uplinks only where it has no others.

    They are on interfaces of the mesh or the loopback, or are announced as prefixes of one address.
    """
    names = {one.name for one in figures.settings.mesh_interfaces} | {"lo"}
    announced: list[str] = []
    if known is not None:
        names |= {one.name for one in known.interfaces}
        whole = (one.destination.rpartition("/") for one in known.xroutes)
        announced = [address for address, _, length in whole if length == ("128" if ":" in address else "32")]
    addresses = figures.addresses()
    inside = [one for name in sorted(names) for one in addresses.get(name, ())]
    found = _global((*announced, *inside))
    return found or _global(one for ones in addresses.values() for one in ones)


def _takes_packets(route: Route) -> bool:
    return route.installed and route.metric < INFINITY and route.destination in _DEFAULTS


def _learned(route: Route, source: _Prefix, addresses: Sequence[_Address]) -> WayOut:
    return WayOut(
        destination=route.destination,
        source=str(source),
        here=False,
        router_id=route.router_id,
        next_hop=route.via,
        interface=route.interface,
        metric=route.metric,
        contains_own=_any_in(addresses, source),
    )


def _own(ways: Iterable[WayOut], destination: str) -> WayOut | None:
    """Return the way of the longest source prefix with an own address, else the one for all, here, or the cheapest."""

    def rank(way: WayOut) -> tuple[bool, int, bool, int, str]:
        length = int(way.source.rpartition("/")[2])
        specific = -length if way.contains_own else min(length, 1)
        return not way.contains_own, specific, not way.here, way.metric, way.source

    return min((way for way in ways if way.destination == destination), key=rank, default=None)


def _order(item: tuple[tuple[str, _Prefix], WayOut]) -> tuple[str, int, int]:
    (destination, source), _ = item
    return destination, int(source.network_address), source.prefixlen


def _source(destination: str, source: str) -> _Prefix | None:
    """Return a source prefix in the family of its destination: babeld writes ``::/0`` for any source of IPv4, too."""
    try:
        found = ip_network(source, strict=False)
        anywhere = ip_network(destination)
    except ValueError:
        return None
    if found.prefixlen == 0:
        return anywhere
    return found if found.version == anywhere.version else None


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
