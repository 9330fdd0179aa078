"""``firewall``: what may leave the mesh and come in, in a table of nftables of our own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Any

from pydantic import Field

from intent.feature import Feature, Finding
from intent.features.exit import Exit, prefixes_now
from intent.features.gre import Gre
from intent.features.links import Links, is_link_name, link_name
from intent.features.mesh import Mesh
from intent.features.networks import Networks
from intent.features.networks import prefixes_now as network_prefixes
from intent.features.wireguard import WireGuard
from intent.fencing import Fencing
from intent.fields import InterfaceName, IPv6Prefix, TrueFalse
from intent.references import Reference, References
from intent.resources import nftables_parts as nft
from intent.resources.nftables_parts import Hook, NftChain, NftRule, NftSet
from intent.resources.nftables_table import NftTable, table_key
from intent.resources.resource import Key, Resource
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node

SPOOFED_OUT = "spoofed_out"
"""Counts packets from the mesh that were refused at the way out."""
SPOOFED_IN = "spoofed_in"
"""Counts packets from outside that claimed to be from inside."""

# Priorities of nft(8), section CHAINS.
_MANGLE = -150
_SOURCE_NAT = 100
_DESTINATION_NAT = -100
_FILTER = 0
_PLAIN = re.compile(r"[^A-Za-z0-9_]")


class Masquerade(Model):
    """A prefix whose packets leave with the node's own address."""

    words = "an entry of `masquerade`"

    from_: IPv6Prefix = Field(
        alias="from",
        description="The IPv6 prefix of the clients, mostly unique local addresses.",
        examples=["fd00:1::/48"],
    )
    out: InterfaceName = Field(
        description="The interface that the packets leave by, the `via` of an exit.", examples=["wan"]
    )


class Translation(Masquerade):
    """A prefix whose packets leave with another prefix of the same length."""

    words = "an entry of `translate`"

    to: IPv6Prefix = Field(
        description="The IPv6 prefix that the packets leave with, of the same length as `from`. It has to be routed to "
        "this node from outside. What comes for it is translated back.",
        examples=["2001:db8:5::/48"],
    )


class Firewall(Fencing):
    """What may leave the mesh and come in."""

    words = "the firewall"

    anti_spoofing: TrueFalse = Field(
        default=True,
        description="Whether packets from the mesh that would leave by an exit's interface or an uplink with a source "
        "outside the exit prefixes of that interface are refused, and packets from outside with a source inside are "
        "dropped (BCP 38), but for exit prefixes that are `shared`. Both are counted.",
    )
    clamp_mss: TrueFalse = Field(
        default=True,
        description="Whether TCP connections through the tunnels of this file are told a segment size that fits, in "
        "both directions. Without it, connections hang where messages about too big packets are lost.",
    )
    masquerade: tuple[Masquerade, ...] = Field(
        default=(),
        description="Prefixes whose packets leave with the node's own address: for an operator with no prefix to "
        "share. Nobody outside can begin a connection to such a client.",
    )
    translate: tuple[Translation, ...] = Field(
        default=(),
        description="Prefixes that are exchanged for others at the way out, address by address. Clients can be reached "
        "from outside.",
    )

    def translated(self, interface: str) -> tuple[IPv6Network, ...]:
        """Return the prefixes whose packets leave by an interface with other addresses."""
        return tuple(entry.from_ for entry in (*self.masquerade, *self.translate) if entry.out == interface)

    def entries(self) -> Iterator[tuple[tuple[str, int], Masquerade]]:
        """Yield the entries that translate, each with its place."""
        for field, entries in (("masquerade", self.masquerade), ("translate", self.translate)):
            for number, entry in enumerate(entries):
                yield (field, number), entry


def check(firewall: Firewall, node: Node) -> Iterator[Finding]:
    """Yield translations that cannot work, and names that nft takes for something else."""
    mesh, exit_ = node.get(Mesh), node.get(Exit)
    inner = {interface.name for interface in mesh.interfaces} if mesh else set()
    ways = {entry.via.interface for entry in exit_.prefixes} if exit_ else set()
    seen: list[tuple[tuple[str, int], Masquerade]] = []
    for path, entry in firewall.entries():
        if is_link_name(entry.out) or entry.out in inner:
            yield Finding((*path, "out"), f"`{entry.out}` is a mesh interface, and no way out")
        elif ways and entry.out not in ways:
            yield Finding(
                (*path, "out"),
                f"no exit prefix leaves by `{entry.out}`, so nothing would be translated",
                f"write `{{prefix: {entry.from_}, via: {{interface: {entry.out}}}}}` under `exit.prefixes`",
            )
        yield from _prefix_findings(path, entry)
        first = next((other for other in seen if _collide(other[1], entry)), None)
        if first is not None:
            message = f"`{entry.from_}` leaves by `{entry.out}` already with other addresses (line {{line}})"
            yield Finding((*path, "from"), message, first=(*first[0], "from"))
        same = next((other for other in seen if _come_back_alike(other[1], entry)), None)
        if same is not None:
            message = "another prefix is translated to this one already (line {line}): answers could not be told apart"
            yield Finding((*path, "to"), message, first=(*same[0], "to"))
        seen.append((path, entry))
    for name in sorted({*inner, *ways, *(mesh.uplinks if mesh else ())}):
        if name.startswith("@") or name.endswith("*"):
            yield Finding((), f"nft would take the interface name `{name}` for a pattern", "rename the interface")


def _prefix_findings(path: tuple[str, int], entry: Masquerade) -> Iterator[Finding]:
    if entry.from_.prefixlen == 0:
        yield Finding((*path, "from"), "`::/0` would change the addresses of everybody", "name the clients' prefix")
    if not isinstance(entry, Translation):
        return
    if entry.to.prefixlen != entry.from_.prefixlen:
        yield Finding(
            (*path, "to"),
            f"`{entry.to}` and `{entry.from_}` are of different length, and addresses are translated one by one",
        )
    if entry.to.overlaps(entry.from_):
        yield Finding((*path, "to"), f"`{entry.to}` overlaps the prefix `{entry.from_}` that it is to replace")


def _collide(one: Masquerade, other: Masquerade) -> bool:
    # One that is everything is refused for itself; that it overlaps all others says nothing more.
    return (
        one.out == other.out and min(one.from_.prefixlen, other.from_.prefixlen) > 0 and one.from_.overlaps(other.from_)
    )


def _come_back_alike(one: Masquerade, other: Masquerade) -> bool:
    if not isinstance(one, Translation) or not isinstance(other, Translation):
        return False
    return one.out == other.out and one.to.overlaps(other.to)


def references(firewall: Firewall, node: Node) -> Iterator[Reference[Any]]:
    """Yield the key that the names of links follow from."""
    links = node.get(Links)
    if links is not None and links.peers:
        yield links.private_key.reference()


def expand(firewall: Firewall, node: Node, references: References) -> Iterator[Resource]:
    """Yield the table."""
    mesh = node.get(Mesh)
    if mesh is None:
        return
    exits = node.get(Exit)
    ways = _ways(exits, references) if exits else []
    links = _link_names(node, references)
    parts: list[NftChain | NftSet] = []
    counters: tuple[str, ...] = ()
    if firewall.anti_spoofing:
        counters = (SPOOFED_IN, SPOOFED_OUT)
        members = [*(interface.name for interface in mesh.interfaces), *links]
        # While an exit has no prefix, nothing leaves by its interface.
        outside = (*mesh.uplinks, *(entry.via.interface for entry in (exits.prefixes if exits else ())))
        parts += _anti_spoofing(members, ways, outside, _inside(firewall, mesh, node, references))
    tunnels = [*links, *_tunnels(node)]
    if firewall.clamp_mss and tunnels:
        parts += _clamping(tunnels)
    parts += _translating(firewall)
    yield NftTable.of(
        counters=counters,
        sets=[part for part in parts if isinstance(part, NftSet)],
        chains=[part for part in parts if isinstance(part, NftChain)],
    )


def _ways(exits: Exit, references: References) -> list[tuple[str, IPv6Network]]:
    """Return the interface and the prefix, as it is now, of each exit."""
    prefixes = zip(exits.prefixes, prefixes_now(exits, references), strict=True)
    return [(entry.via.interface, prefix) for entry, prefix in prefixes if prefix is not None]


def _link_names(node: Node, references: References) -> list[str]:
    links = node.get(Links)
    if links is None or not links.peers:
        return []
    own = references[links.private_key.reference()].key.public
    return [link_name(own, peer.key()) for peer in links.peers]


def _tunnels(node: Node) -> Iterator[str]:
    gre, wireguard = node.get(Gre), node.get(WireGuard)
    if gre is not None:
        yield from (tunnel.name for tunnel in gre.root)
    if wireguard is not None:
        yield from (interface.name for interface in wireguard.root)


def _inside(firewall: Firewall, mesh: Mesh, node: Node, references: References) -> Iterator[IPv6Network]:
    """Yield the prefixes that no packet from outside may be from.

    Not those of exits that others serve too: a client that leaves by another exit may talk to this one's own address.
    """
    exits = node.get(Exit)
    if exits is not None:
        prefixes = zip(exits.prefixes, prefixes_now(exits, references), strict=True)
        yield from (prefix for entry, prefix in prefixes if prefix is not None and not entry.shared)
    yield from mesh.prefixes
    yield from (entry.to for entry in firewall.translate)
    networks = node.get(Networks)
    if networks is not None:
        yield from filter(None, network_prefixes(networks, node, references))


def _anti_spoofing(
    members: Iterable[str],
    ways: Iterable[tuple[str, IPv6Network]],
    outside: Iterable[str],
    inside: Iterable[IPv6Network],
) -> Iterator[NftChain | NftSet]:
    """Yield what refuses packets out of the mesh that are from nowhere behind it, and drops those that claim to be."""
    allowed: dict[str, list[IPv6Network]] = {interface: [] for interface in outside}
    for interface, prefix in ways:
        allowed[interface].append(prefix)
    yield NftSet.of_names("mesh", members)
    yield NftSet.of_names("outside", allowed)
    yield NftSet.of_prefixes("inside", inside)
    sets = _set_names(allowed)
    rules = []
    for interface, prefixes in sorted(allowed.items()):
        yield NftSet.of_prefixes(sets[interface], prefixes)
        leaving = nft.interface("iifname", "@mesh"), nft.interface("oifname", interface)
        source = nft.address("saddr", f"@{sets[interface]}", other=True)
        rules.append(NftRule.of([*leaving, source, nft.count(SPOOFED_OUT), nft.REJECT_SOURCE]))
    leaving = nft.interface("iifname", "@mesh"), nft.interface("oifname", "@outside")
    rules.append(NftRule.of([*leaving, nft.IS_IPV4, nft.count(SPOOFED_OUT), nft.REJECT_PROHIBITED]))
    yield NftChain("leaving", Hook("filter", "forward", _FILTER), tuple(rules))
    entering = [nft.interface("iifname", "@outside"), nft.address("saddr", "@inside"), nft.count(SPOOFED_IN), nft.DROP]
    # Before translation, which gives answers the addresses of clients, and before the way of a packet is decided.
    yield NftChain("entering", Hook("filter", "prerouting", _MANGLE), (NftRule.of(entering),))


def _set_names(interfaces: Iterable[str]) -> dict[str, str]:
    """Return the name of each interface's set; nft takes fewer characters in it than the kernel in an interface's."""
    names: dict[str, str] = {}
    for interface in sorted(interfaces):
        plain = "exit_" + _PLAIN.sub("_", interface)
        number = sum(other == plain or other.startswith(f"{plain}__") for other in names.values())
        names[interface] = f"{plain}__{number + 1}" if number else plain
    return names


def _clamping(tunnels: Iterable[str]) -> Iterator[NftChain | NftSet]:
    yield NftSet.of_names("tunnels", tunnels)
    rules = (
        NftRule.of([nft.interface(direction, "@tunnels"), nft.IS_SYN, nft.CLAMP_MSS])
        for direction in ("iifname", "oifname")
    )
    yield NftChain("clamp", Hook("filter", "forward", _MANGLE), tuple(rules))


def _translating(firewall: Firewall) -> Iterator[NftChain]:
    leaving = [
        NftRule.of(
            [
                nft.interface("oifname", entry.out),
                nft.address("saddr", entry.from_),
                nft.translate("snat", entry.to) if isinstance(entry, Translation) else nft.MASQUERADE,
            ]
        )
        for _, entry in firewall.entries()
    ]
    if leaving:
        yield NftChain("source", Hook("nat", "postrouting", _SOURCE_NAT), tuple(leaving))
    entering = [
        NftRule.of(
            [nft.interface("iifname", entry.out), nft.address("daddr", entry.to), nft.translate("dnat", entry.from_)]
        )
        for entry in firewall.translate
    ]
    if entering:
        yield NftChain("destination", Hook("nat", "prerouting", _DESTINATION_NAT), tuple(entering))


def fences(firewall: Firewall, node: Node, references: References) -> tuple[Key, ...]:
    """Return the table where it keeps packets in."""
    return (table_key(),) if firewall.anti_spoofing else ()


FEATURE = Feature(
    name="firewall",
    model=Firewall,
    description="What may leave the mesh and come in: refuses forged sources, fits TCP to the tunnels, and translates "
    "addresses where there is no prefix to share. All in a table of nftables of its own.",
    needs=("mesh",),
    check=check,
    references=references,
    expand=expand,
    fences=fences,
)
