"""The socket of respondd: datagrams in and out, each with the interface and the address they came by (RFC 3542)."""

from __future__ import annotations

import errno
import socket
import struct
from typing import NamedTuple

from reconciler.core.errors import BackendError, DeniedError, OccupiedError, UnsupportedError
from reconciler.services.statistics.respondd.request import MOST_BYTES

PORT = 1001
ALL_NODES_OF_LINK = socket.inet_pton(socket.AF_INET6, "ff02::2:1001")
ALL_NODES_OF_SITE = socket.inet_pton(socket.AF_INET6, "ff05::2:1001")
GROUPS = (ALL_NODES_OF_LINK, ALL_NODES_OF_SITE)

_PACKET_INFORMATION = struct.Struct("=16sI")
"""``struct in6_pktinfo`` of linux/ipv6.h: an address of ours, and the index of an interface."""
_MEMBERSHIP = struct.Struct("=16sI")
"""``struct ipv6_mreq``: a group, and the index of an interface."""
_ANY = bytes(16)
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER_BYTES = 1 << 20
"""Room for a second of a thousand requests, while the interpreter is held elsewhere."""

Address = tuple[str, int, int, int]
"""A socket address of IPv6: the host, the port, the flow, and the scope."""


class Packet(NamedTuple):
    """A datagram: its first bytes, who sent it, and by which of our addresses and interfaces (an index) it came."""

    data: bytes
    source: Address
    destination: bytes
    interface: int

    @property
    def for_many(self) -> bool:
        """Whether it was sent to a group."""
        return self.destination[0] == 0xFF


class Endpoint:
    """The socket, bound to UDP port 1001 of all IPv6 addresses of the network namespace it is made in.

    Raises OccupiedError, DeniedError or UnsupportedError.
    """

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(
                socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            )
        except OSError as exc:
            raise UnsupportedError(f"respondd needs IPv6, which this kernel does not give: {exc}") from exc
        try:
            self._prepare()
        except OSError as exc:
            self._socket.close()
            raise _error(exc) from exc

    def fileno(self) -> int:
        """Return the descriptor to wait for datagrams on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket; the groups are left with it."""
        self._socket.close()

    def join(self, interface: int) -> None:
        """Join the groups on an interface, by its index. Raises OSError where it is gone."""
        for group in GROUPS:
            try:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _MEMBERSHIP.pack(group, interface))
            except OSError as exc:
                if exc.errno != errno.EADDRINUSE:  # It is joined already.
                    raise

    def leave(self, interface: int) -> None:
        """Leave the groups on an interface, which may be gone."""
        for group in GROUPS:
            try:
                self._socket.setsockopt(
                    socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, _MEMBERSHIP.pack(group, interface)
                )
            except OSError:
                continue  # Nobody is in there.

    def receive(self) -> Packet | None:
        """Return the next datagram, None when there is none now; one more byte than a request may have is read."""
        try:
            data, ancillary, _, source = self._socket.recvmsg(
                MOST_BYTES + 1, socket.CMSG_SPACE(_PACKET_INFORMATION.size)
            )
        except BlockingIOError:
            return None
        for level, kind, value in ancillary:
            if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                return Packet(data, source, *_PACKET_INFORMATION.unpack(value))
        # The kernel gives it with every datagram; without it no interface is known, and 0 is none.
        return Packet(data, source, _ANY, 0)

    def reply(self, packet: Packet, data: bytes) -> None:
        """Send an answer to the sender of a datagram. Raises OSError where the kernel does not send it.

        It comes from the address that the request was sent to. What was sent to a group is answered over the interface
        that it came by, from the address that the kernel chooses there.
        """
        if packet.for_many:
            information = _PACKET_INFORMATION.pack(_ANY, packet.interface)
        else:
            # By which interface a sender on another link is reached is for routing to say.
            nearby = packet.interface if packet.source[3] else 0
            information = _PACKET_INFORMATION.pack(packet.destination, nearby)
        self._socket.sendmsg([data], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, information)], 0, packet.source)

    def _prepare(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self._socket.bind(("::", PORT))


def _error(exc: OSError) -> BackendError:
    if exc.errno == errno.EADDRINUSE:
        return OccupiedError(
            f"respondd cannot listen: UDP port {PORT} is taken by another program, such as another respondd; "
            f"see which with `ss -6lunp sport = :{PORT}` and end it"
        )
    if exc.errno in (errno.EACCES, errno.EPERM):
        return DeniedError(
            f"respondd cannot listen on UDP port {PORT}: {exc.strerror}; run it as root, or with CAP_NET_BIND_SERVICE"
        )
    return UnsupportedError(f"respondd cannot listen on UDP port {PORT}: {exc.strerror}; is IPv6 switched off here?")
