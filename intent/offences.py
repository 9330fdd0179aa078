"""Which routes of others touch what this node announces itself, and which of them would draw its traffic.

A packet takes the route to the longest destination prefix, and of those to the same one the route from the longest
source prefix. So a route of somebody else draws our traffic where it is inside one of ours.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from intent.ip_text import EVERYTHING6, packed, prefix6

_BITS = 128

AS_GOOD_AS_DEFAULT = (("::/0", 2), ("2000::/3", 15))
"""Destinations as good as all of the Internet: in which prefix, and up to which length.

What the Internet routes is in ``2000::/3``. Networks of other kinds are reached by ``fc00::/7`` and ``fd00::/8``.
"""


class Offence(StrEnum):
    """What a route of somebody else does to us."""

    DEFAULT = "default"
    """It is a default route without a source prefix, or as good as one: it would draw the whole mesh's traffic."""
    NETWORK = "network"
    """It leads to a destination that we announce, or to a part of it."""
    EXIT = "exit"
    """It is a way out for the addresses of an exit of ours, or for some of them."""
    PART = "part"
    """It is a way out for a part of an exit prefix of this mesh, which others announce as a whole."""
    CLIENTS = "clients"
    """It is a way out for a network of ours or for a part of it, while another router has one for more than that."""
    AROUND = "around"
    """It is a default route for a prefix that contains one of our exits; the longer one wins, and that is ours."""

    @property
    def kind(self) -> str:
        """How it is told of: whoever leads clients out of the wrong exit does the same to all of them."""
        return str(Offence.EXIT if self in (Offence.PART, Offence.CLIENTS) else self)


class Prefixes(NamedTuple):
    """A destination and a source prefix, normalised; no source is ``::/0``."""

    destination: str
    source: str


class Touch(NamedTuple):
    """What a route does to us, and which of ours it touches, ``None`` where it touches the whole mesh."""

    offence: Offence
    ours: Prefixes | None


class Span(NamedTuple):
    """A prefix as numbers: its first address and its length."""

    first: int
    length: int

    @property
    def last(self) -> int:
        """The last address."""
        return self.first | (1 << (_BITS - self.length)) - 1

    def holds(self, other: Span) -> bool:
        """Return whether the other is equal to this one or inside it."""
        return self.length <= other.length and self.first <= other.first <= self.last


def spanned(prefix: str) -> Span:
    """Return an IPv6 prefix as numbers. Raises ValueError."""
    if prefix == EVERYTHING6:
        return Span(0, 0)
    normal = prefix6(prefix) or str(ipaddress.IPv6Network(prefix, strict=False))
    address, _, length = normal.partition("/")
    return Span(int.from_bytes(packed(address), "big"), int(length))


_WIDE = tuple((spanned(prefix), most) for prefix, most in AS_GOOD_AS_DEFAULT)


class Ways:
    """Ways out, each by its source prefix and the router that announces it."""

    def __init__(self) -> None:
        self._routers: dict[Span, list[str]] = {}

    def add(self, source: str, router_id: str) -> None:
        """Take one in. Of the routers that have the same source prefix two are enough to know that there is another."""
        routers = self._routers.setdefault(spanned(source), [])
        if len(routers) < 2 and router_id not in routers:
            routers.append(router_id)

    def has_wider(self, source: str, router_id: str) -> bool:
        """Return whether another router has one for a prefix around this one."""
        span = spanned(source)
        wider = (Span(span.first >> _BITS - n << _BITS - n, n) for n in range(1, span.length))
        return any(other != router_id for one in wider for other in self._routers.get(one, ()))


class Spans:
    """Prefixes, each with what it belongs to, to be asked which of them are around another or inside it."""

    def __init__(self, entries: Iterable[tuple[Span, Prefixes]]) -> None:
        self._by_length: dict[int, dict[int, Prefixes]] = {}
        self._sorted: list[tuple[Span, Prefixes]] = sorted(entries)
        for span, ours in self._sorted:
            self._by_length.setdefault(span.length, {}).setdefault(span.first, ours)
        self._lengths = sorted(self._by_length, reverse=True)

    def around(self, span: Span) -> Prefixes | None:
        """Return the longest that is equal to a prefix or contains it."""
        for length in self._lengths:
            if length <= span.length:
                first = span.first >> (_BITS - length) << (_BITS - length)
                if (found := self._by_length[length].get(first)) is not None:
                    return found
        return None

    def inside(self, span: Span) -> Prefixes | None:
        """Return the first that is inside a prefix."""
        start = bisect_left(self._sorted, ((span.first, 0),))
        for number in range(start, len(self._sorted)):
            found, ours = self._sorted[number]
            if found.first > span.last:
                return None
            if span.holds(found):
                return ours
        return None


class Announced:
    """What a node announces, and the exit prefixes of its mesh, to be asked which routes of others touch them."""

    def __init__(self, announced: Iterable[Prefixes], exits: Iterable[str] = ()) -> None:
        ours = [(spanned(one.destination), spanned(one.source), one) for one in announced if _is_ipv6(one)]
        self._destinations = Spans((to, one) for to, origin, one in ours if to.length and not origin.length)
        self._sources = Spans((origin, one) for _, origin, one in ours if origin.length)
        self._exits = Spans((spanned(one), Prefixes(EVERYTHING6, one)) for one in exits)

    def touched_by(self, route: Prefixes) -> Touch | None:
        """Return what a route of somebody else does to us, ``None`` where it is none of our concern.

        Raises ValueError for what are no prefixes. Routes of IPv4 are none of our concern.
        """
        if not _is_ipv6(route):
            return None
        to, origin = spanned(route.destination), spanned(route.source)
        if not origin.length and _is_wide(to):
            return Touch(Offence.DEFAULT, None)
        if to.length and (ours := self._destinations.around(to)) is not None:
            return Touch(Offence.NETWORK, ours)
        if origin.length and (ours := self._sources.around(origin)) is not None:
            return Touch(Offence.EXIT, ours)
        if not to.length and (ours := self._sources.inside(origin)) is not None:
            return Touch(Offence.AROUND, ours)
        return self._way_out(route, origin) if origin.length and _is_wide(to) else None

    def _way_out(self, route: Prefixes, origin: Span) -> Touch | None:
        if (whole := self._exits.around(origin)) is not None:
            return None if whole == route else Touch(Offence.PART, whole)
        network = self._destinations.around(origin)
        return None if network is None else Touch(Offence.CLIENTS, network)

    def is_way_of_clients(self, route: Prefixes) -> bool:
        """Return whether a route is a way out for all or some of the addresses in a network of ours.

        Raises ValueError for what are no prefixes.
        """
        if not _is_ipv6(route):
            return False
        to, origin = spanned(route.destination), spanned(route.source)
        if not origin.length or not _is_wide(to):
            return False
        return self._destinations.around(origin) is not None or self._destinations.inside(origin) is not None


def is_default(route: Prefixes) -> bool:
    """Return whether a route of IPv6 without a source prefix is a default route, or as good as one."""
    return _is_ipv6(route) and not spanned(route.source).length and _is_wide(spanned(route.destination))


def _is_wide(to: Span) -> bool:
    return any(to.length <= most and prefix.holds(to) for prefix, most in _WIDE)


def _is_ipv6(route: Prefixes) -> bool:
    return ":" in route.destination and ":" in route.source


def draws(touch: Touch, route: Prefixes) -> bool:
    """Return whether the kernel would take a route rather than the one of ours that it touches.

    Of two with the same prefixes it takes ours, by its metric; one that is wider comes later.
    """
    return touch.offence in (Offence.NETWORK, Offence.EXIT) and route != touch.ours
