"""``gre``: GRE tunnels, for example to a provider through which an exit's traffic leaves."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict, Field, RootModel

from intent.feature import Feature, Finding, Holding
from intent.features.addresses import address_holdings, address_resources
from intent.fields import (
    AnyAddress,
    EncapsulationLimit,
    GreMode,
    InterfaceAddress,
    InterfaceName,
    Mtu,
    NewInterfaceName,
    Number8,
    Number32,
)
from intent.references import References
from intent.resources.gre_link import GreLink
from intent.resources.resource import Resource
from intent.shares import Share, Tunnelling, Unique, address_shares
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node


_TRANSLATED = tuple(map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")))


class Tunnel(Model):
    """A GRE tunnel."""

    words = "a GRE tunnel"
    merge_key = "name"

    name: NewInterfaceName = Field(
        description="The name of the interface that is made, 1–15 bytes.", examples=["gre-provider"]
    )
    mode: GreMode = Field(
        description="`gre` and `gretap` run over IPv4, `ip6gre` and `ip6gretap` over IPv6; those with `tap` carry "
        "Ethernet frames, the others IP packets. Both ends have the same mode.",
        examples=["ip6gre"],
    )
    local: AnyAddress = Field(
        description="This node's address on the underlying network, IPv4 or IPv6 as the mode needs it.",
        examples=["2001:db8:1::2"],
    )
    remote: AnyAddress = Field(description="The other end's address.", examples=["2001:db8:ffff::1"])
    key: Number32 | None = Field(
        default=None,
        description="A number, 0–4294967295, that tells several tunnels between the same addresses apart; the same "
        "on both ends. By default there is none.",
        examples=[42],
    )
    ttl: Number8 = Field(
        default=64,
        description="The hop limit of the outer packets, 0–255; 0 copies that of the inner packet.",
        examples=[64],
    )
    tos: Number8 = Field(
        default=0,
        description="The type of service (IPv4) or traffic class (IPv6) of the outer packets, 0–255.",
        examples=[0],
    )
    encapsulation_limit: EncapsulationLimit | None = Field(
        default=None,
        description="How often packets may be tunnelled once more on the way, 0–255, only `ip6gre` and `ip6gretap` "
        "(RFC 2473). It costs 8 bytes a packet, and some providers drop packets with it: `none` leaves it out. The "
        "default is 4 over IPv6.",
        examples=["none"],
    )
    mtu: Mtu | None = Field(
        default=None,
        description="The largest packet in bytes, 1280–65535. By default the kernel computes it from the way to the "
        "other end.",
        examples=[1448],
    )
    underlay: InterfaceName | None = Field(
        default=None,
        description="The interface that the outer packets leave through. By default routing decides.",
        examples=["wan"],
    )
    addresses: tuple[InterfaceAddress, ...] = Field(
        default=(),
        description="This node's addresses on the tunnel, with the length of their prefix.",
        examples=[["fd00:aa::2/64"]],
    )

    def ends(self) -> str:
        """Return what the kernel tells tunnels apart by."""
        words = f"{self.mode} from {self.local} to {self.remote}"
        words += "" if self.key is None else f" key {self.key}"
        return words + ("" if self.underlay is None else f" over {self.underlay}")


class Gre(RootModel[tuple[Tunnel, ...]]):
    """GRE tunnels."""

    model_config = ConfigDict(strict=True, frozen=True)


def check(gre: Gre, node: Node) -> Iterator[Finding]:
    """Yield what does not go together in a tunnel."""
    for number, tunnel in enumerate(gre.root):
        yield from _tunnel_findings(number, tunnel)


def _tunnel_findings(number: int, tunnel: Tunnel) -> Iterator[Finding]:
    over_ipv6 = tunnel.mode.startswith("ip6")
    version = 6 if over_ipv6 else 4
    other = {"gre": "ip6gre", "gretap": "ip6gretap", "ip6gre": "gre", "ip6gretap": "gretap"}[tunnel.mode]
    for field, address in (("local", tunnel.local), ("remote", tunnel.remote)):
        if address.version != version:
            yield Finding(
                (number, field),
                f"`{tunnel.mode}` runs over IPv{version}, but `{address}` is an IPv{address.version} address",
                f"tunnels over IPv{address.version} have the mode `{other}`",
            )
    if tunnel.local == tunnel.remote:
        yield Finding(
            (number, "remote"),
            "`remote` is the same address as `local` (line {line})",
            first=(number, "local"),
        )
    if tunnel.encapsulation_limit is not None and not over_ipv6:
        yield Finding(
            (number, "encapsulation_limit"), f"`encapsulation_limit` exists over IPv6 only, not for `{tunnel.mode}`"
        )
    if tunnel.underlay == tunnel.name:
        yield Finding((number, "underlay"), f"`{tunnel.name}` cannot run over itself")


def holds(gre: Gre, node: Node) -> Iterator[Holding]:
    """Yield names, ends and addresses."""
    for number, tunnel in enumerate(gre.root):
        yield Holding((number, "name"), "interface name", tunnel.name)
        yield Holding((number, "remote"), "tunnel", tunnel.ends())
        yield from address_holdings((number, "addresses"), tunnel.name, tunnel.addresses)


def shares(gre: Gre, node: Node) -> Iterator[Share]:
    """Yield the addresses, and each tunnel: its ends are nobody else's, and another node may be the other end."""
    for number, tunnel in enumerate(gre.root):
        yield from address_shares((number, "addresses"), tunnel.addresses)
        key = "none" if tunnel.key is None else str(tunnel.key)
        ends = f"{tunnel.mode} from {tunnel.local} to {tunnel.remote}"
        if not _is_translated(tunnel.local):
            yield Unique((number, "local"), "tunnel", ends if tunnel.key is None else f"{ends} key {key}")
        yield Tunnelling(
            (number,),
            "tunnel",
            str(tunnel.local),
            str(tunnel.remote),
            tunnel.name,
            (("mode", tunnel.mode), ("key", key)),
        )


def _is_translated(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is translated on its way, so that others may have it too (RFC 1918, RFC 6598)."""
    return isinstance(address, IPv4Address) and any(address in network for network in _TRANSLATED)


def _encapsulation_limit(tunnel: Tunnel) -> int | Literal["none"] | None:
    """Return the limit; over IPv4 there is no such thing. 4 is the default of RFC 2473, section 6.6."""
    if tunnel.encapsulation_limit is None and tunnel.mode.startswith("ip6"):
        return 4
    return tunnel.encapsulation_limit


def expand(gre: Gre, node: Node, references: References) -> Iterator[Resource]:
    """Yield the tunnels and their addresses."""
    for tunnel in gre.root:
        yield GreLink(
            name=tunnel.name,
            mode=tunnel.mode,
            local=str(tunnel.local),
            remote=str(tunnel.remote),
            tunnel_key="none" if tunnel.key is None else tunnel.key,
            ttl=tunnel.ttl,
            tos=tunnel.tos,
            encapsulation_limit=_encapsulation_limit(tunnel),
            mtu=tunnel.mtu,
            underlay=tunnel.underlay,
        )
        yield from address_resources(tunnel.name, tunnel.addresses)


FEATURE = Feature(
    name="gre",
    model=Gre,
    description="GRE tunnels over IPv4 or IPv6, for example to a provider through which an exit's traffic leaves.",
    check=check,
    holds=holds,
    expand=expand,
    shares=shares,
)
