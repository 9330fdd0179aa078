"""Counters and addresses of all interfaces of a network namespace, by rtnetlink(7), two questions for all."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import NamedTuple

from intent.resources import netlink
from reconciler.backends.netlink_socket import NetlinkSocket

RTM_NEWLINK = 16
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_GETADDR = 22
# enum in linux/if_link.h
IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_LINKINFO = 18
IFLA_INFO_KIND = 1
IFLA_STATS64 = 23
IFLA_PERM_ADDRESS = 54
_READ = frozenset({IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINKINFO, IFLA_STATS64, IFLA_PERM_ADDRESS})
# linux/if_addr.h
IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_FLAGS = 8
IFA_F_DADFAILED = 0x08
IFF_LOWER_UP = 1 << 16
"""Up and with a carrier. IFF_RUNNING says so too, up to a second later (Documentation/networking/operstates.rst)."""

_IFINFOMSG = struct.Struct("=BxHiII")
_IFADDRMSG = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_STATS64 = struct.Struct("=8Q")
"""The first eight of ``struct rtnl_link_stats64``: packets, bytes, errors and drops, received and sent in turn."""
_MAC_BYTES = 6
IFLA_EXT_MASK = 29
RTEXT_FILTER_SKIP_STATS = 1 << 3
_WITHOUT_COUNTERS = struct.pack("=HHI", 8, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)


class LinkFigures(NamedTuple):
    """Counters of a network interface (rtnl_link_stats64 of linux/if_link.h)."""

    name: str
    kind: str
    """The kernel's kind: ``wireguard``, ``ip6gre``, ``veth``; empty for hardware."""
    mac: str | None
    up: bool
    """IFF_UP and a carrier."""
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int
    permanent_mac: str | None = None
    """The address that the hardware came with, where the kernel tells it (since 5.6)."""


class LinkCounters:
    """Looks at the interfaces of the network namespace that it was made in. One thread at a time."""

    def __init__(self) -> None:
        self._netlink = _opened()

    def look(self) -> Mapping[str, LinkFigures]:
        """Return all interfaces by name, in the kernel's order. Raises BackendError."""
        answers = self._netlink.look(RTM_GETLINK, bytes(_IFINFOMSG.size))
        found = map(_link, answers.of_type(RTM_NEWLINK))
        return {link.name: link for link in found}

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()


class LinkAddresses:
    """Looks at the addresses of the network namespace that it was made in. One thread at a time."""

    def __init__(self) -> None:
        self._netlink = _opened()

    def look(self) -> Mapping[str, tuple[str, ...]]:
        """Return the addresses by interface: IPv4, then IPv6, then those of the link; each sorted by number.

        Addresses that somebody else has (RFC 4862, section 5.4) are left out. Raises BackendError.
        """
        found: dict[int, list[tuple[bool, bool, bytes]]] = {}
        for row in self._netlink.look(RTM_GETADDR, bytes(_IFADDRMSG.size)).of_type(RTM_NEWADDR):
            family, _, flags, _, index = _IFADDRMSG.unpack_from(row)
            said = dict(netlink.attributes(row, _IFADDRMSG.size))
            # With a peer's address, the node's own is the local one.
            address = said.get(IFA_LOCAL) or said.get(IFA_ADDRESS)
            flags = netlink.number(said[IFA_FLAGS]) if IFA_FLAGS in said else flags
            if address is not None and family in (socket.AF_INET, socket.AF_INET6) and not flags & IFA_F_DADFAILED:
                ipv6 = family == socket.AF_INET6
                of_link = ipv6 and address[0] == 0xFE and address[1] & 0xC0 == 0x80
                found.setdefault(index, []).append((ipv6, of_link, address))
        if not found:
            return {}
        names = self._names()
        return {
            names[index]: tuple(
                socket.inet_ntop(socket.AF_INET6 if ipv6 else socket.AF_INET, address)
                for ipv6, _, address in sorted(set(addresses))
            )
            for index, addresses in found.items()
            if index in names
        }

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def _names(self) -> Mapping[int, str]:
        question = bytes(_IFINFOMSG.size) + _WITHOUT_COUNTERS
        rows = self._netlink.look(RTM_GETLINK, question).of_type(RTM_NEWLINK)
        return {_IFINFOMSG.unpack_from(row)[2]: netlink.text(_attributes(row)[IFLA_IFNAME]) for row in rows}


def _opened() -> NetlinkSocket:
    connection = NetlinkSocket(socket.NETLINK_ROUTE)
    # Opened now, it asks this thread's network namespace whoever uses it.
    _ = connection.strict
    return connection


def _link(row: bytes) -> LinkFigures:
    """Return what a row of RTM_NEWLINK says. Raises KeyError, ValueError or struct.error for one that is none."""
    _, _, _, flags, _ = _IFINFOMSG.unpack_from(row)
    said = _attributes(row)
    counted = _STATS64.unpack_from(said[IFLA_STATS64]) if IFLA_STATS64 in said else (0,) * 8
    rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped = counted
    info = dict(netlink.attributes(said[IFLA_LINKINFO])) if IFLA_LINKINFO in said else {}
    return LinkFigures(
        name=netlink.text(said[IFLA_IFNAME]),
        kind=netlink.text(info.get(IFLA_INFO_KIND, b"")),
        mac=_mac(said.get(IFLA_ADDRESS, b"")),
        up=bool(flags & IFF_LOWER_UP),
        rx_bytes=rx_bytes,
        rx_packets=rx_packets,
        rx_errors=rx_errors,
        rx_dropped=rx_dropped,
        tx_bytes=tx_bytes,
        tx_packets=tx_packets,
        tx_errors=tx_errors,
        tx_dropped=tx_dropped,
        permanent_mac=_mac(said.get(IFLA_PERM_ADDRESS, b"")),
    )


def _attributes(row: bytes) -> dict[int, bytes]:
    """Return the attributes that are read here: of the forty that a link has, few are worth a copy."""
    found = {}
    offset, end = _IFINFOMSG.size, len(row)
    while offset + 4 <= end:
        size, kind = _ATTRIBUTE.unpack_from(row, offset)
        if size < 4:
            raise ValueError(f"an attribute of length {size} at byte {offset}")
        if kind in _READ:
            found[kind] = row[offset + 4 : offset + size]
        offset += size + (-size % 4)
    return found


def _mac(address: bytes) -> str | None:
    """Return a MAC address as text; what is shorter or longer, such as a tunnel's own end, is none."""
    return address.hex(":") if len(address) == _MAC_BYTES else None
