"""The configuration of a WireGuard interface: its key, port and mark (wg(8))."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from intent.resources import link as links
from intent.resources import wireguard_netlink, wireguard_uapi
from intent.resources.resource import Change, Claim, Key, Request, Resource
from intent.resources.wireguard_names import key_text
from intent.resources.wireguard_requests import NO_PRIVATE_KEY, SetDevice
from intent.resources.wireguard_rows import TABLE, NetlinkDeviceRow, UapiDeviceRow, WireGuardContext
from intent.secrets import PrivateKey

SPACE = "wireguard"


def key(link: str) -> Key:
    """Return the key of the configuration of the WireGuard interface of that name."""
    return Key(SPACE, (link,))


@dataclass(frozen=True, slots=True, kw_only=True)
class WireGuardDevice(Resource):
    """The private key, UDP port and firewall mark of an interface; without a private key there is none.

    ``listen_port`` and ``fwmark`` are unmanaged when ``None``; fwmark 0 is no mark. ``key_file`` names the file that
    has to be written first, for a key that was made just now.
    """

    table: ClassVar[str] = TABLE
    compared: ClassVar[tuple[str, ...]] = ("private_key", "listen_port", "fwmark")
    replace_on: ClassVar[frozenset[str]] = frozenset({"listen_port"})
    # Every peer has to shake hands again.
    disruptive: ClassVar[frozenset[str]] = frozenset({"private_key"})

    link: str
    private_key: PrivateKey
    listen_port: int | None = None
    fwmark: int | None = None
    key_file: str | None = None

    @property
    def key(self) -> Key:
        """The link's name."""
        return key(self.link)

    def describe(self) -> str:
        """Return the configuration in the words of ``wg``, the key as its public half."""
        words = f"wireguard {self.link} {self.show('private_key')}"
        words += "" if self.listen_port is None else f" listen-port {self.listen_port}"
        return words + (f" fwmark {self.show('fwmark')}" if self.fwmark else "")

    def requires(self) -> tuple[Key, ...]:
        """Return the link, and the file of a key that was made just now: a key that is lost locks the node out."""
        file = () if self.key_file is None else (Key("file", (self.key_file,)),)
        return (links.key(self.link), *file)

    def claims(self) -> tuple[Claim, ...]:
        """Return the UDP port: the kernel listens on all addresses."""
        return () if not self.listen_port else (Claim("UDP port", self.listen_port),)

    def part_of(self) -> Key | None:
        """Return the link, with which the configuration vanishes and whose mark makes it ours."""
        return links.key(self.link)

    def partition(self) -> Hashable:
        """Return the link's name."""
        return self.link

    def show(self, field: str) -> str:
        """Return a field for people; of the private key its public half."""
        if field == "private_key":
            return f"public key {key_text(self.private_key.public)}"
        if field == "fwmark" and self.fwmark:
            return f"{self.fwmark:#x}"
        return str(getattr(self, field))

    @classmethod
    def decode(cls, row: Any, context: WireGuardContext) -> Self | None:
        """Return the configuration in a device row, ``None`` where the interface has no private key."""
        if isinstance(row, NetlinkDeviceRow):
            facts = wireguard_netlink.read_device(row.attributes)
        elif isinstance(row, UapiDeviceRow):
            facts = wireguard_uapi.read_device(row.text)
        else:
            return None
        if facts.private_key is None:
            return None
        return cls(
            link=row.link,
            private_key=PrivateKey(facts.private_key),
            listen_port=facts.listen_port,
            fwmark=facts.fwmark,
        )

    def create(self) -> tuple[Request, ...]:
        """Return the request that configures the interface."""
        return (SetDevice(self.link, self.private_key, self.listen_port, self.fwmark),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the request that sets what differs."""
        return (SetDevice(self.link, **{field: getattr(self, field) for field in changes}),)

    def delete(self) -> tuple[Request, ...]:
        """Return the request that takes the key and the port away; the interface stays."""
        return (SetDevice(self.link, NO_PRIVATE_KEY, 0, 0),)
