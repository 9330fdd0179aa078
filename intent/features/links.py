"""``links``: node-to-node links over the Internet, one WireGuard interface each, with babel on it.

Nothing has to be agreed on but the two public keys: the interface's name and both link-local addresses are derived
from them, the same on both sides. The derivations below are part of the language and must never change:

- **Name**: ``sw-`` and the first 12 characters of the lower-case base32 text (RFC 4648) of
  ``SHA-256("stellwerk link name v1" || 0x00 || lesser key || greater key)``, where the keys are the raw 32 bytes of the
  public keys in the order of their bytes.
- **Address of a side**: ``fe80::/64`` and the first 8 bytes of
  ``SHA-256("stellwerk link address v1" || 0x00 || own key || other key)`` as interface identifier.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from hashlib import sha256
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any

from pydantic import Field

from intent.babel_parameters import BabelParameters
from intent.feature import Batch, Feature, Finding, Holding
from intent.features.mesh import Mesh, member
from intent.features.wireguard import WireGuard
from intent.fields import (
    BabelType,
    EndpointText,
    Implementation,
    KeepaliveSeconds,
    Mtu,
    NodeName,
    Number32,
    Port,
    PublicKey,
    TrueFalse,
)
from intent.problems import IntentError, Problem
from intent.references import Reference, References
from intent.resources.address import Address
from intent.resources.resource import Resource
from intent.resources.wireguard_names import key_bytes
from intent.shares import Meeting, Share, UniqueAtHost, said
from intent.validation import Model
from intent.wireguard_interfaces import InterfaceWish, PeerWish, PresharedKey, PrivateKey, generate_conflicts

if TYPE_CHECKING:
    from intent.document import Node

_NAME_DOMAIN = b"stellwerk link name v1\0"
_ADDRESS_DOMAIN = b"stellwerk link address v1\0"
_LINK_NAME = re.compile(r"sw-[a-z2-7]{12}")
_LINK_LOCAL = int(IPv6Address("fe80::"))
_ALLOWED_IPS = ("::/0",)
_ALLOWED_IPS_WITH_IPV4 = ("0.0.0.0/0", "::/0")


def link_name(one: bytes, other: bytes) -> str:
    """Return the name of the interface between the holders of two raw public keys; the order does not matter."""
    digest = sha256(_NAME_DOMAIN + min(one, other) + max(one, other)).digest()
    return "sw-" + base64.b32encode(digest)[:12].decode().lower()


def link_address(own: bytes, other: bytes) -> IPv6Address:
    """Return the link-local address of the holder of ``own`` on its link to the holder of ``other``."""
    identifier = int.from_bytes(sha256(_ADDRESS_DOMAIN + own + other).digest()[:8], "big")
    return IPv6Address(_LINK_LOCAL | identifier)


def is_link_name(name: str) -> bool:
    """Return whether an interface's name has the form of a link's."""
    return _LINK_NAME.fullmatch(name) is not None


class LinkPeer(BabelParameters):
    """The node at the other end of a link."""

    words = "a link"
    merge_key = "node"

    node: NodeName = Field(description="The other node's name.", examples=["hamburg-3"])
    public_key: PublicKey = Field(
        description="The public key of the other node's `links`, 44 characters. Interface name and addresses follow "
        "from it.",
        examples=["hN2jW7fZ8mVXuQ5cT1rY9oP3kLsD6aEiG4bHnM0xJyU="],
    )
    endpoint: EndpointText | None = Field(
        default=None,
        description="Where the other node is reached: `name:port`, `[IPv6 address]:port` or `IPv4 address:port`. One "
        "of the two sides needs it.",
        examples=["[2001:db8::3]:51901"],
    )
    listen_port: Port | None = Field(
        default=None,
        description="The UDP port of this side, 1–65535; every link has its own. One of the two sides needs it.",
        examples=[51901],
    )
    preshared_key: PresharedKey | None = Field(
        default=None, description="A second, symmetric key that both sides have, by file."
    )
    ipv4: TrueFalse = Field(
        default=False, description="Whether IPv4 may pass too. By default the link carries IPv6 only."
    )
    persistent_keepalive: KeepaliveSeconds | None = Field(
        default=None,
        description="Seconds between packets that keep a NAT or firewall open, 0–65535, 0 for none. Babel's own "
        "hellos mostly do.",
        examples=[25],
    )
    fwmark: Number32 | None = Field(
        default=None,
        description="The mark of the encrypted packets, 0–4294967295, 0 for none, for firewall and routing rules.",
        examples=[51820],
    )
    type: BabelType | None = Field(
        default="tunnel", description="What kind of link babel takes this for.", examples=["tunnel"]
    )

    def key(self) -> bytes:
        """Return the raw public key."""
        return key_bytes(self.public_key)


class Links(Model):
    """Links to other nodes."""

    words = "the links"

    private_key: PrivateKey = Field(description="This node's private key for all its links, by file.")
    mtu: Mtu = Field(
        default=1374,
        description="The largest packet inside the links in bytes, 1280–65535; the same on both sides. The default "
        "fits through DSL with PPPoE and through most other tunnels.",
    )
    implementation: Implementation = Field(
        default="auto",
        description="`kernel`, `userspace` (wireguard-go), or `auto`: the kernel's where it has WireGuard.",
    )
    peers: tuple[LinkPeer, ...] = Field(default=(), description="The nodes at the other ends.")

    def wish(self, peer: LinkPeer, name: str) -> InterfaceWish:
        """Return the interface to a peer under a name."""
        return InterfaceWish(
            name=name,
            private_key=self.private_key,
            implementation=self.implementation,
            mtu=self.mtu,
            listen_port=peer.listen_port,
            fwmark=peer.fwmark,
            peers=(
                PeerWish(
                    public_key=peer.public_key,
                    preshared_key=None if peer.preshared_key is None else peer.preshared_key.reference(),
                    endpoint=peer.endpoint,
                    allowed_ips=_ALLOWED_IPS_WITH_IPV4 if peer.ipv4 else _ALLOWED_IPS,
                    persistent_keepalive=peer.persistent_keepalive,
                ),
            ),
        )


def check(links: Links, node: Node) -> Iterator[Finding]:
    """Yield links that stand twice, lead nowhere or to the node itself, and keys asked for in two ways."""
    for field in ("node", "public_key"):
        yield from _doubles(links, field)
    for number, peer in enumerate(links.peers):
        yield from peer.findings(("peers", number))
        if peer.node == node.name:
            yield Finding(("peers", number, "node"), f"`{peer.node}` is this node itself")
        if peer.endpoint is None and peer.listen_port is None:
            yield Finding(
                ("peers", number),
                f"the link to `{peer.node}` has neither `endpoint` nor `listen_port`: neither side could begin",
                "write where the other node is reached, or the port on which this one is",
            )
    wireguard = node.get(WireGuard)
    others = () if wireguard is None else tuple((interface.private_key, 0) for interface in wireguard.root)
    for _ in set(generate_conflicts((*others, (links.private_key, 1)))) & {1}:
        yield Finding(
            ("private_key",),
            f"`{links.private_key.file}` is named in `wireguard` with another `generate`",
            "write the same `generate` wherever the file is named",
        )


def _doubles(links: Links, field: str) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for number, peer in enumerate(links.peers):
        before = first.setdefault(getattr(peer, field), number)
        if before != number:
            what = f"`{peer.node}`" if field == "node" else "this public key"
            yield Finding(
                ("peers", number, field),
                f"{what} has a link already (line {{line}}); there is one between two nodes",
                first=("peers", before, field),
            )


def holds(links: Links, node: Node) -> Iterator[Holding]:
    """Yield the ports; names are known only when the private key is."""
    for number, peer in enumerate(links.peers):
        if peer.listen_port is not None:
            yield Holding(("peers", number, "listen_port"), "UDP port", peer.listen_port)


def references(links: Links, node: Node) -> Iterator[Reference[Any]]:
    """Yield the key, host names and what the kernel can do."""
    for peer in links.peers:
        yield from links.wish(peer, "").references()


def shares(links: Links, node: Node) -> Iterator[Share]:
    """Yield the ports, and the links, which the nodes at their other ends have too."""
    for number, peer in enumerate(links.peers):
        if peer.listen_port is not None:
            yield UniqueAtHost(("peers", number, "listen_port"), "UDP port", peer.listen_port)
        yield Meeting(
            ("peers", number),
            "link",
            FEATURE.name,
            peer.public_key,
            peer.node,
            None,
            peer.listen_port,
            None if peer.endpoint is None else (peer.endpoint.host, peer.endpoint.port),
            (
                ("mtu", str(links.mtu)),
                ("ipv4", said(peer.ipv4)),
                ("preshared_key", said(peer.preshared_key is not None)),
            ),
        )


def expand(links: Links, node: Node, references: References) -> Iterator[Resource | Batch[Any]]:
    """Yield an interface per peer, its address, and its place in the mesh.

    Raises IntentError for a peer that has this node's own key.
    """
    mesh = node.get(Mesh)
    if mesh is None or not links.peers:
        return
    own = references[links.private_key.reference()].key.public
    problems: list[Problem] = []
    for number, peer in enumerate(links.peers):
        if peer.key() == own:
            message = f"this is the public key of this node itself, not that of `{peer.node}`"
            problems.append(node.problem("links", Finding(("peers", number, "public_key"), message)))
    if problems:
        raise IntentError(problems)
    for peer in links.peers:
        name = link_name(own, peer.key())
        yield from links.wish(peer, name).resources(references)
        yield Address(link=name, address=f"{link_address(own, peer.key())}/64")
        yield from member(mesh, name, peer.options())


FEATURE = Feature(
    name="links",
    model=Links,
    description="Links to other nodes over the Internet: one WireGuard interface each, with babel on it. Interface "
    "names and addresses are derived from the public keys, so there is nothing else to agree on.",
    needs=("mesh",),
    check=check,
    holds=holds,
    references=references,
    expand=expand,
    shares=shares,
)
