"""Where traffic leaves the mesh."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from reconciler.backends.babel_table import Known, Route
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.respondd.mesh import mesh_links, own_address, router_address
from reconciler.services.statistics.respondd.provider import provider

_ANYWHERE = "::/0"
_ANYWHERE_IPV4 = "0.0.0.0/0"


@provider("nodeinfo", "vpn")
def vpn(figures: Figures) -> bool:
    """Return whether the node is a gateway, as maps show it: whether traffic leaves the mesh here."""
    status = figures.status()
    if status is not None:
        return any(one["kind"] == "exit" and one["state"] == "announced" for one in status.get("offers", ()))
    babel = figures.babel()
    own = () if babel is None or babel.known is None else babel.known.xroutes
    return any(one.destination in (_ANYWHERE, _ANYWHERE_IPV4) for one in own)


@provider("statistics")
def gateway(figures: Figures) -> dict[str, str | None]:
    """Return the exit that traffic of this node leaves by, and the neighbour it goes through.

    Maps find a node by its hardware address and by the link-local addresses of its interfaces, so the exit is told by
    such a one. ``gateway`` is the exit of IPv4, and where the mesh has none the same as ``gateway6``: some readers know
    no other. An exit is its own gateway, and nobody is between.
    """
    if vpn(figures):
        own = own_address(mesh_links(figures))
        return {"gateway": own, "gateway6": own}
    babel = figures.babel()
    if babel is None or babel.known is None:
        return {}
    six = _way_out(figures, babel.known, _ANYWHERE)
    four = _way_out(figures, babel.known, _ANYWHERE_IPV4)
    first = six or four
    return {
        "gateway": _exit(four or six),
        "gateway6": _exit(six),
        "gateway_nexthop": None if first is None else first.via,
    }


def _exit(route: Route | None) -> str | None:
    """Return the address of the node that announces a route."""
    if route is None:
        return None
    # What a neighbour announces at no cost is its own.
    return route.via if route.refmetric == 0 else router_address(route.router_id)


def _way_out(figures: Figures, known: Known, destination: str) -> Route | None:
    """Return the default route for what this node sends: the one from the smallest prefix that it has an address in."""
    routes = [one for one in known.defaults if one.destination == destination]
    own = [ip_address(one) for ones in figures.addresses().values() for one in ones]
    own += [ip_network(one.destination, strict=False).network_address for one in known.xroutes]

    def rank(route: Route) -> tuple[bool, bool, int]:
        source = ip_network(route.source, strict=False)
        ours = any(one in source for one in own if one.version == source.version)
        return not route.installed, not ours, -source.prefixlen

    return min(routes, key=rank, default=None)
