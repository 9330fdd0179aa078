"""``routes``: static IPv6 routes of the node, by destination and by source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field, RootModel

from intent.feature import Batch, Feature, Finding
from intent.features.links import is_link_name
from intent.features.mesh import Mesh
from intent.field_types import Between, Choice, wrong
from intent.fields import InterfaceName, IPv6Text
from intent.prefixes import IPv6Prefixes
from intent.references import References
from intent.resources.resource import Resource
from intent.resources.route import ANYWHERE, DEFAULT_METRIC, PROTOCOL_HELD, Route
from intent.resources.rule import TABLE_MAIN
from intent.tree import Path
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node

_DISCARDING = ("unreachable", "blackhole", "prohibit", "throw")
_LOCAL_TABLE = 255


class AnyRoutingTable(Between):
    """The number of a routing table in which an administrator may have routes."""

    def check(self, value: object) -> object:
        """Return the number."""
        number = super().check(value)
        if number == _LOCAL_TABLE:
            wrong("must not be 255: the kernel's table of its own addresses")
        return number

    def json_schema(self) -> dict[str, object]:
        """Return the range and its gap."""
        return {**super().json_schema(), "not": {"const": _LOCAL_TABLE}}


class NextHop(Model):
    """Where the packets of a route go."""

    words = "the way of a route"

    interface: InterfaceName = Field(
        description="The interface that the packets leave through; not one of the mesh.", examples=["wan"]
    )
    gateway: IPv6Text | None = Field(
        default=None,
        description="The IPv6 address of the next router on that interface. Left out where the destinations are "
        "directly on the interface, and for tunnels that have just one other end.",
        examples=["fe80::1"],
    )


class RouteItem(Model):
    """A route, or several that differ in one prefix only."""

    words = "an entry of `routes`"

    to: IPv6Prefixes = Field(
        default=(ANYWHERE,),
        description="The IPv6 prefix of the destinations, by default all. A list makes a route for each prefix.",
        examples=["2001:db8:7::/48"],
    )
    from_: IPv6Prefixes = Field(
        default=(ANYWHERE,),
        alias="from",
        description="The IPv6 prefix of the sources, by default all: packets from elsewhere do not use the route. A "
        "list makes a route for each prefix. Only one of `to` and `from` is a list.",
        examples=["2001:db8:1::/48"],
    )
    via: NextHop | None = Field(default=None, description="Where the packets go. Either this or `kind`.")
    kind: Annotated[Literal["unreachable", "blackhole", "prohibit", "throw"], Choice(_DISCARDING)] | None = Field(
        default=None,
        description="What becomes of packets that go nowhere. `unreachable` and `prohibit` tell the sender so, "
        "`blackhole` does not; `throw` ends the search in this table, and the next rule decides.",
        examples=["unreachable"],
    )
    table: Annotated[int, AnyRoutingTable(1, 2**32 - 1)] | None = Field(
        default=None,
        description="The number of the routing table, 1–4294967295 but not 255. By default that of `mesh` where there "
        "is one, otherwise 254, the main table.",
        examples=[10],
    )
    metric: Annotated[int, Between(1, 2**32 - 1)] = Field(
        default=DEFAULT_METRIC,
        description="The kernel's metric, 1–4294967295: of several routes for a prefix the one with the lowest is "
        "used. Routes that babel finds have 1024.",
        examples=[512],
    )

    def table_in(self, node: Node) -> int:
        """Return the number of the table that the routes are in."""
        if self.table is not None:
            return self.table
        mesh = node.get(Mesh)
        return TABLE_MAIN if mesh is None else mesh.table


class Routes(RootModel[tuple[RouteItem, ...]]):
    """Static IPv6 routes."""

    model_config = ConfigDict(strict=True, frozen=True)


def check(routes: Routes, node: Node) -> Iterator[Finding]:
    """Yield routes that are no route, or lead into the mesh, or are written twice."""
    mesh = node.get(Mesh)
    members = frozenset(() if mesh is None else (interface.name for interface in mesh.interfaces))
    for number, item in enumerate(routes.root):
        if len(item.to) > 1 and len(item.from_) > 1:
            yield Finding(
                (number, "to"),
                "only one of `to` and `from` can be a list",
                "write an entry for each prefix of the shorter one",
            )
        if item.via is None and item.kind is None:
            yield Finding(
                (number,),
                "a route needs `via` or `kind`",
                "such as `via: {interface: wan, gateway: fe80::1}` or `kind: unreachable`",
            )
        elif item.via is not None and item.kind is not None:
            yield Finding(
                (number, "kind"), f"packets of a route that is `{item.kind}` go nowhere, and `via` says where they go"
            )
        if item.via is not None:
            yield from _interface_findings((number, "via", "interface"), item.via.interface, members)
    yield from _repeated(routes, node)


def _interface_findings(path: Path, name: str, members: frozenset[str]) -> Iterator[Finding]:
    if name in members or is_link_name(name):
        yield Finding(
            path,
            f"`{name}` is a mesh interface: the routes into the mesh are found by babel",
            "name an interface that leads elsewhere",
        )
    elif name == "lo":
        yield Finding(path, "packets that leave through `lo` go nowhere", "write `kind: unreachable` instead of `via`")


def _repeated(routes: Routes, node: Node) -> Iterator[Finding]:
    """Yield each route that an earlier entry, or its own list, has already."""
    groups: dict[tuple[int, int], list[tuple[int, RouteItem]]] = defaultdict(list)
    for number, item in enumerate(routes.root):
        groups[item.table_in(node), item.metric].append((number, item))
    for group in groups.values():
        if len(group) > 1 or any(_has_repeated(item) for _, item in group):
            yield from _repeated_in(group)


def _has_repeated(item: RouteItem) -> bool:
    return len(set(item.to)) < len(item.to) or len(set(item.from_)) < len(item.from_)


def _repeated_in(group: list[tuple[int, RouteItem]]) -> Iterator[Finding]:
    first: dict[tuple[str, str], Path] = {}
    for number, item in group:
        if len(item.to) > 1 and len(item.from_) > 1:
            continue
        for index, (destination, source) in enumerate(_pairs(item)):
            path = _path(number, item, index)
            known = first.setdefault((destination, source), path)
            if known is not path:
                message = f"{_words(destination, source)} is written twice, first in line {{line}}"
                yield Finding(path, message, first=known)


def _pairs(item: RouteItem) -> Iterator[tuple[str, str]]:
    for destination in item.to:
        for source in item.from_:
            yield destination, source


def _path(number: int, item: RouteItem, index: int) -> Path:
    """Return the way to what the route of that index is written for."""
    if len(item.from_) > 1:
        return (number, "from", index)
    if len(item.to) > 1:
        return (number, "to", index)
    return (number,)


def _words(destination: str, source: str) -> str:
    return f"the route to `{destination}`" + ("" if source == ANYWHERE else f" from `{source}`")


def expand(routes: Routes, node: Node, references: References) -> Iterator[Resource | Batch[str]]:
    """Yield the routes, with the mark of those that babel does not announce."""
    for item in routes.root:
        make, alike = _maker(item, node)
        if len(item.to) == len(item.from_) == 1:
            yield make(item.to[0], item.from_[0])
        elif len(item.to) > 1:
            yield _to_many(make, alike, item.to, item.from_[0])
        else:
            yield _from_many(make, alike, item.to[0], item.from_)


def _maker(item: RouteItem, node: Node) -> tuple[Callable[[str, str], Route], tuple[Hashable, ...]]:
    """Return what makes the routes of an item out of destination and source, and what they have in common."""
    table, metric = item.table_in(node), item.metric
    kind = "unicast" if item.kind is None else item.kind
    link = None if item.via is None else item.via.interface
    gateway = None if item.via is None or item.via.gateway is None else str(item.via.gateway)

    def make(destination: str, source: str) -> Route:
        return Route(
            routing_table=table,
            destination=destination,
            source=source,
            metric=metric,
            kind=kind,
            link=link,
            gateway=gateway,
            protocol=PROTOCOL_HELD,
        )

    return make, (table, metric, kind, link, gateway)


def _to_many(
    make: Callable[[str, str], Route], alike: tuple[Hashable, ...], destinations: tuple[str, ...], source: str
) -> Batch[str]:
    return Batch(("to", source, *alike), destinations, lambda destination: make(destination, source))


def _from_many(
    make: Callable[[str, str], Route], alike: tuple[Hashable, ...], destination: str, sources: tuple[str, ...]
) -> Batch[str]:
    return Batch(("from", destination, *alike), sources, lambda source: make(destination, source))


FEATURE = Feature(
    name="routes",
    model=Routes,
    description="Static IPv6 routes of the node, source-specific ones too. Babel does not announce them.",
    check=check,
    expand=expand,
)
