"""``mesh``: the routing domain. What enters on a mesh interface is looked up in the mesh's own table only."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from intent.babel_parameters import BABEL_PORT, Announcing, BabelParameters
from intent.feature import Feature, Finding, Holding
from intent.fencing import fences
from intent.fields import Argument, BabeldSocket, InterfaceName, IPv6Prefix, Path, RulePriority, Table
from intent.problems import IntentError
from intent.references import AdvertisedUplinks, Reference, References
from intent.resources.babel_configuration import BabelConfiguration
from intent.resources.babel_daemon import BabelDaemon
from intent.resources.babel_interface import BabelInterface, Options
from intent.resources.file import File
from intent.resources.resource import Key, Resource
from intent.resources.rule import TABLE_MAIN, Rule
from intent.resources.sysctl import Sysctl
from intent.resources.sysctl import key as sysctl_key
from intent.shares import Member, Share, Speaking
from intent.uplinks import UplinkAddresses, uplink_addresses
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node


_FAMILIES: tuple[Literal["ipv4", "ipv6"], ...] = ("ipv6", "ipv4")


class MeshInterface(BabelParameters):
    """An interface on which babel speaks."""

    words = "a mesh interface"
    merge_key = "name"

    name: InterfaceName = Field(
        description="The interface's name. It is either there already or made elsewhere in this file.",
        examples=["mesh0"],
    )


class Babeld(Model):
    """The babeld that speaks for this node."""

    words = "the settings of babeld"

    socket: BabeldSocket = Field(
        default="/run/babeld.sock",
        description="Where babeld is spoken to: the path it was given as `local-path-readwrite`, or `[::1]:PORT` for "
        "`local-port-readwrite`.",
        examples=["/run/babeld.sock", "[::1]:33123"],
    )
    config: Path = Field(
        default="/etc/stellwerk/babeld.conf",
        description="The file that is written for babeld: its tables and what it may announce. Start babeld with "
        "`-c` and this path.",
        examples=["/etc/stellwerk/babeld.conf"],
    )
    restart_command: Annotated[tuple[Argument, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="The command that restarts babeld, as a list of words, run without a shell. babeld cannot change "
        "some things while it runs; without this field they are only reported as pending. A restart interrupts "
        "routing for seconds.",
        examples=[["systemctl", "restart", "babeld"]],
    )


class Mesh(Model):
    """The routing domain."""

    words = "the mesh"

    table: Table = Field(
        default=10,
        description="The number of the kernel's routing table for the mesh, 1–65534 but not 253–255. Nothing else "
        "should use it.",
        examples=[10],
    )
    rule_priority: RulePriority = Field(
        default=1000,
        description="The priority of the routing rules that send traffic to the mesh's table, 1–32758; the "
        "seven after it are used too.",
        examples=[1000],
    )
    prefixes: tuple[IPv6Prefix, ...] = Field(
        default=(),
        description="The IPv6 prefixes of this mesh. The node's own packets from and to them are looked up in the "
        "mesh's table, and the node's own addresses inside them are announced.",
        examples=[["fd00:6d65:7368::/48"]],
    )
    exits: tuple[IPv6Prefix, ...] = Field(
        default=(),
        description="The exit prefixes of this mesh, as their exits announce them; the same list at every node. A "
        "default route from a part of one is not used, not passed on, and named as an offender. Without the list a "
        "stranger who announces one draws the packets of the clients in it.",
        examples=[["2001:db8:42::/56", "2001:db8:200::/56"]],
    )
    uplinks: tuple[InterfaceName, ...] = Field(
        default=(),
        description="Interfaces that get their default route from router advertisements. A node that forwards would "
        "stop to listen to them; these go on (accept_ra=2).",
        examples=[["wan"]],
    )
    interfaces: tuple[MeshInterface, ...] = Field(
        default=(), description="The interfaces on which babel speaks. Those of `links` belong to them anyway."
    )
    babeld: Babeld = Field(
        default_factory=Babeld, description="Where this node's babeld is spoken to, and how it may be restarted."
    )


def check(mesh: Mesh, node: Node) -> Iterator[Finding]:
    """Yield what is wrong between the fields of the mesh."""
    names = {interface.name: number for number, interface in reversed(list(enumerate(mesh.interfaces)))}
    for number, interface in enumerate(mesh.interfaces):
        yield from interface.findings(("interfaces", number))
    for number, uplink in enumerate(mesh.uplinks):
        if uplink in names:
            yield Finding(
                ("uplinks", number),
                f"`{uplink}` is a mesh interface (line {{line}}) and cannot be an uplink",
                "the uplink is where the node itself gets its Internet from, outside of the mesh",
                first=("interfaces", names[uplink], "name"),
            )
        if uplink in mesh.uplinks[:number]:
            yield Finding(
                ("uplinks", number),
                f"`{uplink}` is written twice, first in line {{line}}",
                first=("uplinks", mesh.uplinks.index(uplink)),
            )
    yield from _prefix_findings(mesh)


def _prefix_findings(mesh: Mesh) -> Iterator[Finding]:
    yield from _list_findings(
        "prefixes",
        mesh.prefixes,
        "no prefix of a mesh",
        "`::/0` would send all of the node's own packets into the mesh, those of its tunnels too",
        "name the prefixes that the mesh uses",
    )
    yield from _list_findings(
        "exits",
        mesh.exits,
        "no exit prefix",
        "`::/0` is no exit prefix: a default route without `from` is used nowhere",
        "name the prefixes that the exits of this mesh announce",
    )


def _list_findings(
    field: str, prefixes: tuple[IPv6Network, ...], not_one: str, everything: str, advice: str
) -> Iterator[Finding]:
    """Yield what is wrong in a list of prefixes; ``everything`` and ``advice`` are said of ``::/0``."""
    for number, prefix in enumerate(prefixes):
        if prefix.prefixlen == 0:
            yield Finding((field, number), everything, advice)
        elif prefix.is_link_local or prefix.is_multicast or prefix.is_loopback:
            yield Finding((field, number), f"`{prefix}` is never routed, so it is {not_one}")
        elif prefix in prefixes[:number]:
            message = f"`{prefix}` is written twice, first in line {{line}}"
            yield Finding((field, number), message, first=(field, prefixes.index(prefix)))


def holds(mesh: Mesh, node: Node) -> Iterator[Holding]:
    """Yield babel's own port, and each interface's place in babel."""
    yield Holding((), "UDP port", BABEL_PORT)
    for number, interface in enumerate(mesh.interfaces):
        yield Holding(("interfaces", number, "name"), "mesh interface", interface.name)


def shares(mesh: Mesh, node: Node) -> Iterator[Share]:
    """Yield that the node is in the mesh, and where it speaks to it."""
    yield Member((), bool(mesh.exits))
    for number, interface in enumerate(mesh.interfaces):
        yield Speaking(("interfaces", number, "name"), interface.name)


def expand(mesh: Mesh, node: Node, references: References) -> Iterator[Resource]:
    """Yield forwarding, the rules that keep the mesh apart, and all that babeld is to know.

    Raises IntentError where the node would lose its default route.
    """
    _keep_uplinks(mesh, node, references[AdvertisedUplinks()])
    for interface in mesh.interfaces:
        yield from member(mesh, interface.name, interface.options())
    yield from _forwarding(mesh, node, references)
    for prefix in mesh.prefixes:
        yield from around(mesh, prefix, references[own_addresses(mesh, node)])
    exits = tuple(
        exit_ for feature in node.features if isinstance(feature, Announcing) for exit_ in feature.exit_metrics()
    )
    configuration = BabelConfiguration(table=mesh.table, exits=exits, own_prefixes=mesh.prefixes, mesh_exits=mesh.exits)
    yield File(mesh.babeld.config, configuration.render())
    yield BabelDaemon(
        socket=mesh.babeld.socket,
        configuration=mesh.babeld.config,
        restart_command=mesh.babeld.restart_command,
        routing_table=mesh.table,
    )


def lookups(mesh: Mesh, node: Node) -> Iterator[Reference[Any]]:
    """Yield what has to be known of the node's uplinks."""
    yield AdvertisedUplinks()
    yield own_addresses(mesh, node)


def own_addresses(mesh: Mesh, node: Node) -> UplinkAddresses:
    """Return the reference to what `around` has to know: the node's own addresses on its uplinks."""
    return uplink_addresses(mesh.uplinks, node)


def _keep_uplinks(mesh: Mesh, node: Node, advertised: tuple[str, ...]) -> None:
    lost = [name for name in advertised if name not in mesh.uplinks]
    if lost:
        finding = Finding(
            (),
            f"{' and '.join(f'`{name}`' for name in lost)} got a default route by router advertisement, and would lose "
            "it when this node begins to forward",
            f"write `uplinks: [{', '.join(dict.fromkeys((*mesh.uplinks, *lost)))}]`",
        )
        raise IntentError([node.problem("mesh", finding)])


def _forwarding(mesh: Mesh, node: Node, references: References) -> Iterator[Resource]:
    # Once a node forwards it ignores router advertisements with accept_ra=1, and its uplink's default route runs out.
    accepting = tuple(f"net/ipv6/conf/{uplink}/accept_ra" for uplink in mesh.uplinks)
    for name in accepting:
        yield Sysctl(name=name, value="2")
    # Without the rules, what enters from the mesh or from a network would be forwarded to the uplink.
    after = dict.fromkeys((*map(sysctl_key, accepting), *fences(node, references)))
    yield Sysctl(name="net/ipv6/conf/all/forwarding", value="1", after=tuple(after))


def _fences(mesh: Mesh, node: Node, references: References) -> Iterator[Key]:
    """Yield the keys of the rules for the mesh's interfaces and prefixes."""
    rules = [rule for interface in mesh.interfaces for rule in _fence(mesh, interface.name)]
    for prefix in mesh.prefixes:
        rules += around(mesh, prefix, references[own_addresses(mesh, node)])
    yield from (rule.key for rule in rules)


def member(mesh: Mesh, interface: str, options: Options) -> Iterator[Resource]:
    """Yield what makes an interface part of the mesh: babel on it, and no way out but the mesh's table."""
    fence = tuple(_fence(mesh, interface))
    yield BabelInterface(interface, mesh.babeld.socket, options, fence=tuple(rule.key for rule in fence))
    yield from fence


def _fence(mesh: Mesh, interface: str) -> Iterator[Rule]:
    for family in _FAMILIES:
        yield Rule(family=family, priority=mesh.rule_priority, routing_table=mesh.table, iif=interface)
        yield Rule(family=family, priority=mesh.rule_priority + 1, action="unreachable", iif=interface)


def around(mesh: Mesh, prefix: IPv6Network, own: tuple[IPv6Address, ...]) -> Iterator[Rule]:
    """Yield the rules for packets to and from a prefix that do not enter from the mesh.

    To the prefix, the mesh's routes come first, but for its default routes, and then what the node itself is connected
    with inside, such as a LAN. From the prefix, all but the default route in the main table comes first, then the mesh,
    and there it ends: what nobody serves is unreachable, and never takes the node's own default route. A route in main
    for the whole prefix counts for nothing: clients of DHCPv6 leave one that is unreachable.

    ``own`` are the node's addresses on its uplinks. What the node itself sends from those inside goes by the main
    table, as on any other host, whether the exit is fit or not.
    """
    to_mesh, to_main, _, from_main, from_mesh, from_end = range(mesh.rule_priority + 2, mesh.rule_priority + 8)
    written = str(prefix)
    yield _lookup(to_mesh, mesh.table, destination=written, suppress_prefixlength=0)
    yield _lookup(to_main, TABLE_MAIN, destination=written, suppress_prefixlength=prefix.prefixlen)
    for address in own:
        if address in prefix:
            source = f"{address}/128"
            # Packets that the node sends have the loopback link as their incoming one (ip-rule(8)).
            yield Rule(family="ipv6", priority=from_main, routing_table=TABLE_MAIN, source=source, iif="lo")
    yield _lookup(from_main, TABLE_MAIN, source=written, suppress_prefixlength=0)
    yield _lookup(from_mesh, mesh.table, source=written)
    yield Rule(family="ipv6", priority=from_end, action="unreachable", source=written)


def behind(mesh: Mesh, interface: str) -> Iterator[Rule]:
    """Yield the rules for what enters from a network behind the node, whatever address it is from.

    It is treated as what is from a prefix of the mesh: see `around`. IPv4 is left alone: it is not this program that
    has the node forward it.
    """
    from_main, from_mesh, from_end = range(mesh.rule_priority + 5, mesh.rule_priority + 8)
    yield Rule(family="ipv6", priority=from_main, routing_table=TABLE_MAIN, iif=interface, suppress_prefixlength=0)
    yield Rule(family="ipv6", priority=from_mesh, routing_table=mesh.table, iif=interface)
    yield Rule(family="ipv6", priority=from_end, action="unreachable", iif=interface)


def nowhere(mesh: Mesh, prefix: IPv6Network) -> Rule:
    """Return the rule that ends packets to a prefix which neither the mesh nor the node itself has a way for."""
    return Rule(family="ipv6", priority=mesh.rule_priority + 4, action="unreachable", destination=str(prefix))


def _lookup(
    priority: int,
    table: int,
    *,
    source: str | None = None,
    destination: str | None = None,
    suppress_prefixlength: int | None = None,
) -> Rule:
    return Rule(
        family="ipv6",
        priority=priority,
        routing_table=table,
        source=source,
        destination=destination,
        suppress_prefixlength=suppress_prefixlength,
    )


FEATURE = Feature(
    name="mesh",
    model=Mesh,
    description="The routing domain: interfaces on which babel speaks, and the routing table of their traffic. What "
    "enters on a mesh interface never leaks into the node's own uplink.",
    check=check,
    holds=holds,
    references=lookups,
    expand=expand,
    fences=_fences,
    shares=shares,
)
