"""``exit``: prefixes whose traffic leaves the mesh here."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from intent import delegation
from intent.babel_parameters import Announcing
from intent.delegation import Delegated, PrefixSource, looked_up, prefix_of
from intent.exit_fitness import Fitness, HealthTerms, check_findings, check_values
from intent.feature import Feature, Finding
from intent.features.checks import CheckItem
from intent.features.links import is_link_name
from intent.features.mesh import Mesh, around, nowhere, own_addresses
from intent.fencing import is_translated
from intent.fields import BabelMetric, InterfaceName, IPv6Text, TrueFalse
from intent.fitness import LinkCarrier, WayOut
from intent.offers import Cause, Offer, Withheld
from intent.overlaps import overlaps
from intent.references import Reference, References
from intent.refusals import DrawingRoutes, Refusals
from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.babel_configuration import ExitMetric
from intent.resources.resource import Key, Resource
from intent.resources.route import ANYWHERE, PROTOCOL_ANNOUNCED, PROTOCOL_HELD, Route
from intent.resources.rule import Rule
from intent.shares import Leaving, Prefixed, Share
from intent.special_purpose import unrouted
from intent.tree import Path
from intent.uplinks import made_by
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node

EXIT_METRIC = 512
"""Below babeld's 1024: an exit that it learns from others for the same prefix stands beside ours, and ours wins."""
GUARD_METRIC = 1_000_000
"""The kernel's metric of the route against loops: any other route to the same prefix wins."""

_ADVICE = "for a test or a closed network, write `allow_special_purpose: true` under `exit`"


class Via(Model):
    """The way out."""

    words = "the way out of an exit"

    interface: InterfaceName = Field(
        description="The interface that the traffic leaves through; not one of the mesh.", examples=["wan"]
    )
    gateway: IPv6Text | None = Field(
        default=None,
        description="The IPv6 address of the next router on that interface. Left out for tunnels that have just one "
        "other end.",
        examples=["fd00:aa::1"],
    )


class ExitPrefix(Model):
    """A prefix whose traffic leaves here."""

    words = "an exit prefix"
    merge_key = "prefix"

    prefix: PrefixSource = Field(
        description="The IPv6 prefix: packets from addresses inside it leave here. It has to be routed to this node "
        "from outside. One that the provider delegates is written `{delegated: wan, length: 60}`; it follows what the "
        "provider gives, and while nothing is delegated there is no exit.",
        examples=["2001:db8:42::/56"],
    )
    via: Via = Field(description="Where its traffic goes.")
    metric: BabelMetric = Field(
        default=0,
        description="The babel metric that the exit is announced with, 0–65533: of several exits for the same prefix "
        "the nearest is used, and each unit here makes this one seem further away.",
        examples=[128],
    )
    shared: TrueFalse = Field(
        default=False,
        description="Whether another exit serves the same prefix by right. Otherwise a node that announces it is shown "
        "as an offender. A part of the prefix that somebody else announces is refused in any case.",
    )
    checks: tuple[CheckItem, ...] = Field(
        default=(),
        description="What shows that this way out works, again and again: the exit is announced only while all pass. "
        "Each is written as those under the top-level `checks`. Left out, `timeout` is half of `health.every`, at "
        "least 1s and at most 5s, and the `interface` of a `ping` is that of `via`.",
        examples=[[{"ping": "2001:db8:ffff::1", "interface": "wan"}]],
    )


class Exit(Announcing):
    """Prefixes whose traffic leaves the mesh here."""

    words = "the exit"

    allow_special_purpose: TrueFalse = Field(
        default=False,
        description="Whether prefixes that the Internet does not route are right too: documentation and other special "
        "purposes, and unique local addresses (fc00::/7). For tests and closed networks.",
    )
    prefixes: tuple[ExitPrefix, ...] = Field(description="The prefixes, which do not overlap.")
    health: HealthTerms = Field(
        default_factory=HealthTerms, description="How often the checks of the prefixes are carried out, and judged."
    )

    def exit_metrics(self) -> tuple[ExitMetric, ...]:
        """Return the prefixes with the metric each is announced with."""
        return tuple(
            ExitMetric(None if isinstance(entry.prefix, Delegated) else entry.prefix, entry.metric, entry.via.interface)
            for entry in self.prefixes
        )


def check(exit_: Exit, node: Node) -> Iterator[Finding]:
    """Yield prefixes that cannot be an exit's, and ways out that lead back in."""
    for number, entry in enumerate(exit_.prefixes):
        yield from _prefix_findings(number, entry, exit_.allow_special_purpose, node)
        yield from _via_findings(number, entry, node)
        yield from check_findings(("prefixes", number, "checks"), entry.checks, node)
    yield from _overlaps(exit_)
    yield from _delegated_findings(exit_)


def _prefix_findings(number: int, entry: ExitPrefix, special_allowed: bool, node: Node) -> Iterator[Finding]:
    path, prefix = ("prefixes", number, "prefix"), entry.prefix
    if isinstance(prefix, Delegated):
        yield from delegated_findings(path, prefix, node)
    elif prefix.prefixlen == 0:
        yield Finding(
            path,
            "an exit for `::/0` would draw every packet of the whole mesh to this node, whatever its source",
            "name the prefixes that are routed to this node",
        )
    elif is_translated(prefix, entry.via.interface, node):
        # Outside, its packets have other addresses.
        return
    elif (why := unrouted(prefix, special_allowed)) is not None:
        advice = _ADVICE if why.for_tests else "global unicast addresses are inside 2000::/3"
        yield Finding(path, f"`{prefix}` {why.words}", advice)


def delegated_findings(path: Path, source: Delegated, node: Node) -> Iterator[Finding]:
    """Yield what does not go together in a delegated prefix at a path, and with the uplinks that the file names."""
    mesh, exit_, name = node.get(Mesh), node.get(Exit), source.delegated
    members = {interface.name for interface in mesh.interfaces} if mesh else set[str]()
    uplinks = list(mesh.uplinks) if mesh else []
    if uplinks and exit_ is not None:
        uplinks += [entry.via.interface for entry in exit_.prefixes]
    elif "exit" in node.root.entries:
        # Which uplinks it has shows only when it is right.
        uplinks = []
    yield from delegation.findings(path, source, name in members or is_link_name(name), uplinks)


def _via_findings(number: int, entry: ExitPrefix, node: Node) -> Iterator[Finding]:
    path = ("prefixes", number, "via")
    mesh = node.get(Mesh)
    name = entry.via.interface
    if is_link_name(name) or (mesh is not None and any(name == interface.name for interface in mesh.interfaces)):
        yield Finding(
            (*path, "interface"),
            f"`{name}` is a mesh interface: the traffic would go back into the mesh",
            "name the interface that leads out, such as the uplink or a tunnel",
        )
    written, gateway = entry.prefix, entry.via.gateway
    if isinstance(written, IPv6Network) and gateway is not None and gateway in written:
        yield Finding(
            (*path, "gateway"), f"the gateway `{entry.via.gateway}` is inside the exit's own prefix `{entry.prefix}`"
        )


def _overlaps(exit_: Exit) -> Iterator[Finding]:
    written = [
        (number, entry.prefix) for number, entry in enumerate(exit_.prefixes) if isinstance(entry.prefix, IPv6Network)
    ]
    for one, other in overlaps([prefix for _, prefix in written]):
        (first, mine), (second, theirs) = written[one], written[other]
        said = "is written twice, first" if mine == theirs else f"overlaps `{mine}`"
        yield Finding(
            ("prefixes", second, "prefix"), f"`{theirs}` {said} in line {{line}}", first=("prefixes", first, "prefix")
        )


def _delegated_findings(exit_: Exit) -> Iterator[Finding]:
    """Yield delegated prefixes that are written twice, or whose metrics cannot be told apart.

    babeld knows them by the interface alone: it reads its filters at its start, and they change.
    """
    known: dict[str, int] = {}
    metrics: dict[str, int] = {}
    for number, entry in enumerate(exit_.prefixes):
        if not isinstance(entry.prefix, Delegated):
            continue
        first = known.setdefault(str(entry.prefix), number)
        if first != number:
            path = ("prefixes", number, "prefix")
            yield Finding(
                path, "this delegated prefix is written twice, first in line {line}", first=(*path[:1], first)
            )
        first = metrics.setdefault(entry.via.interface, number)
        if exit_.prefixes[first].metric != entry.metric:
            yield Finding(
                ("prefixes", number, "metric"),
                f"delegated prefixes that leave through `{entry.via.interface}` need the same `metric` as the one in "
                "line {line}: babeld knows them by that interface",
                first=("prefixes", first),
            )


class _Now(NamedTuple):
    """An entry as it is now: its prefix, ``None`` where there is none to be an exit for, and why that is so."""

    entry: ExitPrefix
    fitness: Fitness
    prefix: IPv6Network | None
    reason: str = ""


def expand(exit_: Exit, node: Node, references: References) -> Iterator[Resource]:
    """Yield for each prefix the guard against loops, the way in, and while it is fit the way out, which is announced.

    The traffic of one that is not fit goes on through the mesh, to another exit that there may be.
    """
    mesh = node.get(Mesh)
    if mesh is None:
        return
    drawing = references[DrawingRoutes(mesh.babeld.socket, mesh.table)]
    refusals = Refusals(drawing)
    for entry, fitness, prefix, _ in _now(exit_, node, references):
        if prefix is None:
            continue
        announced = _announced(entry, prefix, mesh) if fitness.withheld(references) is None else ()
        yield from announced[:1]
        yield from refusals.of(*announced)
        # What the mesh has no route for would else go back out the way it came, until its hop limit ends. `throw` ends
        # the look into this table alone: the rules after it make it unreachable, but for a LAN of the node's own.
        yield Route(
            routing_table=mesh.table,
            destination=str(prefix),
            kind="throw",
            metric=GUARD_METRIC,
            protocol=PROTOCOL_HELD,
        )
        yield from around(mesh, prefix, references[own_addresses(mesh, node)])
        yield nowhere(mesh, prefix)
        yield from announced[1:]


def _announced(entry: ExitPrefix, prefix: IPv6Network, mesh: Mesh) -> tuple[Resource, ...]:
    """Return the way out of a prefix, and that babeld announces it: what is there only while the exit is fit."""
    way_out = Route(
        routing_table=mesh.table,
        destination=ANYWHERE,
        source=str(prefix),
        metric=EXIT_METRIC,
        link=entry.via.interface,
        gateway=None if entry.via.gateway is None else str(entry.via.gateway),
        protocol=PROTOCOL_ANNOUNCED,
    )
    socket = mesh.babeld.socket
    return way_out, BabelAnnouncement(ANYWHERE, way_out.source, socket, way_out.key, entry.metric, entry.shared)


def prefixes_now(exit_: Exit, references: References) -> tuple[IPv6Network | None, ...]:
    """Return the prefix of each entry, ``None`` for one that has none now: see `_now`."""
    return tuple(prefix for prefix, _ in _prefixes_now(exit_, references))


def _prefixes_now(exit_: Exit, references: References) -> Iterator[tuple[IPv6Network | None, str]]:
    """Yield the prefix of each entry, or why it has none."""
    taken = [entry.prefix for entry in exit_.prefixes if isinstance(entry.prefix, IPv6Network)]
    for entry in exit_.prefixes:
        prefix = prefix_of(entry.prefix, references, exit_.allow_special_purpose)
        if prefix is None:
            yield None, entry.prefix.waiting() if isinstance(entry.prefix, Delegated) else ""
        elif isinstance(entry.prefix, IPv6Network):
            yield prefix, ""
        elif (other := next((one for one in taken if one.overlaps(prefix)), None)) is not None:
            yield None, f"{prefix} is delegated now, which overlaps {other}, another exit here"
        elif entry.via.gateway is not None and entry.via.gateway in prefix:
            yield None, f"{prefix} is delegated now, which the gateway {entry.via.gateway} is inside of"
        else:
            taken.append(prefix)
            yield prefix, ""


def _fitness(exit_: Exit, node: Node) -> Iterator[tuple[ExitPrefix, Fitness]]:
    """Yield each prefix with what decides whether it is announced. It is drained by its spelling."""
    made, mesh = made_by(node), node.get(Mesh)
    for entry in exit_.prefixes:
        carrier = LinkCarrier(entry.via.interface, entry.via.interface in made)
        checks = check_values(entry.checks, exit_.health, entry.via.interface, node)
        source = entry.prefix if isinstance(entry.prefix, IPv6Network) else None
        way_out = None if mesh is None else WayOut(mesh.table, entry.via.interface, source)
        yield entry, Fitness(str(entry.prefix), carrier, checks, exit_.health, way_out)


def _now(exit_: Exit, node: Node, references: References) -> Iterator[_Now]:
    for (entry, fitness), (prefix, reason) in zip(_fitness(exit_, node), _prefixes_now(exit_, references), strict=True):
        yield _Now(entry, fitness, prefix, reason)


def references(exit_: Exit, node: Node) -> Iterator[Reference[Any]]:
    """Yield for each prefix what decides whether it is announced, and what it is where it is delegated."""
    mesh = node.get(Mesh)
    for entry, fitness in _fitness(exit_, node):
        yield from fitness.references()
        yield from looked_up(entry.prefix, exit_.allow_special_purpose, None if mesh is None else mesh.table)
    if mesh is not None:
        yield DrawingRoutes(mesh.babeld.socket, mesh.table)
        yield own_addresses(mesh, node)


def offers(exit_: Exit, node: Node, references: References) -> Iterator[Offer]:
    """Yield each prefix with what keeps it from being announced, if anything does."""
    mesh = node.get(Mesh)
    if mesh is None:
        return
    for entry, fitness, prefix, reason in _now(exit_, node, references):
        if prefix is None:
            yield Offer("exit", str(entry.prefix), (), Withheld(Cause.NO_PREFIX, reason))
            continue
        keys = tuple(one.key for one in _announced(entry, prefix, mesh))
        yield Offer("exit", str(entry.prefix), keys, fitness.withheld(references), str(prefix))


def shares(exit_: Exit, node: Node) -> Iterator[Share]:
    """Yield that it is an exit, and the prefixes; of delegated ones nothing is known."""
    if exit_.prefixes:
        yield Leaving(())
    for number, entry in enumerate(exit_.prefixes):
        if isinstance(entry.prefix, IPv6Network):
            yield Prefixed(("prefixes", number, "prefix"), "exit prefix", str(entry.prefix), entry.shared)


def fences(exit_: Exit, node: Node, references: References) -> Iterator[Key]:
    """Yield the keys of the rules around the prefixes."""
    yield from (one.key for one in expand(exit_, node, references) if isinstance(one, Rule))


FEATURE = Feature(
    name="exit",
    model=Exit,
    description="Makes the node an exit: traffic of the mesh from these prefixes leaves here, and babel says so.",
    needs=("mesh",),
    check=check,
    expand=expand,
    references=references,
    offers=offers,
    fences=fences,
    shares=shares,
)
