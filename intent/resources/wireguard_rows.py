"""The rows of the table ``wireguard``: what the kernel or a userspace WireGuard said, not parsed yet.

Rows hold private keys, so they do not print what they hold.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from intent.resources.resource import Resource
from intent.resources.wireguard_names import Endpoint

TABLE = "wireguard"
HANDSHAKE_STALE_AFTER_SECONDS = 180
"""REJECT_AFTER_TIME: from then on no packet of the old session is accepted (WireGuard paper, section 6.1)."""


class NetlinkDeviceRow(NamedTuple):
    """An interface of the kernel: the WGDEVICE_A_ attributes of its first message (linux/wireguard.h)."""

    link: str
    attributes: bytes

    def __repr__(self) -> str:
        """Return the link alone."""
        return f"NetlinkDeviceRow({self.link!r}, …)"


class NetlinkPeerRow(NamedTuple):
    """A peer of a kernel interface: its WGPEER_A_ attributes, in as many parts as the kernel split it into.

    Peers whose rows have the same ``mark`` are the same in all that counts; ``None`` says nothing.
    """

    link: str
    parts: tuple[bytes, ...]
    mark: tuple[Hashable, ...] | None = None

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
    """A peer of a userspace WireGuard: its lines, from its hexadecimal public key on.

    Peers whose rows have the same ``mark`` are the same in all that counts; ``None`` says nothing.
    """

    link: str
    text: bytes
    mark: tuple[Hashable, ...] | None = None

    def __repr__(self) -> str:
        """Return the link alone."""
        return f"UapiPeerRow({self.link!r}, …)"


DEVICE_ROWS = (NetlinkDeviceRow, UapiDeviceRow)
PEER_ROWS = (NetlinkPeerRow, UapiPeerRow)


class PeerMemory:
    """The peers that were read at a look, by the marks of their rows, and those of the look before it.

    A peer that is as it was is not read again. What a look does not find any more is forgotten at the next one.
    """

    __slots__ = ("_before", "_now")

    def __init__(self) -> None:
        self._before: Mapping[Hashable, Resource] = {}
        self._now: dict[Hashable, Resource] = {}

    def next(self) -> PeerMemory:
        """Return the memory for a look that finds something new."""
        memory = PeerMemory()
        memory._before = self._now
        return memory

    def settle(self) -> None:
        """Forget the look before this one: another has found the same as this one."""
        self._before = {}

    def recall(self, mark: Hashable) -> Resource | None:
        """Return the peer with that mark, which is then remembered for the next look as well."""
        found = self._now.get(mark)
        if found is None and (found := self._before.get(mark)) is not None:
            self._now[mark] = found
        return found

    def keep(self, mark: Hashable, peer: Resource) -> None:
        """Remember a peer that was read now."""
        self._now[mark] = peer


@dataclass(frozen=True, slots=True)
class WireGuardContext:
    """What is needed to read a row: the time of the look (seconds since 1970) and the names of links by index.

    ``memory`` has what was read before, of what does not depend on those names.
    """

    now: float
    link_names: Mapping[int, str]
    memory: PeerMemory = field(default_factory=PeerMemory, compare=False, repr=False)


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
