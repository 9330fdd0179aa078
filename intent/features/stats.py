"""``stats``: what the node tells of itself: to maps (respondd), to Prometheus, and on a page."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from intent import statistics
from intent.durations import Duration
from intent.feature import Feature, Finding, Holding
from intent.features.exit import Exit
from intent.features.firewall import Firewall
from intent.features.gre import Gre
from intent.features.links import LinkPeer, Links, is_link_name, link_name
from intent.features.mesh import Mesh
from intent.features.wireguard import Peer, WireGuard
from intent.fields import BabeldSocket, BabelType, InterfaceName, TrueFalse
from intent.references import Reference, References
from intent.resources.resource import Resource
from intent.services import Service
from intent.statistics import (
    BabelSource,
    Following,
    MeshInterface,
    PageSettings,
    PrometheusSettings,
    RespondSettings,
    Statistics,
    WrittenEndpoint,
)
from intent.statistics_fields import (
    Altitude,
    Code,
    FollowText,
    Latitude,
    ListenText,
    Longitude,
    NodeId,
    Words,
    spelled,
)
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node

SERVICE = "statistics"
RESPONDD_PORT = 1001
"""The UDP port on which nodes are asked for what they tell of themselves."""
SHORTEST_DUMP_SECONDS = 10
"""Dumps that come more often cost babeld more than `monitor` does."""


class Location(Model):
    """Where the node stands."""

    words = "a location"

    latitude: Latitude = Field(description="Degrees north, from -90 to 90 (WGS 84).", examples=[52.520815])
    longitude: Longitude = Field(description="Degrees east, from -180 to 180 (WGS 84).", examples=[13.409419])
    altitude: Altitude | None = Field(
        default=None, description="Metres, from -1000 to 10000, above what your map counts from.", examples=[30]
    )


class About(Model):
    """What the operator says of the node."""

    words = "what is said of the node"

    contact: Words | None = Field(
        default=None,
        description="How the operator is reached. Everybody can read it. Up to 200 characters.",
        examples=["noc@example.org"],
    )
    site: Code | None = Field(
        default=None, description="The short name that maps have for the community.", examples=["ffxx"]
    )
    domain: Code | None = Field(
        default=None, description="The short name of the part of the community's mesh.", examples=["default"]
    )
    location: Location | None = Field(default=None, description="Where the node stands. Maps show it.")
    node_id: NodeId | None = Field(
        default=None,
        description="The number that maps know the node by: 12 hexadecimal digits. By default it is made from the MAC "
        "address of an interface, and is another one when that hardware is exchanged.",
        examples=["0a1b2c3d4e5f"],
    )
    model: Words | None = Field(
        default=None,
        description="The model of the hardware. By default what the system knows of it.",
        examples=["PC Engines APU2"],
    )

    def value(self) -> statistics.About:
        """Return what is said."""
        at = self.location
        return statistics.About(
            node_id=self.node_id,
            contact=self.contact,
            site=self.site,
            domain=self.domain,
            location=None
            if at is None
            else statistics.Location(latitude=at.latitude, longitude=at.longitude, altitude=at.altitude),
            model=self.model,
        )


class Babel(Model):
    """How babeld is followed."""

    words = "how babeld is followed"

    socket: BabeldSocket | None = Field(
        default=None,
        description="Where babeld is spoken to, on a node without `mesh`: the path it was given as `local-path`, or "
        "`[::1]:PORT` for `local-port`. With `mesh` it is that of `mesh.babeld`.",
        examples=["/run/babeld.sock"],
    )
    follow: FollowText = Field(
        default=Following.AUTO,
        description="How what babeld knows is followed. `monitor`: babeld tells each change at once, and each route "
        "again every 5 seconds. `dump`: babeld is asked for all it knows from time to time, which costs it less in "
        "large networks. `auto`: whichever costs less by what is measured.",
        examples=["auto"],
    )
    every: Annotated[int, Duration(SHORTEST_DUMP_SECONDS, 3600)] | None = Field(
        default=None,
        description="The time between two dumps, from 10s to 1h. By default it follows from how much babeld knows.",
        examples=["15s"],
    )


class Listening(Model):
    """Base of what listens on an address."""

    listen: ListenText = Field(
        description="Where it listens: `[IPv6 address]:port` or `IPv4 address:port`. One address of this node, of the "
        "loopback (`[::1]`) or the mesh; there is no way to mean all of them. Whoever reaches the address can read it.",
        examples=["[::1]:9742"],
    )


class Respondd(Model):
    """Where maps get their answers."""

    words = "respondd"

    interfaces: tuple[InterfaceName, ...] | None = Field(
        default=None,
        description="The interfaces of the mesh on which queries are answered; others get none. By default all "
        "interfaces of `mesh` and of `links`. Needed without `mesh`. Who asks from another link needs an address in "
        "`prefixes` of `mesh`; where there are none, in fc00::/7 or the /64 of an address on one of these interfaces.",
        examples=[["mesh0"]],
    )


class Prometheus(Listening):
    """Where Prometheus scrapes."""

    words = "prometheus"

    routes: TrueFalse = Field(
        default=False,
        description="Whether each route has series of its own. Of 10,000 routes these are tens of thousands: by "
        "default routes are only counted.",
    )


class Page(Listening):
    """Where the status page is."""

    words = "the page"


class Stats(Model):
    """What the node tells of itself."""

    words = "the statistics"

    about: About = Field(default_factory=About, description="What you say of the node, for maps. Everybody reads it.")
    babel: Babel | None = Field(
        default=None,
        description="How babeld is followed. By default the babeld of `mesh`, in the way that costs least; on a node "
        "without `mesh` none.",
    )
    respondd: Respondd | None = Field(
        default=None,
        description="Answers the queries of collectors for maps, such as yanic and hopglass-server, on UDP port 1001.",
    )
    prometheus: Prometheus | None = Field(
        default=None, description="Metrics for Prometheus, at `/metrics`. Needs `pip install 'stellwerk[prometheus]'`."
    )
    page: Page | None = Field(
        default=None, description="A status page for browsers, to read only. Needs `pip install 'stellwerk[page]'`."
    )


ANSWERS = ("respondd", "prometheus", "page")


def check(stats: Stats, node: Node) -> Iterator[Finding]:
    """Yield statistics that nobody gets, and what does not fit the mesh."""
    if all(getattr(stats, name) is None for name in ANSWERS):
        yield Finding(
            (),
            f"`stats` needs {', '.join(f'`{name}`' for name in ANSWERS[:-1])} or `{ANSWERS[-1]}`: nobody else is told",
            "such as `respondd: {interfaces: [mesh0]}`",
        )
    yield from _babel_findings(stats, node)
    if stats.respondd is not None:
        yield from _respondd_findings(stats.respondd, node)


def _babel_findings(stats: Stats, node: Node) -> Iterator[Finding]:
    babel, mesh = stats.babel, node.get(Mesh)
    if babel is not None and babel.every is not None and babel.follow is Following.MONITOR:
        yield Finding(("babel", "every"), "`every` is between two dumps, and `monitor` makes none", "leave it out")
    if mesh is not None:
        if babel is not None and babel.socket not in (None, mesh.babeld.socket):
            yield Finding(
                ("babel", "socket"),
                f"the babeld of `mesh` is at `{mesh.babeld.socket}`, and a node has one",
                "leave it out",
            )
    elif "mesh" in node.root.entries or node.root.incomplete:
        return
    elif babel is not None and babel.socket is None:
        yield Finding(
            ("babel",), "`babel` needs `socket`, since there is no `mesh`", "such as `socket: /run/babeld.sock`"
        )
    elif babel is None and stats.respondd is not None:
        yield Finding(
            ("respondd",),
            "`respondd` tells of babel's neighbours, but there is no `mesh`, and `stats` has no `babel`",
            "say where babeld is: `babel: {socket: /run/babeld.sock}`",
        )


def _respondd_findings(respondd: Respondd, node: Node) -> Iterator[Finding]:
    mesh, links, written = node.get(Mesh), node.get(Links), respondd.interfaces
    has_links = "links" in node.root.entries and (links is None or bool(links.peers))
    has_members = "mesh" in node.root.entries and (mesh is None or bool(mesh.interfaces))
    if not written:
        if written is not None or not (has_links or has_members):
            place: tuple[str, ...] = ("respondd",) if written is None else ("respondd", "interfaces")
            yield Finding(place, "`respondd` needs an interface to answer on", "such as `interfaces: [mesh0]`")
        return
    known = None if mesh is None else [interface.name for interface in mesh.interfaces]
    for number, name in enumerate(written):
        path = ("respondd", "interfaces", number)
        if name in written[:number]:
            first = ("respondd", "interfaces", written.index(name))
            yield Finding(path, f"`{name}` is written twice, first in line {{line}}", first=first)
        elif known is not None and name not in known and not (is_link_name(name) and has_links):
            near = difflib.get_close_matches(name, known, 1)
            listed = f"there is {', '.join(f'`{one}`' for one in known[:10])}" if known else None
            yield Finding(
                path, f"`{name}` is no mesh interface of this file", f"did you mean `{near[0]}`?" if near else listed
            )


def holds(stats: Stats, node: Node) -> Iterator[Holding]:
    """Yield the ports that are listened on."""
    if stats.respondd is not None:
        yield Holding(("respondd",), "UDP port", RESPONDD_PORT)
    for name, answer in (("prometheus", stats.prometheus), ("page", stats.page)):
        if answer is not None:
            yield Holding((name, "listen"), "TCP address", spelled(answer.listen))


def references(stats: Stats, node: Node) -> Iterator[Reference[Any]]:
    """Yield the key that the names of links follow from."""
    links = node.get(Links)
    if links is not None and links.peers:
        yield links.private_key.reference()


def expand(stats: Stats, node: Node, references: References) -> Iterator[Resource]:
    """Yield nothing: it changes nothing on the node."""
    return iter(())


def services(stats: Stats, node: Node, references: References) -> Iterator[Service]:
    """Yield the statistics that are asked for."""
    mesh, gre, wireguard, exits = node.get(Mesh), node.get(Gre), node.get(WireGuard), node.get(Exit)
    made = () if wireguard is None else (one.name for one in wireguard.root)
    links = _links(node, references)
    written = () if mesh is None else mesh.interfaces
    inner = (*(MeshInterface(name=one.name, sort=_sort(one.type)) for one in written), *links)
    yield Service(
        SERVICE,
        Statistics(
            node=node.name,
            about=stats.about.value(),
            babel=_babel(stats, mesh),
            mesh_interfaces=inner,
            mesh_prefixes=() if mesh is None else tuple(map(str, mesh.prefixes)),
            wireguard=(*made, *(link.name for link in links)),
            endpoints=tuple(_endpoints(node, links)),
            tunnels=() if gre is None else tuple(tunnel.name for tunnel in gre.root),
            exits=() if exits is None else tuple(str(entry.prefix) for entry in exits.prefixes),
            firewall=node.get(Firewall) is not None,
            respondd=_respondd(stats, inner),
            prometheus=None
            if stats.prometheus is None
            else PrometheusSettings(listen=stats.prometheus.listen, routes=stats.prometheus.routes),
            page=None if stats.page is None else PageSettings(listen=stats.page.listen),
        ),
    )


def _babel(stats: Stats, mesh: Mesh | None) -> BabelSource | None:
    """Return the babeld that is followed.

    Its routes are kept where they are counted by state and origin, on the page and for Prometheus. Respondd tells of
    the ways out alone, so that a router which gives nothing else holds none in its memory. In the daemon all are
    kept nevertheless while babeld is monitored, since its reconciler looks at them; where babeld is dumped none are.
    """
    written = Babel() if stats.babel is None else stats.babel
    socket = written.socket if mesh is None else mesh.babeld.socket
    if socket is None:
        return None
    return BabelSource(
        socket=socket,
        following=written.follow,
        every_seconds=written.every,
        routes=stats.prometheus is not None or stats.page is not None,
    )


def _respondd(stats: Stats, inner: tuple[MeshInterface, ...]) -> RespondSettings | None:
    if stats.respondd is None:
        return None
    return RespondSettings(interfaces=stats.respondd.interfaces or tuple(one.name for one in inner))


def _links(node: Node, references: References) -> tuple[MeshInterface, ...]:
    links = node.get(Links)
    if links is None or not links.peers:
        return ()
    key = links.private_key.reference()
    if key not in references:
        # Who only gives statistics may lack the right to read it.
        return ()
    own = references[key].key.public
    return tuple(MeshInterface(name=link_name(own, peer.key()), sort=_sort(peer.type)) for peer in links.peers)


def _endpoints(node: Node, links: Iterable[MeshInterface]) -> Iterator[WrittenEndpoint]:
    """Yield where the file says that peers are; ``links`` are the interfaces of `links`, in its order."""
    wireguard, written = node.get(WireGuard), node.get(Links)
    peers: list[tuple[str, Peer | LinkPeer]] = []
    for interface in () if wireguard is None else wireguard.root:
        peers += [(interface.name, peer) for peer in interface.peers]
    # Without the key that their names follow from, no links are known.
    peers += zip((link.name for link in links), () if written is None else written.peers, strict=False)
    for name, peer in peers:
        if (at := peer.endpoint) is not None:
            yield WrittenEndpoint(interface=name, public_key=peer.public_key, host=at.host, port=at.port)


def _sort(type_: BabelType | None) -> str | None:
    """Return what maps call a type of babel's, ``None`` for one that babeld finds out."""
    return {"wireless": "wireless", "tunnel": "tunnel", "wired": "other"}.get(type_ or "")


FEATURE = Feature(
    name="stats",
    model=Stats,
    description="What the node tells of itself: to maps by respondd, to Prometheus, and on a page for browsers. All of "
    "it is answered from memory: however often it is asked, babeld is not.",
    check=check,
    holds=holds,
    references=references,
    expand=expand,
    services=services,
)
