"""The UDP port that a WireGuard interface listens on (wg(8))."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from intent.resources import link as links
from intent.resources import wireguard_device
from intent.resources.resource import Change, Claim, Key, Request, Resource
from intent.resources.wireguard_requests import SetDevice
from intent.resources.wireguard_rows import TABLE, PortRow, WireGuardContext

SPACE = "wireguard port"


def key(link: str) -> Key:
    """Return the key of the port of the WireGuard interface of that name."""
    return Key(SPACE, (link,))


@dataclass(frozen=True, slots=True, kw_only=True)
class WireGuardPort(Resource):
    """The UDP port of an interface, for which one was chosen; else the kernel takes a random one.

    It is an object of its own because a port is held exclusively. To move it from one interface to another, or to
    swap two, it has to be let go before it is taken; were it a field of the interface's configuration, that would
    replace the configuration with all its peers, and every session would be lost. So only the port changes.
    """

    table: ClassVar[str] = TABLE
    refers_to: ClassVar[frozenset[str] | None] = frozenset({"link", "wireguard"})
    partitioned: ClassVar[bool] = True
    # Every interface that is up has a port; whether we chose it can be remembered only.
    adopts: ClassVar[bool] = True
    inventoried: ClassVar[bool] = True
    compared: ClassVar[tuple[str, ...]] = ("port",)
    replace_on: ClassVar[frozenset[str]] = frozenset({"port"})

    link: str
    port: int

    @property
    def key(self) -> Key:
        """The link's name."""
        return key(self.link)

    def describe(self) -> str:
        """Return the port in the words of ``wg set``."""
        return f"wireguard {self.link} listen-port {self.port}"

    def requires(self) -> tuple[Key, ...]:
        """Return the interface's configuration."""
        return (wireguard_device.key(self.link),)

    def claims(self) -> tuple[Claim, ...]:
        """Return the UDP port: WireGuard listens on all addresses."""
        return (Claim("UDP port", self.port),)

    def part_of(self) -> Key | None:
        """Return the link, with which the port is let go."""
        return links.key(self.link)

    def partition(self) -> Hashable:
        """Return the link's name."""
        return self.link

    def automatic(self) -> bool:
        """Return true: an interface that is up always has a port, its own choice where we make none."""
        return True

    @classmethod
    def decode(cls, row: Any, context: WireGuardContext) -> Self | None:
        """Return the port in a port row, ``None`` where the interface has none yet."""
        if not isinstance(row, PortRow):
            return None
        port = wireguard_device.read_device(row.device).listen_port
        return cls(link=row.device.link, port=port) if port else None

    def create(self) -> tuple[Request, ...]:
        """Return the request that chooses the port."""
        return (SetDevice(self.link, listen_port=self.port),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the request that chooses the port."""
        return self.create()

    def delete(self) -> tuple[Request, ...]:
        """Return the request that lets the port go; a random one takes its place."""
        return (SetDevice(self.link, listen_port=0),)
