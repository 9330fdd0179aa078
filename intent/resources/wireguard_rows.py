"""The rows of the table ``wireguard``: what the kernel or a userspace WireGuard said, not parsed yet.

Rows hold private keys, so they do not print what they hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from intent.resources.wireguard_names import Endpoint

TABLE = "wireguard"


class NetlinkDeviceRow(NamedTuple):
    """An interface of the kernel: the WGDEVICE_A_ attributes of its first message (linux/wireguard.h)."""

    link: str
    attributes: bytes

    def __repr__(self) -> str:
        """Return the link alone."""
        return f"NetlinkDeviceRow({self.link!r}, …)"


class NetlinkPeerRow(NamedTuple):
    """A peer of a kernel interface: its WGPEER_A_ attributes, in as many parts as the kernel split it into."""

    link: str
    parts: tuple[bytes, ...]

    def __repr__(self) -> str:
        """Return the link alone."""
        return f"NetlinkPeerRow({self.link!r}, …)"


class UapiDeviceRow(NamedTuple):
    """An interface of a userspace WireGuard: the lines before its first peer."""

    link: str
    text: bytes

    def __repr__(self) -> str:
        """Return the link alone."""
        return f"UapiDeviceRow({self.link!r}, …)"


class PortRow(NamedTuple):
    """The UDP port of an interface, which is an object of its own: to be read out of its device row."""

    device: NetlinkDeviceRow | UapiDeviceRow


class UapiPeerRow(NamedTuple):
    """A peer of a userspace WireGuard: its lines, from its hexadecimal public key on."""

    link: str
    text: bytes

    def __repr__(self) -> str:
        """Return the link alone."""
        return f"UapiPeerRow({self.link!r}, …)"


@dataclass(frozen=True, slots=True)
class WireGuardContext:
    """What is needed to read a row: the time of the look (seconds since 1970) and the names of links by index."""

    now: float
    link_names: Mapping[int, str]


class DeviceFacts(NamedTuple):
    """What a device row says. ``private_key`` is ``None`` when the interface has none."""

    private_key: bytes | None
    listen_port: int
    fwmark: int

    def __repr__(self) -> str:
        """Return nothing of what it holds."""
        return "DeviceFacts(…)"


class PeerFacts(NamedTuple):
    """What a peer row says. ``last_handshake`` is in seconds since 1970, 0 for never; keepalive 0 is off."""

    public_key: bytes
    preshared_key: bytes
    endpoint: Endpoint | None
    allowed_ips: tuple[str, ...]
    persistent_keepalive: int
    last_handshake: int

    def __repr__(self) -> str:
        """Return nothing of what it holds."""
        return "PeerFacts(…)"
