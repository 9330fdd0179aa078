"""Echo requests of ICMP (RFC 792) and ICMPv6 (RFC 4443, section 4), and their answers."""

from __future__ import annotations

import os
import socket
import struct
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from intent.checks import Ping
from intent.durations import spelled
from reconciler.core.checks import CheckResult, Method
from reconciler.core.errors import DeniedError, RejectedError

INTERVAL_SECONDS = 1.0
ECHO = struct.Struct("!BBHHH")
ECHO_REPLY, ECHO_REQUEST = 0, 8
ECHO_REPLY_6, ECHO_REQUEST_6 = 129, 128

# linux/icmp.h and linux/icmpv6.h: types whose bit is set are not received.
_SOL_RAW, _ICMP_FILTER, _ICMPV6_FILTER = 255, 1, 1
_REPLIES_ONLY = struct.pack("=I", 0xFFFFFFFF & ~(1 << ECHO_REPLY))
_REPLIES_ONLY_6 = struct.pack(
    "=8I", *(0xFFFFFFFF & ~(1 << ECHO_REPLY_6 % 32 if word == ECHO_REPLY_6 // 32 else 0) for word in range(8))
)
_LARGEST_ANSWER_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Echo:
    """An echo request to an address, and which packets answer it."""

    address: IPv4Address | IPv6Address
    identifier: int = field(default_factory=lambda: int.from_bytes(os.urandom(2), "big"))
    token: bytes = field(default_factory=lambda: os.urandom(16))
    """Comes back with the answer. A datagram socket replaces the identifier, so that this is what tells answers."""

    def request(self, sequence: int) -> bytes:
        """Return the packet; the kernel makes the checksum of ICMPv6."""
        if self.address.version == 6:
            return ECHO.pack(ECHO_REQUEST_6, 0, 0, self.identifier, sequence) + self.token
        bare = ECHO.pack(ECHO_REQUEST, 0, 0, self.identifier, sequence) + self.token
        return ECHO.pack(ECHO_REQUEST, 0, checksum(bare), self.identifier, sequence) + self.token

    def answered_by(self, packet: bytes, source: str, sent: int) -> bool:
        """Return whether a received ICMP packet answers one of the first ``sent`` requests."""
        if len(packet) < ECHO.size or ip_address(source.partition("%")[0]) != self.address:
            return False
        kind, code, _, _, sequence = ECHO.unpack_from(packet)
        expected = ECHO_REPLY_6 if self.address.version == 6 else ECHO_REPLY
        return (kind, code, packet[ECHO.size :]) == (expected, 0, self.token) and sequence < sent


def checksum(packet: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of a packet of an even length."""
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping(check: Ping) -> CheckResult:
    """Send a request each second until one is answered or the time is over.

    Raises DeniedError where no ICMP socket may be opened, RejectedError where there is no such interface.
    """
    begun = time.monotonic()
    deadline = begun + check.timeout_seconds
    echo = Echo(ip_address(check.address))
    target = _target(echo.address, check.interface)
    troubles: list[str] = []
    sent = 0
    with _open(echo.address.version, check.interface) as endpoint:
        while time.monotonic() < deadline:
            sent += 1
            try:
                # Connected, it is told of errors on the way, and of those of no one else's packets.
                endpoint.connect(target)
                endpoint.send(echo.request(sent - 1))
            except OSError as exc:
                troubles.append(str(exc.strerror or exc))
            if _answered(endpoint, echo, sent, min(begun + sent * INTERVAL_SECONDS, deadline), troubles):
                return CheckResult(check, True, f"answered after {round((time.monotonic() - begun) * 1000)} ms")
    trouble = f" ({troubles[-1].lower()})" if troubles else ""
    advice = "see that it is up, that there is a route to it, and that no firewall is in between"
    return CheckResult(check, False, f"no answer within {spelled(check.timeout_seconds)}{trouble}; {advice}")


def _answered(endpoint: socket.socket, echo: Echo, sent: int, until: float, troubles: list[str]) -> bool:
    """Return whether an answer comes by the monotonic time of ``until``; add what else the kernel says."""
    while (left := until - time.monotonic()) > 0:
        endpoint.settimeout(left)
        try:
            packet, source = endpoint.recvfrom(_LARGEST_ANSWER_BYTES)
        except TimeoutError:
            return False
        except OSError as exc:
            troubles.append(str(exc.strerror or exc))
            continue
        if echo.answered_by(_icmp(endpoint, packet), source[0], sent):
            return True
    return False


def _icmp(endpoint: socket.socket, packet: bytes) -> bytes:
    """Return the ICMP packet in what was received: over IPv4 a raw socket gives the IP header too (raw(7))."""
    if endpoint.family == socket.AF_INET and endpoint.type == socket.SOCK_RAW and packet:
        return packet[(packet[0] & 0x0F) * 4 :]
    return packet


def _target(address: IPv4Address | IPv6Address, interface: str | None) -> tuple[str, int] | tuple[str, int, int, int]:
    if address.version == 4:
        return str(address), 0
    try:
        scope = socket.if_nametoindex(interface) if interface is not None and address.is_link_local else 0
    except OSError as exc:
        raise _no_interface(interface) from exc
    return str(address), 0, 0, scope


def _open(version: int, interface: str | None) -> socket.socket:
    """Return a raw socket for ICMP, or a datagram one where only that is allowed (icmp(7))."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if version == 6 else socket.IPPROTO_ICMP
    try:
        endpoint = socket.socket(family, socket.SOCK_RAW, protocol)
    except PermissionError:
        try:
            endpoint = socket.socket(family, socket.SOCK_DGRAM, protocol)
        except PermissionError as exc:
            raise DeniedError("a ping takes root, or a group inside net.ipv4.ping_group_range (icmp(7))") from exc
    try:
        _prepare(endpoint, interface)
    except BaseException:
        endpoint.close()
        raise
    return endpoint


def _prepare(endpoint: socket.socket, interface: str | None) -> None:
    if endpoint.type == socket.SOCK_RAW and endpoint.family == socket.AF_INET6:
        endpoint.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, _REPLIES_ONLY_6)
    elif endpoint.type == socket.SOCK_RAW:
        endpoint.setsockopt(_SOL_RAW, _ICMP_FILTER, _REPLIES_ONLY)
    if interface is None:
        return
    try:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    except PermissionError as exc:
        raise DeniedError(f"a ping through {interface} takes root: {exc.strerror}") from exc
    except OSError as exc:
        raise _no_interface(interface) from exc


def _no_interface(interface: str | None) -> RejectedError:
    return RejectedError(f"there is no interface {interface} to send through; look at `ip link`")


METHOD = Method(
    kind=Ping,
    carry_out=ping,
    when_it_hangs="the machine is too busy to look for the answer",
)
