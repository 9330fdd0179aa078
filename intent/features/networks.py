"""``networks``: networks behind this node that all of the mesh can reach, such as that of its clients."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, RootModel

from intent.delegation import Delegated, PrefixSource, looked_up, prefix_of
from intent.feature import Feature, Finding
from intent.features.exit import EXIT_METRIC, Exit, delegated_findings
from intent.features.links import is_link_name
from intent.features.mesh import Mesh, around, behind, own_addresses
from intent.fields import InterfaceName, IPv6TextOrEnd
from intent.offences import Prefixes, is_default
from intent.overlaps import overlaps
from intent.references import Reference, References
from intent.refusals import DrawingRoutes, Refusals
from intent.resources.address import Address
from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.resource import Key, Resource
from intent.resources.route import ANYWHERE, PROTOCOL_ANNOUNCED, Route
from intent.resources.rule import Rule
from intent.shares import Prefixed, Share, Unique
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node

SHORTEST_PREFIX = 48
"""What one site gets at most, of its provider (RFC 6177) and of its own addresses (RFC 4193)."""
NETWORK_METRIC = EXIT_METRIC
"""Another node's way to the same prefix stands beside ours, and ours wins."""


class Network(Model):
    """A network behind this node."""

    words = "a network"
    merge_key = "prefix"

    prefix: PrefixSource = Field(
        description="The network's IPv6 prefix, of length 48 or longer; it may be inside one of this node's exit "
        "prefixes, but not be all of it. With addresses out of an exit's prefix, its clients reach the Internet "
        "through that exit. A part of one that the provider delegates is written `{delegated: wan, length: 64}`; it "
        "follows what the provider gives, and while nothing is delegated, or it overlaps another network here, this "
        "one is not announced. Prefixes that the Internet does not route count if they do for the `exit`.",
        examples=["2001:db8:42:7::/64"],
    )
    interface: InterfaceName = Field(
        description="The interface that the network is at; neither one of the mesh nor an uplink.", examples=["clients"]
    )
    address: IPv6TextOrEnd | None = Field(
        default=None,
        description="An address inside the prefix that this node gets on that interface, with the prefix's length. "
        "Left out where another program sees to that. In a delegated prefix it is written without the prefix, as "
        '`"::1"`, and follows it. Router advertisements are the task of another program, such as radvd or odhcpd, in '
        "any case.",
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
    uplinks |= {network.prefix.delegated for network in networks.root if isinstance(network.prefix, Delegated)}
    for number, network in enumerate(networks.root):
        yield from _prefix_findings((number, "prefix"), network, node)
        if network.address is not None:
            yield from _address_findings((number, "address"), network.address, network.prefix)
        path, name = (number, "interface"), network.interface
        if name == "lo":
            message = "`lo` is the node itself: there is no network at it, and its routes would draw packets for nobody"
            yield Finding(path, message, "name the interface that the network is at")
        elif name in members or is_link_name(name):
            message = f"`{name}` is a mesh interface: what is behind it is found by babel"
            yield Finding(path, message, "name the interface that the network is at")
        elif name in uplinks:
            message = f"`{name}` is an uplink: the network there is the provider's, and reached without the mesh"
            yield Finding(path, message, "name the interface that the network is at")
    yield from _overlaps(networks)


def _prefix_findings(path: tuple[int, str], network: Network, node: Node) -> Iterator[Finding]:
    prefix = network.prefix
    if isinstance(prefix, Delegated):
        yield from delegated_findings(path, prefix, node)
        yield from _exit_findings(path, network, node)
    elif is_default(Prefixes(str(prefix), ANYWHERE)):
        yield Finding(
            path,
            f"a network `{prefix}` would draw every packet of the whole mesh to this node",
            "name the network's own prefix; for a way to the Internet there is `exit`",
        )
    elif prefix.is_link_local or prefix.is_multicast or prefix.is_loopback:
        yield Finding(path, f"`{prefix}` is never routed, so nobody else could reach it")
    elif prefix.prefixlen < SHORTEST_PREFIX:
        yield Finding(
            path,
            f"`{prefix}` would draw the mesh's traffic for the whole block to this node; a network has a prefix of "
            f"length {SHORTEST_PREFIX} or longer",
            "name the network's own prefix",
        )
    else:
        yield from _exit_findings(path, network, node)


def _exit_findings(path: tuple[int, str], network: Network, node: Node) -> Iterator[Finding]:
    exit_ = node.get(Exit)
    for entry in exit_.prefixes if exit_ else ():
        if _covers(network.prefix, entry.prefix):
            yield Finding(
                path,
                f"all of this node's exit prefix `{entry.prefix}` is in it: answers to clients elsewhere in the mesh "
                f"would go to `{network.interface}`",
                "name the part of it that this network uses",
            )
            break


def _covers(prefix: Delegated | IPv6Network, exit_prefix: Delegated | IPv6Network) -> bool:
    """Return whether all of an exit's prefix is in that of a network, as far as that is known before they are."""
    if isinstance(prefix, Delegated) and isinstance(exit_prefix, Delegated):
        return prefix.covers(exit_prefix)
    if isinstance(prefix, Delegated) or isinstance(exit_prefix, Delegated):
        return False
    return exit_prefix.subnet_of(prefix)


def _address_findings(
    path: tuple[int, str], address: IPv6Address, prefix: Delegated | IPv6Network
) -> Iterator[Finding]:
    if isinstance(prefix, Delegated):
        if not 0 < int(address) < 1 << (128 - prefix.length):
            yield Finding(
                path,
                f"`{address}` is not what follows a prefix of length {prefix.length} in an address; the prefix changes",
                "write what follows the prefix alone, such as `::1`",
            )
    elif address not in prefix:
        yield Finding(path, f"`{address}` is not inside the network's prefix")


def _overlaps(networks: Networks) -> Iterator[Finding]:
    """Yield prefixes that overlap; parts of a delegated one that are counted from either end are not known to yet."""
    written = [(number, network.prefix) for number, network in enumerate(networks.root)]
    static = [(number, prefix) for number, prefix in written if isinstance(prefix, IPv6Network)]
    for first, second in overlaps([prefix for _, prefix in static]):
        (one_number, one), (other_number, other) = static[first], static[second]
        said = "is written twice, first" if one == other else f"overlaps `{one}`"
        yield Finding((other_number, "prefix"), f"`{other}` {said} in line {{line}}", first=(one_number, "prefix"))
    parts = [(number, prefix) for number, prefix in written if isinstance(prefix, Delegated)]
    for index, (number, part) in enumerate(parts):
        for first, other_part in parts[:index]:
            if part.overlaps(other_part):
                message = "this part of the delegated prefix overlaps the one in line {line}"
                yield Finding((number, "prefix"), message, first=(first, "prefix"))
                break


def prefixes_now(networks: Networks, node: Node, references: References) -> tuple[IPv6Network | None, ...]:
    """Return the prefix of each network, ``None`` for one that is not delegated now, or overlaps one before."""
    taken = [network.prefix for network in networks.root if isinstance(network.prefix, IPv6Network)]
    found: list[IPv6Network | None] = []
    for network in networks.root:
        prefix = prefix_of(network.prefix, references, _special_purpose(node))
        if prefix is not None and isinstance(network.prefix, Delegated):
            if any(prefix.overlaps(other) for other in taken):
                prefix = None
            else:
                taken.append(prefix)
        found.append(prefix)
    return tuple(found)


def _special_purpose(node: Node) -> bool:
    exit_ = node.get(Exit)
    return exit_ is not None and exit_.allow_special_purpose


def expand(networks: Networks, node: Node, references: References) -> Iterator[Resource]:
    """Yield for each network the way to it, that babel announces it, and the rules that keep it inside the mesh."""
    mesh = node.get(Mesh)
    if mesh is None:
        return
    drawing = references[DrawingRoutes(mesh.babeld.socket, mesh.table)]
    refusals = Refusals(drawing)
    on_uplinks = references[own_addresses(mesh, node)]
    for network, prefix in zip(networks.root, prefixes_now(networks, node, references), strict=True):
        # Also while nothing is delegated: its clients still have the addresses from before.
        yield from behind(mesh, network.interface)
        if prefix is None:
            continue
        route = Route(
            routing_table=mesh.table,
            destination=str(prefix),
            metric=NETWORK_METRIC,
            link=network.interface,
            protocol=PROTOCOL_ANNOUNCED,
        )
        if network.address is not None:
            # Either has all of the prefix, or nothing of it.
            own = IPv6Address(int(prefix.network_address) | int(network.address))
            yield Address(link=network.interface, address=f"{own}/{prefix.prefixlen}")
        yield route
        yield from refusals.of(route)
        yield from around(mesh, prefix, on_uplinks)
        yield BabelAnnouncement(str(prefix), ANYWHERE, mesh.babeld.socket, route.key, 0)


def lookups(networks: Networks, node: Node) -> Iterator[Reference[Any]]:
    """Yield what others announce of these networks, and what is delegated."""
    mesh = node.get(Mesh)
    for network in networks.root:
        yield from looked_up(network.prefix, _special_purpose(node), None if mesh is None else mesh.table)
    if mesh is not None:
        yield DrawingRoutes(mesh.babeld.socket, mesh.table)
        yield own_addresses(mesh, node)


def shares(networks: Networks, node: Node) -> Iterator[Share]:
    """Yield the prefixes, and this node's addresses in them, as far as they are known before they are delegated."""
    for number, network in enumerate(networks.root):
        if isinstance(network.prefix, Delegated):
            continue
        yield Prefixed((number, "prefix"), "network", str(network.prefix), None)
        if network.address is not None:
            yield Unique((number, "address"), "address", str(network.address))


def fences(networks: Networks, node: Node, references: References) -> Iterator[Key]:
    """Yield the keys of the rules that keep the networks' packets inside the mesh."""
    yield from (one.key for one in expand(networks, node, references) if isinstance(one, Rule))


FEATURE = Feature(
    name="networks",
    model=Networks,
    description="Networks behind this node that all of the mesh can reach, such as that of its clients. Their traffic "
    "goes through the mesh and its exits, never through the node's own uplink.",
    needs=("mesh",),
    check=check,
    references=lookups,
    expand=expand,
    fences=fences,
    shares=shares,
)
