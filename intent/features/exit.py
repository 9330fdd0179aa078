"""``exit``: prefixes whose traffic leaves the mesh here."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Any

from pydantic import Field

from intent.babel_parameters import Announcing
from intent.exit_fitness import Fitness, HealthTerms, check_findings, check_values, made_by
from intent.feature import Feature, Finding
from intent.features.checks import CheckItem
from intent.features.links import is_link_name
from intent.features.mesh import Mesh, around, nowhere
from intent.fields import BabelMetric, InterfaceName, IPv6Prefix, IPv6Text, TrueFalse
from intent.fitness import LinkCarrier
from intent.offers import Offer
from intent.overlaps import overlaps
from intent.references import Reference, References
from intent.refusals import DrawingRoutes, Refusals
from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.babel_configuration import ExitMetric
from intent.resources.resource import Resource
from intent.resources.route import ANYWHERE, PROTOCOL_ANNOUNCED, PROTOCOL_HELD, Route
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node

EXIT_METRIC = 512
"""Below babeld's 1024: an exit that it learns from others for the same prefix stands beside ours, and ours wins."""
GUARD_METRIC = 1_000_000
"""The kernel's metric of the route against loops: any other route to the same prefix wins."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_UNIQUE_LOCAL = IPv6Network("fc00::/7")
_SPECIAL_PURPOSE = (
    (IPv6Network("2001:db8::/32"), "documentation (RFC 3849)"),
    (IPv6Network("3fff::/20"), "documentation (RFC 9637)"),
    (IPv6Network("2001::/32"), "Teredo (RFC 4380)"),
    (IPv6Network("2001::/23"), "protocol assignments of the IETF (RFC 2928)"),
    (IPv6Network("2002::/16"), "6to4 (RFC 3056)"),
    (IPv6Network("2620:4f:8000::/48"), "the AS112 service (RFC 7534)"),
)
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

    prefix: IPv6Prefix = Field(
        description="The IPv6 prefix: packets from addresses inside it leave here. It has to be routed to this node "
        "from outside.",
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
        "least 1s and at most 5s.",
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
        return tuple(ExitMetric(entry.prefix, entry.metric) for entry in self.prefixes)


def check(exit_: Exit, node: Node) -> Iterator[Finding]:
    """Yield prefixes that cannot be an exit's, and ways out that lead back in."""
    for number, entry in enumerate(exit_.prefixes):
        yield from _prefix_findings(number, entry.prefix, exit_.allow_special_purpose)
        yield from _via_findings(number, entry, node)
        yield from check_findings(("prefixes", number, "checks"), entry.checks, node)
    yield from _overlaps(exit_)


def _prefix_findings(number: int, prefix: IPv6Network, special_allowed: bool) -> Iterator[Finding]:
    path = ("prefixes", number, "prefix")
    if prefix.prefixlen == 0:
        yield Finding(
            path,
            "an exit for `::/0` would draw every packet of the whole mesh to this node, whatever its source",
            "name the prefixes that are routed to this node",
        )
        return
    allowed = (_GLOBAL_UNICAST, _UNIQUE_LOCAL) if special_allowed else (_GLOBAL_UNICAST,)
    if not any(prefix.subnet_of(block) for block in allowed):
        unique_local = prefix.subnet_of(_UNIQUE_LOCAL)
        kind = "unique local addresses, which the Internet does not route" if unique_local else "not global unicast"
        advice = _ADVICE if unique_local else "global unicast addresses are inside 2000::/3"
        yield Finding(path, f"`{prefix}` is {kind}: no answer could come back", advice)
        return
    for block, purpose in () if special_allowed else _SPECIAL_PURPOSE:
        if prefix.overlaps(block):
            inside = "is inside" if prefix.subnet_of(block) else "contains"
            yield Finding(path, f"`{prefix}` {inside} {block}, which is for {purpose}", _ADVICE)
            return


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
    if entry.via.gateway is not None and entry.via.gateway in entry.prefix:
        yield Finding(
            (*path, "gateway"), f"the gateway `{entry.via.gateway}` is inside the exit's own prefix `{entry.prefix}`"
        )


def _overlaps(exit_: Exit) -> Iterator[Finding]:
    for first, second in overlaps([entry.prefix for entry in exit_.prefixes]):
        one, other = exit_.prefixes[first].prefix, exit_.prefixes[second].prefix
        said = "is written twice, first" if one == other else f"overlaps `{one}`"
        yield Finding(
            ("prefixes", second, "prefix"), f"`{other}` {said} in line {{line}}", first=("prefixes", first, "prefix")
        )


def expand(exit_: Exit, node: Node, references: References) -> Iterator[Resource]:
    """Yield for each prefix the guard against loops, the way in, and while it is fit the way out, which is announced.

    The traffic of one that is not fit goes on through the mesh, to another exit that there may be.
    """
    mesh = node.get(Mesh)
    if mesh is None:
        return
    drawing = references[DrawingRoutes(mesh.babeld.socket, mesh.table)]
    refusals = Refusals(drawing)
    for entry, fitness in _fitness(exit_, node):
        prefix = str(entry.prefix)
        announced = _announced(entry, mesh) if fitness.withheld(references) is None else ()
        yield from announced[:1]
        yield from refusals.of(*announced)
        # What the mesh has no route for would else go back out the way it came, until its hop limit ends. `throw` ends
        # the look into this table alone: the rules after it make it unreachable, but for a LAN of the node's own.
        yield Route(
            routing_table=mesh.table,
            destination=prefix,
            kind="throw",
            metric=GUARD_METRIC,
            protocol=PROTOCOL_HELD,
        )
        yield from around(mesh, entry.prefix)
        yield nowhere(mesh, entry.prefix)
        yield from announced[1:]


def _announced(entry: ExitPrefix, mesh: Mesh) -> tuple[Resource, ...]:
    """Return the way out of a prefix, and that babeld announces it: what is there only while the exit is fit."""
    way_out = Route(
        routing_table=mesh.table,
        destination=ANYWHERE,
        source=str(entry.prefix),
        metric=EXIT_METRIC,
        link=entry.via.interface,
        gateway=None if entry.via.gateway is None else str(entry.via.gateway),
        protocol=PROTOCOL_ANNOUNCED,
    )
    socket = mesh.babeld.socket
    return way_out, BabelAnnouncement(ANYWHERE, way_out.source, socket, way_out.key, entry.metric, entry.shared)


def _fitness(exit_: Exit, node: Node) -> Iterator[tuple[ExitPrefix, Fitness]]:
    """Yield each prefix with what decides whether it is announced. It is drained by its spelling."""
    made = made_by(node)
    for entry in exit_.prefixes:
        carrier = LinkCarrier(entry.via.interface, entry.via.interface in made)
        checks = check_values(entry.checks, exit_.health, node)
        yield entry, Fitness(str(entry.prefix), carrier, checks, exit_.health)


def references(exit_: Exit, node: Node) -> Iterator[Reference[Any]]:
    """Yield for each prefix what decides whether it is announced."""
    for _, fitness in _fitness(exit_, node):
        yield from fitness.references()
    if (mesh := node.get(Mesh)) is not None:
        yield DrawingRoutes(mesh.babeld.socket, mesh.table)


def offers(exit_: Exit, node: Node, references: References) -> Iterator[Offer]:
    """Yield each prefix with what keeps it from being announced, if anything does."""
    mesh = node.get(Mesh)
    if mesh is None:
        return
    for entry, fitness in _fitness(exit_, node):
        keys = tuple(one.key for one in _announced(entry, mesh))
        yield Offer("exit", str(entry.prefix), keys, fitness.withheld(references))


FEATURE = Feature(
    name="exit",
    model=Exit,
    description="Makes the node an exit: traffic of the mesh from these prefixes leaves here, and babel says so.",
    needs=("mesh",),
    check=check,
    expand=expand,
    references=references,
    offers=offers,
)
