"""What statistics a node keeps of itself and gives to whom.

Plain values, so that a process that does nothing else can have them without the models of the node file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Following(StrEnum):
    """How what babeld knows is followed (babeld(8), local configuration protocol)."""

    AUTO = "auto"
    """The cheaper one of the others, by what they cost."""
    MONITOR = "monitor"
    """babeld tells every change at once, and every route about every 5 s although nothing has changed."""
    DUMP = "dump"
    """babeld is asked for all it knows from time to time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BabelSource:
    """The babeld that is followed. ``every_seconds`` is the time between two dumps, None for what its size asks for.

    ``routes`` is whether its routes are kept, or only counted and looked through for the ways out.
    """

    socket: str
    following: Following = Following.AUTO
    every_seconds: float | None = None
    routes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where a server listens: an IP address and a TCP port."""

    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where the node stands: degrees (WGS 84), and metres."""

    latitude: float
    longitude: float
    altitude: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the operator says of the node, for maps. ``node_id`` is 12 hexadecimal digits, None to derive it."""

    node_id: str | None = None
    contact: str | None = None
    site: str | None = None
    domain: str | None = None
    location: Location | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshInterface:
    """An interface of the mesh. ``sort`` is ``wireless``, ``tunnel`` or ``other``, None to find out."""

    name: str
    sort: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenEndpoint:
    """Where the node file says that a WireGuard peer is: ``host``, an IP address or a name, and a UDP port."""

    interface: str
    public_key: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RespondSettings:
    """Where queries of respondd are answered (UDP port 1001)."""

    interfaces: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSettings:
    """Where Prometheus scrapes. ``routes`` is whether each route has series of its own."""

    listen: Listen
    routes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """Where the status page is."""

    listen: Listen


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What statistics a node keeps and gives.

    ``mesh_interfaces`` is empty where babeld alone says what they are, and ``mesh_prefixes``, those of the addresses of
    its nodes, where the node file does not say. ``wireguard`` and ``tunnels`` are names of interfaces, ``exits`` the
    prefixes that may leave the mesh here as the node file names them. ``endpoints`` are those of peers by which it is
    known whether one has roamed.
    """

    node: str
    about: About = About()
    babel: BabelSource | None = None
    mesh_interfaces: tuple[MeshInterface, ...] = ()
    mesh_prefixes: tuple[str, ...] = ()
    wireguard: tuple[str, ...] = ()
    endpoints: tuple[WrittenEndpoint, ...] = ()
    tunnels: tuple[str, ...] = ()
    exits: tuple[str, ...] = ()
    firewall: bool = False
    respondd: RespondSettings | None = None
    prometheus: PrometheusSettings | None = None
    page: PageSettings | None = None
