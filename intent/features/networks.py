"""``networks``: networks behind this node that all of the mesh can reach, such as that of its clients."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, RootModel

from intent.feature import Feature, Finding
from intent.features.exit import EXIT_METRIC, Exit
from intent.features.links import is_link_name
from intent.features.mesh import Mesh, around
from intent.fields import InterfaceName, IPv6Prefix, IPv6Text
from intent.overlaps import overlaps
from intent.references import Reference, References
from intent.refusals import DrawingRoutes, Refusals
from intent.resources.address import Address
from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.resource import Resource
from intent.resources.route import ANYWHERE, PROTOCOL_ANNOUNCED, Route
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node

NETWORK_METRIC = EXIT_METRIC
"""Another node's way to the same prefix stands beside ours, and ours wins."""


class Network(Model):
    """A network behind this node."""

    words = "a network"

    prefix: IPv6Prefix = Field(
        description="The network's IPv6 prefix. With addresses out of an exit's prefix, its clients reach the Internet "
        "through that exit.",
        examples=["2001:db8:42:7::/64"],
    )
    interface: InterfaceName = Field(
        description="The interface that the network is at; neither one of the mesh nor an uplink.", examples=["clients"]
    )
    address: IPv6Text | None = Field(
        default=None,
        description="An address inside the prefix that this node gets on that interface, with the prefix's length. "
        "Left out where another program sees to that. Router advertisements are the task of another program, such as "
        "radvd or odhcpd, in any case.",
        examples=["2001:db8:42:7::1"],
    )


class Networks(RootModel[tuple[Network, ...]]):
    """Networks behind this node."""

    model_config = ConfigDict(strict=True, frozen=True)


def check(networks: Networks, node: Node) -> Iterator[Finding]:
    """Yield networks that cannot be behind this node, or that overlap."""
    exit_ = node.get(Exit)
    mesh = node.get(Mesh)
    members = {interface.name for interface in mesh.interfaces} if mesh else set[str]()
    uplinks = set(mesh.uplinks) if mesh else set[str]()
    uplinks |= {entry.via.interface for entry in exit_.prefixes} if exit_ else set()
    for number, network in enumerate(networks.root):
        yield from _prefix_findings((number, "prefix"), network.prefix)
        if network.address is not None and network.address not in network.prefix:
            yield Finding((number, "address"), f"`{network.address}` is not inside the network's prefix")
        path, name = (number, "interface"), network.interface
        if name in members or is_link_name(name):
            message = f"`{name}` is a mesh interface: what is behind it is found by babel"
            yield Finding(path, message, "name the interface that the network is at")
        elif name in uplinks:
            message = f"`{name}` is an uplink: the network there is the provider's, and reached without the mesh"
            yield Finding(path, message, "name the interface that the network is at")
    yield from _overlaps(networks)


def _prefix_findings(path: tuple[int, str], prefix: IPv6Network) -> Iterator[Finding]:
    if prefix.prefixlen == 0:
        yield Finding(
            path,
            "a network `::/0` would draw every packet of the whole mesh to this node",
            "name the network's own prefix; for a way to the Internet there is `exit`",
        )
    elif prefix.is_link_local or prefix.is_multicast or prefix.is_loopback:
        yield Finding(path, f"`{prefix}` is never routed, so nobody else could reach it")


def _overlaps(networks: Networks) -> Iterator[Finding]:
    for first, second in overlaps([network.prefix for network in networks.root]):
        one, other = networks.root[first].prefix, networks.root[second].prefix
        said = "is written twice, first" if one == other else f"overlaps `{one}`"
        yield Finding((second, "prefix"), f"`{other}` {said} in line {{line}}", first=(first, "prefix"))


def expand(networks: Networks, node: Node, references: References) -> Iterator[Resource]:
    """Yield for each network the way to it, that babel announces it, and the rules that keep it inside the mesh."""
    mesh = node.get(Mesh)
    if mesh is None:
        return
    drawing = references[DrawingRoutes(mesh.babeld.socket, mesh.table)]
    refusals = Refusals(drawing)
    for network in networks.root:
        prefix = str(network.prefix)
        route = Route(
            routing_table=mesh.table,
            destination=prefix,
            metric=NETWORK_METRIC,
            link=network.interface,
            protocol=PROTOCOL_ANNOUNCED,
        )
        if network.address is not None:
            yield Address(link=network.interface, address=f"{network.address}/{network.prefix.prefixlen}")
        yield route
        yield from refusals.of(route)
        yield from around(mesh, network.prefix)
        yield BabelAnnouncement(prefix, ANYWHERE, mesh.babeld.socket, route.key, 0)


def lookups(networks: Networks, node: Node) -> Iterator[Reference[Any]]:
    """Yield what others announce of these networks."""
    if (mesh := node.get(Mesh)) is not None:
        yield DrawingRoutes(mesh.babeld.socket, mesh.table)


FEATURE = Feature(
    name="networks",
    model=Networks,
    description="Networks behind this node that all of the mesh can reach, such as that of its clients. Their traffic "
    "goes through the mesh and its exits, never through the node's own uplink.",
    needs=("mesh",),
    check=check,
    references=lookups,
    expand=expand,
)
