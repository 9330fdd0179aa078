"""What WireGuard counts of its peers: the kernel's over netlink, a userspace one over its socket.

The answers hold private and preshared keys: nothing of them but what is named here is kept, or quoted in an error.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from intent.resources import netlink
from intent.resources import wireguard_netlink as wire
from intent.resources import wireguard_uapi as uapi
from intent.resources.wireguard_names import Endpoint
from reconciler.backends.wireguard_netlink import KernelWireGuard
from reconciler.backends.wireguard_uapi import UserspaceWireGuard
from reconciler.backends.written_endpoints import Expected
from reconciler.core.errors import BackendError, RejectedError

_TIMESPEC = struct.Struct("=qq")
"""``struct __kernel_timespec``: seconds and nanoseconds since 1970."""
_NEVER = bytes(_TIMESPEC.size)
_NANO = 1e9


class PeerFigures(NamedTuple):
    """A WireGuard peer. ``handshake_seconds`` is how long ago the latest one was, None when there was none."""

    interface: str
    public_key: str
    endpoint: str | None
    roamed: bool
    """Whether the endpoint is another than the node file's."""
    handshake_seconds: float | None
    rx_bytes: int
    tx_bytes: int


class Told(NamedTuple):
    """What a WireGuard says of a peer. ``handshake`` is in seconds since 1970, 0 when there was none."""

    public_key: bytes
    endpoint: Endpoint | None
    handshake: float
    rx_bytes: int
    tx_bytes: int


class WireGuardCounters:
    """Looks at the peers of some interfaces, in the network namespace that it was made in. One thread at a time.

    ``expected`` are the endpoints where the node file says that peers are, by interface and public key, each with all
    the addresses that its name has; what is not among them is not known to have roamed.
    """

    def __init__(self, interfaces: Sequence[str], expected: Callable[[], Expected] = dict) -> None:
        self._interfaces = tuple(interfaces)
        self._expected = expected
        self._userspace = UserspaceWireGuard()
        self._kernel = KernelWireGuard()
        if interfaces:
            # Opened now, it asks this thread's network namespace whoever uses it.
            with contextlib.suppress(BackendError):
                self._kernel.open()

    def look(self) -> tuple[PeerFigures, ...]:
        """Return the peers, in the order of the interfaces, each sorted by public key.

        An interface that is not there, or is no WireGuard, has none. Raises BackendError.
        """
        now, expected = time.time(), self._expected()
        names = _names() if self._interfaces else {}
        return tuple(
            peer
            for interface in self._interfaces
            for peer in sorted(_figures(interface, self._told(interface, names), expected, now))
        )

    def close(self) -> None:
        """Close what is open."""
        self._kernel.close()

    def _told(self, interface: str, names: Mapping[int, str]) -> list[Told]:
        try:
            if self._userspace.holds(interface) and not self._kernel.holds(interface):
                lines = self._userspace.lines(interface)
                return [] if lines is None else told_by_userspace(lines)
            messages = self._kernel.messages(interface)
            return [] if messages is None else told_by_the_kernel(messages, names)
        except (ValueError, KeyError, struct.error):
            # What is malformed is not quoted: it may hold keys.
            raise RejectedError(f"wireguard {interface}: its peers could not be understood") from None


def told_by_userspace(lines: bytes) -> list[Told]:
    """Return the peers in an answer to ``get=1``. Raises ValueError or KeyError when it is malformed."""
    found = []
    _, peers = uapi.split_peers(lines)
    for peer in peers:
        public_key, *rest = peer.split(b"\n")
        said = dict(line.split(b"=", 1) for line in rest if line)
        endpoint = said.get(b"endpoint")
        seconds = int(said.get(b"last_handshake_time_sec", b"0"))
        found.append(
            Told(
                public_key=bytes.fromhex(public_key.decode("ascii")),
                endpoint=None if endpoint is None else uapi.read_endpoint(endpoint.decode("ascii")),
                handshake=seconds + int(said.get(b"last_handshake_time_nsec", b"0")) / _NANO if seconds else 0.0,
                rx_bytes=int(said.get(b"rx_bytes", b"0")),
                tx_bytes=int(said.get(b"tx_bytes", b"0")),
            )
        )
    return found


def told_by_the_kernel(messages: Iterable[bytes], names: Mapping[int, str]) -> list[Told]:
    """Return the peers in the messages of a dump; ``names`` are those of the links by index.

    Where the kernel has split a peer over messages, the first part has all that counts. Raises ValueError, KeyError or
    struct.error when they are malformed.
    """
    found: dict[bytes, Told] = {}
    for message in messages:
        peers = dict(netlink.attributes(message)).get(wire.DEVICE_PEERS, b"")
        for _, peer in netlink.attributes(peers):
            said = dict(netlink.attributes(peer))
            public_key = said[wire.PEER_PUBLIC_KEY]
            if public_key in found:
                continue
            sockaddr = said.get(wire.PEER_ENDPOINT)
            seconds, nanoseconds = _TIMESPEC.unpack(said.get(wire.PEER_LAST_HANDSHAKE, _NEVER))
            found[public_key] = Told(
                public_key=public_key,
                endpoint=None if sockaddr is None else wire.read_endpoint(sockaddr, names),
                handshake=seconds + nanoseconds / _NANO,
                rx_bytes=netlink.number(said.get(wire.PEER_RX_BYTES, b"")),
                tx_bytes=netlink.number(said.get(wire.PEER_TX_BYTES, b"")),
            )
    return list(found.values())


def _figures(interface: str, peers: Iterable[Told], expected: Expected, now: float) -> Iterator[PeerFigures]:
    for peer in peers:
        public_key = b64encode(peer.public_key).decode()
        written = expected.get((interface, public_key), ())
        yield PeerFigures(
            interface=interface,
            public_key=public_key,
            endpoint=None if peer.endpoint is None else str(peer.endpoint),
            roamed=bool(written) and peer.endpoint is not None and peer.endpoint not in written,
            handshake_seconds=max(0.0, now - peer.handshake) if peer.handshake else None,
            rx_bytes=peer.rx_bytes,
            tx_bytes=peer.tx_bytes,
        )


def _names() -> dict[int, str]:
    """Return the names of links by index, for endpoints of link-local addresses."""
    try:
        return dict(socket.if_nameindex())
    except OSError:
        return {}
