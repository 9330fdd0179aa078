"""The configuration of a WireGuard interface but for its port: its key and mark (wg(8))."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from intent.resources import link as links
from intent.resources import wireguard_netlink, wireguard_uapi
from intent.resources.resource import Change, Key, Request, Resource
from intent.resources.wireguard_names import key_text
from intent.resources.wireguard_requests import NO_PRIVATE_KEY, SetDevice
from intent.resources.wireguard_rows import (
    DEVICE_ROWS,
    TABLE,
    DeviceFacts,
    NetlinkDeviceRow,
    UapiDeviceRow,
    WireGuardContext,
)
from intent.secrets import PrivateKey

SPACE = "wireguard"


def key(link: str) -> Key:
    """Return the key of the configuration of the WireGuard interface of that name."""
    return Key(SPACE, (link,))


def read_device(row: NetlinkDeviceRow | UapiDeviceRow) -> DeviceFacts:
    """Return what a device row says. Raises ValueError when it is malformed."""
    if isinstance(row, NetlinkDeviceRow):
        return wireguard_netlink.read_device(row.attributes)
    return wireguard_uapi.read_device(row.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireGuardDevice(Resource):
    """The private key and the firewall mark of an interface; without a private key there is no such object.

    ``fwmark`` is unmanaged when ``None``; 0 is no mark. ``key_file`` names the file that has to be written first,
    for a key that was made just now. The port is a `WireGuardPort`.
    """

    table: ClassVar[str] = TABLE
    refers_to: ClassVar[frozenset[str] | None] = frozenset({"link", "file"})
    partitioned: ClassVar[bool] = True
    owned_as_part: ClassVar[bool] = True
    compared: ClassVar[tuple[str, ...]] = ("private_key", "fwmark")
    # Every peer has to shake hands again.
    disruptive: ClassVar[frozenset[str]] = frozenset({"private_key"})

    link: str
    private_key: PrivateKey
    fwmark: int | None = None
    key_file: str | None = None

    @property
    def key(self) -> Key:
        """The link's name."""
        return key(self.link)

    def describe(self) -> str:
        """Return the configuration in the words of ``wg``, the key as its public half."""
        words = f"wireguard {self.link} {self.show('private_key')}"
        return words + (f" fwmark {self.show('fwmark')}" if self.fwmark else "")

    def requires(self) -> tuple[Key, ...]:
        """Return the link, and the file of a key that was made just now: a key that is lost locks the node out."""
        file = () if self.key_file is None else (Key("file", (self.key_file,)),)
        return (links.key(self.link), *file)

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
        if not isinstance(row, DEVICE_ROWS):
            return None
        facts = read_device(row)
        if facts.private_key is None:
            return None
        return cls(
            link=row.link,
            private_key=PrivateKey(facts.private_key),
            fwmark=facts.fwmark,
        )

    def create(self) -> tuple[Request, ...]:
        """Return the request that configures the interface."""
        return (SetDevice(self.link, private_key=self.private_key, fwmark=self.fwmark),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the request that sets what differs."""
        return (SetDevice(self.link, **{field: getattr(self, field) for field in changes}),)

    def delete(self) -> tuple[Request, ...]:
        """Return the request that takes the key and the mark away; the interface stays."""
        return (SetDevice(self.link, private_key=NO_PRIVATE_KEY, fwmark=0),)
