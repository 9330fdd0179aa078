"""The node's own ways to the Internet, as far as router advertisements made them (RFC 4861)."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any, ClassVar

from intent.references import AdvertisedUplinks, Reference
from intent.resources.route import ANYWHERE, RTM_NEWROUTE, Route
from reconciler.backends.netlink_socket import NetlinkSocket
from reconciler.backends.references import Resolution, Resolver

RTM_GETROUTE = 26
RTPROT_RA = 9
AF_INET6 = 10
ENDS_WHEN_FORWARDING = "1"


def advertised() -> tuple[str, ...]:
    """Return the links with an advertised default route that stop to listen once the node forwards, sorted.

    Raises BackendError when the routes cannot be seen: a node that took that for none could cut itself off.
    """
    header = struct.pack("=BBBBBBBBI", AF_INET6, 0, 0, 0, 0, RTPROT_RA, 0, 0, 0)
    connection = NetlinkSocket(socket.NETLINK_ROUTE)
    try:
        rows = connection.dump(RTM_GETROUTE, header)
    finally:
        connection.close()
    names = dict(socket.if_nameindex())
    routes = [Route.decode(row, names) for kind, row in rows if kind == RTM_NEWROUTE]
    # An old kernel does not filter by the protocol.
    theirs = [route for route in routes if route and route.protocol == RTPROT_RA and route.destination == ANYWHERE]
    links = {route.link for route in theirs if route.link}
    return tuple(sorted(link for link in links if _accept_ra(link) == ENDS_WHEN_FORWARDING))


class Uplinks(Resolver[AdvertisedUplinks]):
    """Resolves the links that would lose their way to the Internet."""

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (AdvertisedUplinks,)

    def resolve(self, reference: AdvertisedUplinks) -> Resolution:
        """Return what `advertised` finds. Raises BackendError."""
        return Resolution(advertised())


RESOLVER = Uplinks


def _accept_ra(link: str) -> str:
    try:
        return Path(f"/proc/sys/net/ipv6/conf/{link}/accept_ra").read_text().strip()
    except OSError:
        return ""
