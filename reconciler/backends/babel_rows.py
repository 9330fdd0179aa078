"""The rows of what a babeld knows (babeld(8), local configuration protocol)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Interface(NamedTuple):
    """An interface of babeld: its link-local IPv6 address and its IPv4 address where it has them."""

    name: str
    up: bool
    ipv6: str | None
    ipv4: str | None


class Neighbour(NamedTuple):
    """A neighbour (RFC 8966, section 3.2.3).

    ``reach`` and ``ureach`` are the histories of its multicast and unicast hellos, 16 bits, the latest the highest.
    ``rtt_ms`` and ``rttcost`` are None where the round trip is not measured.
    """

    address: str
    interface: str
    reach: int
    ureach: int
    rxcost: int
    txcost: int
    cost: int
    rtt_ms: float | None
    rttcost: int | None


class Xroute(NamedTuple):
    """A route that this babeld announces for its own node."""

    destination: str
    source: str
    metric: int


class Route(NamedTuple):
    """A route that a neighbour announced. ``via`` is the neighbour's link-local address; a metric of 65535 is down."""

    destination: str
    source: str
    installed: bool
    router_id: str
    metric: int
    refmetric: int
    via: str
    interface: str


class RouteCounts(NamedTuple):
    """How many routes there are by state; each is in one of them."""

    installed: int
    fallback: int
    """Reachable, and not installed."""
    unreachable: int
    """With a metric of infinity, installed or not."""


class Known(NamedTuple):
    """What a babeld knows at one moment, all from one connection.

    ``defaults`` are the reachable routes to ``::/0`` and ``0.0.0.0/0``, of whatever source prefix, installed ones
    first, then by metric. ``counts``, ``routers`` and ``routes`` are None where routes are not kept; each walk through
    ``routes`` reads them anew.
    """

    version: str
    router_id: str
    interfaces: tuple[Interface, ...]
    neighbours: tuple[Neighbour, ...]
    xroutes: tuple[Xroute, ...]
    defaults: tuple[Route, ...]
    counts: RouteCounts | None
    routers: int | None
    """How many router ids announce something reachable."""
    routes: Sequence[Route] | None
