"""The ways out of the mesh that this node announces, as its own routes in the kernel say."""

from __future__ import annotations

import socket
from ipaddress import IPv6Network

from intent.fitness import WayOut
from intent.resources.route import ANYWHERE, PROTOCOL_ANNOUNCED, RTM_NEWROUTE, Route
from reconciler.backends.delegated_prefixes import dumped_routes
from reconciler.backends.netlink_socket import NetlinkSocket


def ways_out(routing_table: int) -> tuple[WayOut, ...]:
    """Return those in a table that are announced, and not about to be withdrawn. Raises BackendError."""
    connection = NetlinkSocket(socket.NETLINK_ROUTE)
    try:
        rows = dumped_routes(connection, routing_table, protocol=PROTOCOL_ANNOUNCED)
    finally:
        connection.close()
    names = dict(socket.if_nameindex())
    routes = [Route.decode(row, names) for kind, row in rows if kind == RTM_NEWROUTE]
    # Older kernels do not filter.
    return tuple(
        WayOut(one.routing_table, one.link, IPv6Network(one.source))
        for one in routes
        if one is not None
        and one.link is not None
        and (one.routing_table, one.protocol, one.destination) == (routing_table, PROTOCOL_ANNOUNCED, ANYWHERE)
    )
