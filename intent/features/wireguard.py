"""``wireguard``: WireGuard interfaces with any peers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, RootModel

from intent.feature import Batch, Feature, Finding, Holding
from intent.features.addresses import address_holdings, address_resources
from intent.fields import (
    EndpointText,
    Implementation,
    InterfaceAddress,
    KeepaliveSeconds,
    Mtu,
    NewInterfaceName,
    Number32,
    Port,
    PublicKey,
)
from intent.prefixes import Prefix
from intent.problems import IntentError, Problem
from intent.references import Reference, References
from intent.resources.resource import Resource
from intent.resources.wireguard_names import key_text
from intent.shares import Meeting, Share, UniqueAtHost, address_shares, said
from intent.validation import Model
from intent.wireguard_interfaces import InterfaceWish, PeerWish, PresharedKey, PrivateKey, generate_conflicts

if TYPE_CHECKING:
    from intent.document import Node


class Peer(Model):
    """The other end of a tunnel."""

    words = "a WireGuard peer"
    merge_key = "public_key"

    public_key: PublicKey = Field(
        description="The peer's public key, as `wg pubkey` prints it: 44 characters.",
        examples=["hN2jW7fZ8mVXuQ5cT1rY9oP3kLsD6aEiG4bHnM0xJyU="],
    )
    preshared_key: PresharedKey | None = Field(
        default=None, description="A second, symmetric key that both sides have, by file."
    )
    endpoint: EndpointText | None = Field(
        default=None,
        description="Where the peer is reached first: `name:port`, `[IPv6 address]:port` or `IPv4 address:port`. "
        "WireGuard follows a peer that moves. Left out, the peer has to begin.",
        examples=["gw.example.org:51820", "[2001:db8::3]:51820"],
    )
    allowed_ips: tuple[Prefix, ...] = Field(
        default=(),
        description="The prefixes behind the peer: what may come from it, and what is sent to it. On one interface "
        "each belongs to one peer.",
        examples=[["::/0"]],
    )
    persistent_keepalive: KeepaliveSeconds | None = Field(
        default=None,
        description="Seconds between packets that keep a NAT or firewall open, 0–65535, 0 for none. 25 is usual for "
        "a node behind one.",
        examples=[25],
    )

    def wish(self) -> PeerWish:
        """Return the peer, with its preshared key as what has to be looked up."""
        return PeerWish(
            self.public_key,
            None if self.preshared_key is None else self.preshared_key.reference(),
            self.endpoint,
            self.allowed_ips,
            self.persistent_keepalive,
        )


class Interface(Model):
    """A WireGuard interface."""

    words = "a WireGuard interface"
    merge_key = "name"

    name: NewInterfaceName = Field(
        description="The name of the interface that is made, 1–15 bytes.", examples=["wg-mesh"]
    )
    private_key: PrivateKey = Field(description="This side's private key, by file.")
    listen_port: Port | None = Field(
        default=None,
        description="The UDP port to listen on, 1–65535. Left out, the kernel takes any free one.",
        examples=[51820],
    )
    fwmark: Number32 | None = Field(
        default=None,
        description="The mark of the encrypted packets, 0–4294967295, 0 for none, for firewall and routing rules; "
        "hexadecimal such as 0xca6c works too.",
        examples=[51820],
    )
    mtu: Mtu = Field(default=1420, description="The largest packet inside the tunnel in bytes, 1280–65535.")
    implementation: Implementation = Field(
        default="auto",
        description="`kernel`, `userspace` (wireguard-go), or `auto`: the kernel's where it has WireGuard.",
    )
    addresses: tuple[InterfaceAddress, ...] = Field(
        default=(),
        description="This node's addresses on the tunnel, with the length of their prefix. Babel needs a link-local "
        "one (fe80::…/64), which WireGuard interfaces do not get by themselves.",
        examples=[["fe80::7/64"]],
    )
    peers: tuple[Peer, ...] = Field(default=(), description="The other ends, any number of them.")

    def wish(self) -> InterfaceWish:
        """Return the interface with its peers."""
        return InterfaceWish(
            name=self.name,
            private_key=self.private_key,
            implementation=self.implementation,
            mtu=self.mtu,
            listen_port=self.listen_port,
            fwmark=self.fwmark,
            peers=tuple(peer.wish() for peer in self.peers),
        )


class WireGuard(RootModel[tuple[Interface, ...]]):
    """WireGuard interfaces."""

    model_config = ConfigDict(strict=True, frozen=True)


def check(wireguard: WireGuard, node: Node) -> Iterator[Finding]:
    """Yield peers and allowed IPs that stand twice, and keys that are asked for in two ways."""
    for number, interface in enumerate(wireguard.root):
        yield from _double_peers(number, interface)
        yield from _double_allowed_ips(number, interface)
    keys = ((interface.private_key, number) for number, interface in enumerate(wireguard.root))
    for number in generate_conflicts(keys):
        yield Finding(
            (number, "private_key"),
            f"`{wireguard.root[number].private_key.file}` is named before with another `generate`",
            "write the same `generate` wherever the file is named",
        )


def _double_peers(number: int, interface: Interface) -> Iterator[Finding]:
    if len({peer.public_key for peer in interface.peers}) == len(interface.peers):
        return
    first: dict[str, int] = {}
    for index, peer in enumerate(interface.peers):
        before = first.setdefault(peer.public_key, index)
        if before != index:
            yield Finding(
                (number, "peers", index, "public_key"),
                f"this peer of `{interface.name}` is written twice, first in line {{line}}",
                first=(number, "peers", before, "public_key"),
            )


def _double_allowed_ips(number: int, interface: Interface) -> Iterator[Finding]:
    if len(set(chain.from_iterable(peer.allowed_ips for peer in interface.peers))) == sum(
        len(peer.allowed_ips) for peer in interface.peers
    ):
        return
    first: dict[str, tuple[int, int]] = {}
    for index, peer in enumerate(interface.peers):
        for position, prefix in enumerate(peer.allowed_ips):
            before = first.setdefault(prefix, (index, position))
            if before != (index, position):
                whose = "this peer" if before[0] == index else "another peer"
                yield Finding(
                    (number, "peers", index, "allowed_ips", position),
                    f"`{prefix}` belongs to {whose} of `{interface.name}` already (line {{line}})",
                    first=(number, "peers", before[0], "allowed_ips", before[1]),
                )


def holds(wireguard: WireGuard, node: Node) -> Iterator[Holding]:
    """Yield names, ports and addresses."""
    for number, interface in enumerate(wireguard.root):
        yield Holding((number, "name"), "interface name", interface.name)
        if interface.listen_port is not None:
            yield Holding((number, "listen_port"), "UDP port", interface.listen_port)
        yield from address_holdings((number, "addresses"), interface.name, interface.addresses)


def references(wireguard: WireGuard, node: Node) -> Iterator[Reference[Any]]:
    """Yield keys, host names and what the kernel can do."""
    for interface in wireguard.root:
        yield from interface.wish().references()


def shares(wireguard: WireGuard, node: Node) -> Iterator[Share]:
    """Yield addresses, ports, and the peers, who are nodes of the fleet or known to it."""
    for number, interface in enumerate(wireguard.root):
        yield from address_shares((number, "addresses"), interface.addresses)
        if interface.listen_port is not None:
            yield UniqueAtHost((number, "listen_port"), "UDP port", interface.listen_port)
        for index, peer in enumerate(interface.peers):
            yield Meeting(
                (number, "peers", index),
                "WireGuard peer",
                interface.name,
                peer.public_key,
                None,
                interface.name,
                interface.listen_port,
                None if peer.endpoint is None else (peer.endpoint.host, peer.endpoint.port),
                (("preshared_key", said(peer.preshared_key is not None)),),
            )


def expand(wireguard: WireGuard, node: Node, references: References) -> Iterator[Resource | Batch[Any]]:
    """Yield the interfaces with their peers and addresses. Raises IntentError for a peer that is the node itself."""
    problems: list[Problem] = []
    for number, interface in enumerate(wireguard.root):
        own = key_text(references[interface.private_key.reference()].key.public)
        for index, peer in enumerate(interface.peers):
            if peer.public_key == own:
                path = (number, "peers", index, "public_key")
                message = f"this is the public key of `{interface.name}` itself; a peer has another"
                problems.append(node.problem("wireguard", Finding(path, message)))
    if problems:
        raise IntentError(problems)
    for interface in wireguard.root:
        yield from interface.wish().resources(references)
        yield from address_resources(interface.name, interface.addresses)


FEATURE = Feature(
    name="wireguard",
    model=WireGuard,
    description="WireGuard interfaces with any number of peers. For links to other nodes of the mesh `links` needs "
    "less to be agreed on.",
    check=check,
    holds=holds,
    references=references,
    expand=expand,
    shares=shares,
)
