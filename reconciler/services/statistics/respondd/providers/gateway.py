"""Where traffic leaves the mesh."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.backends.babel_table import Route
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.respondd.mesh import mesh_links, own_address, router_address
from reconciler.services.statistics.respondd.provider import provider
from reconciler.services.statistics.ways_out import NOWHERE, WayOut, WaysOut, of


@provider("nodeinfo", "vpn")
def vpn(figures: Figures) -> bool:
    """Return whether the node is a gateway, as maps show it: whether traffic leaves the mesh here."""
    return any(way.here for way in _ways(figures).ways)


@provider("statistics")
def gateway(figures: Figures) -> dict[str, str | None]:
    """Return the exit that traffic of this node leaves by, and the neighbour it goes through.

    Maps find a node by its hardware address and by the link-local addresses of its interfaces, so the exit is told by
    such a one. ``gateway`` is the exit of IPv4, and where the mesh has none the same as ``gateway6``: some readers know
    no other. ``gateway_nexthop`` is on the way to ``gateway``. An exit is its own gateway, and nobody is between.
    """
    found = _ways(figures)
    six, four = _own(found, found.ipv6), _own(found, found.ipv4)
    first = four or six
    return {
        "gateway": _exit(figures, first),
        "gateway6": _exit(figures, six),
        "gateway_nexthop": None if first is None else first.next_hop,
    }


def _ways(figures: Figures) -> WaysOut:
    """Return the ways out for the addresses that are told; while babeld is away, those that the daemon announces."""
    return of(figures) or NOWHERE


def _own(found: WaysOut, way: WayOut | None) -> WayOut | None:
    """Return the way that is told: an exit's own, unless its packets are from a prefix that leaves elsewhere."""
    if way is None or way.contains_own:
        return way
    return next((one for one in found.ways if one.here and one.destination == way.destination), way)


def _exit(figures: Figures, way: WayOut | None) -> str | None:
    """Return the address that maps know the exit of a way by."""
    if way is None:
        return None
    if way.here:
        return own_address(mesh_links(figures))
    babel = figures.babel()
    defaults: Sequence[Route] = () if babel is None or babel.known is None else babel.known.defaults
    # What a neighbour announces at no cost is its own.
    if any(one.refmetric == 0 and (one.router_id, one.via) == (way.router_id, way.next_hop) for one in defaults):
        return way.next_hop
    return router_address(way.router_id)
