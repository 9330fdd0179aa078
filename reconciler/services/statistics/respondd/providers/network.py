"""By which addresses the node is known."""

from __future__ import annotations

from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.respondd.mesh import mesh_links, router_address
from reconciler.services.statistics.respondd.provider import Long, provider
from reconciler.services.statistics.ways_out import leaving


@provider("nodeinfo", "network", "mac")
def mac(figures: Figures) -> str:
    """Return the node id as a hardware address, which maps know the node by too."""
    digits = figures.node_id
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


@provider("nodeinfo", "network", "addresses")
def addresses(figures: Figures) -> Long:
    """Return by which addresses the mesh reaches the node."""
    return Long(leaving(figures).mesh_addresses(), list)


@provider("nodeinfo", "network", "mesh_interfaces")
def mesh_interfaces(figures: Figures) -> Long:
    """Return the hardware addresses of the interfaces of the mesh."""
    links = figures.links()
    macs = (links[one.name].mac for one in mesh_links(figures) if one.name in links)
    return Long(list(dict.fromkeys(one for one in macs if one is not None)), list)


@provider("nodeinfo", "network", "mesh", "babel", "interfaces")
def interfaces(figures: Figures) -> dict[str, list[str]]:
    """Return the link-local addresses of the interfaces by their sort; links are drawn to where they are told."""
    found: dict[str, list[str]] = {"wireless": [], "tunnel": [], "other": []}
    for link in mesh_links(figures):
        found.setdefault(link.sort, []).extend(link.addresses)
    return found


@provider("nodeinfo", "network", "mesh", "babel-router", "interfaces")
def router(figures: Figures) -> dict[str, list[str]] | None:
    """Return the address that the router id stands for, unless it is one of an interface.

    It is all that a node far away knows of its exit, and tells as its gateway: maps find the exit by it.
    """
    babel = figures.babel()
    if babel is None or babel.known is None:
        return None
    address = router_address(babel.known.router_id)
    known = {own for link in mesh_links(figures) for own in link.addresses}
    return None if address in known else {"other": [address]}
