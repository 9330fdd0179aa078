"""The node's own addresses on its uplinks, as the kernel has them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Any, ClassVar

from intent.references import Reference
from intent.resources import netlink
from intent.resources.address import IFA_ADDRESS, IFA_LOCAL, RTM_NEWADDR
from intent.uplinks import UplinkAddresses
from reconciler.backends.netlink_socket import NetlinkSocket
from reconciler.backends.references import Resolution, Resolver

RTM_GETADDR = 22
AF_INET6 = 10
_IFADDRMSG = struct.Struct("=BBBBI")


def addresses(interfaces: Iterable[str]) -> tuple[IPv6Address, ...]:
    """Return the IPv6 addresses on the interfaces, sorted, but for link-local ones. Raises BackendError."""
    wanted = frozenset(interfaces)
    connection = NetlinkSocket(socket.NETLINK_ROUTE)
    try:
        rows = connection.dump(RTM_GETADDR, _IFADDRMSG.pack(AF_INET6, 0, 0, 0, 0))
    finally:
        connection.close()
    names = dict(socket.if_nameindex())
    found = set()
    for kind, row in rows:
        family, _, _, _, index = _IFADDRMSG.unpack_from(row)
        if kind == RTM_NEWADDR and family == AF_INET6 and names.get(index) in wanted:
            said = dict(netlink.attributes(row, _IFADDRMSG.size))
            # With a peer's address, the node's own is the local one (linux/if_addr.h).
            found.add(IPv6Address(said.get(IFA_LOCAL) or said[IFA_ADDRESS]))
    return tuple(sorted(one for one in found if not one.is_link_local))


class AddressesOfUplinks(Resolver[UplinkAddresses]):
    """Resolves the node's own addresses on its uplinks."""

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (UplinkAddresses,)

    def resolve(self, reference: UplinkAddresses) -> Resolution:
        """Return what `addresses` finds. Raises BackendError."""
        return Resolution(addresses(reference.interfaces) if reference.interfaces else ())


RESOLVER = AddressesOfUplinks
