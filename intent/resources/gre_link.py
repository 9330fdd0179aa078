"""GRE tunnels: gre, gretap, ip6gre, ip6gretap (ip-link(8), linux/if_tunnel.h, linux/ip6_tunnel.h)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from intent.resources import netlink
from intent.resources.link import IFLA_MTU, Link, Names, key, read
from intent.resources.netlink import Body, IndexOf
from intent.resources.resource import Change, Claim, Key, Request

IFLA_GRE_LINK = 1
IFLA_GRE_IFLAGS = 2
IFLA_GRE_OFLAGS = 3
IFLA_GRE_IKEY = 4
IFLA_GRE_OKEY = 5
IFLA_GRE_LOCAL = 6
IFLA_GRE_REMOTE = 7
IFLA_GRE_TTL = 8
IFLA_GRE_TOS = 9
IFLA_GRE_PMTUDISC = 10
IFLA_GRE_ENCAP_LIMIT = 11
IFLA_GRE_FLOWINFO = 12
IFLA_GRE_FLAGS = 13
GRE_KEY = 0x2000
IP6_TNL_F_IGN_ENCAP_LIMIT = 0x1
TRAFFIC_CLASS_SHIFT = 20

Mode = Literal["gre", "gretap", "ip6gre", "ip6gretap"]
MODES: tuple[Mode, ...] = ("gre", "gretap", "ip6gre", "ip6gretap")


@dataclass(frozen=True, slots=True, kw_only=True)
class GreLink(Link):
    """A GRE tunnel.

    ``key`` of the tunnel is ``tunnel_key``, for both directions; ``encapsulation_limit`` exists for the IPv6 modes
    only (RFC 2473, section 4.1.1), ``"none"`` turns the option off. ``ttl`` 0 inherits the inner one.
    """

    table: ClassVar[str] = "link"
    compared: ClassVar[tuple[str, ...]] = (
        *("mode", "local", "remote", "tunnel_key", "underlay"),
        *("ttl", "tos", "encapsulation_limit", "mtu", "up"),
    )
    replace_on: ClassVar[frozenset[str]] = frozenset({"mode", "local", "remote", "tunnel_key", "underlay"})

    incidental: ClassVar[frozenset[str]] = frozenset({"ttl", "tos", "encapsulation_limit"})

    mode: Mode
    local: str
    remote: str
    tunnel_key: int | Literal["none"] = "none"
    ttl: int | None = None
    tos: int | None = None
    encapsulation_limit: int | Literal["none"] | None = None
    underlay: str | None = None

    def kind(self) -> str:
        """Return the mode, which is the kind's name."""
        return self.mode

    def describe(self) -> str:
        """Return the tunnel as ``ip link add`` words."""
        words = f"link {self.name} type {self.mode} local {self.local} remote {self.remote}"
        words += "" if self.tunnel_key == "none" else f" key {self.tunnel_key}"
        words += "" if self.ttl is None else f" ttl {self.ttl}"
        words += "" if self.tos is None else f" tos {self.tos:#04x}"
        words += "" if self.encapsulation_limit is None else f" encaplimit {self.encapsulation_limit}"
        words += "" if self.underlay is None else f" dev {self.underlay}"
        return words + ("" if self.mtu is None else f" mtu {self.mtu}")

    def requires(self) -> tuple[Key, ...]:
        """Return the underlay link, where one is named."""
        return () if self.underlay is None else (key(self.underlay),)

    def claims(self) -> tuple[Claim, ...]:
        """Return the end points: the kernel keeps one tunnel of a mode between them."""
        # The IPv6 modes compare the number of the key alone: none is 0 to them (ip6gre_tunnel_find).
        tunnel_key = "none" if self.mode.startswith("ip6") and self.tunnel_key == 0 else self.tunnel_key
        ends = (self.mode, self.local, self.remote, tunnel_key, self.underlay)
        return (Claim("tunnel", " ".join(map(str, ends))),)

    def details(self) -> Body:
        """Return all parameters: what a change leaves out, the kernel would set to its default."""
        ipv6 = self.mode.startswith("ip6")
        keyed = self.tunnel_key != "none"
        number = self.tunnel_key if isinstance(self.tunnel_key, int) else 0
        body = (
            *netlink.attribute(IFLA_GRE_LOCAL, ipaddress.ip_address(self.local).packed),
            *netlink.attribute(IFLA_GRE_REMOTE, ipaddress.ip_address(self.remote).packed),
            *netlink.be16(IFLA_GRE_IFLAGS, GRE_KEY if keyed else 0),
            *netlink.be16(IFLA_GRE_OFLAGS, GRE_KEY if keyed else 0),
            *netlink.be32(IFLA_GRE_IKEY, number),
            *netlink.be32(IFLA_GRE_OKEY, number),
            *netlink.u8(IFLA_GRE_TTL, 64 if self.ttl is None else self.ttl),
        )
        if self.underlay is not None:
            body += netlink.attribute(IFLA_GRE_LINK, IndexOf(self.underlay))
        return body + (self._ipv6_details() if ipv6 else self._ipv4_details())

    def _ipv4_details(self) -> Body:
        # The kernel refuses a fixed TTL without path MTU discovery: the outer packet could loop unseen.
        inherits = self.ttl == 0
        return (
            *netlink.u8(IFLA_GRE_TOS, self.tos or 0),
            *netlink.u8(IFLA_GRE_PMTUDISC, 0 if inherits else 1),
        )

    def _ipv6_details(self) -> Body:
        ignore = self.encapsulation_limit == "none"
        limit = self.encapsulation_limit if isinstance(self.encapsulation_limit, int) else 4
        return (
            *netlink.be32(IFLA_GRE_FLOWINFO, (self.tos or 0) << TRAFFIC_CLASS_SHIFT),
            *netlink.u8(IFLA_GRE_ENCAP_LIMIT, 0 if ignore else limit),
            *netlink.u32(IFLA_GRE_FLAGS, IP6_TNL_F_IGN_ENCAP_LIMIT if ignore else 0),
        )

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the requests that change the tunnel in place; what is unmanaged keeps its observed value."""
        requests = super(GreLink, self).update(observed, changes)
        if not changes.keys() & {"ttl", "tos", "encapsulation_limit"}:
            return requests
        kept = {
            field: getattr(observed, field)
            for field in ("ttl", "tos", "encapsulation_limit", "underlay")
            if getattr(self, field) is None
        }
        change = replace(self, **kept)._new(0, f"change {self.key}")
        # Without it the IPv6 modes choose an MTU anew, as for a new tunnel (ip6gre_changelink).
        mtu = observed.mtu if self.mtu is None else self.mtu
        told = () if mtu is None else netlink.u32(IFLA_MTU, mtu)
        return (replace(change, body=netlink.join((*change.body, *told))), *requests)

    @classmethod
    def decode(cls, row: bytes, context: Names) -> Self | None:
        """Return the tunnel in an RTM_NEWLINK payload of one of the four kinds, unless it is a fall-back device."""
        link = read(row, context)
        if link.kind not in MODES or IFLA_GRE_LOCAL not in link.data:
            return None
        data = link.data
        if not any(data[IFLA_GRE_LOCAL] + data[IFLA_GRE_REMOTE]):
            return None
        keyed = netlink.big_endian(data.get(IFLA_GRE_IFLAGS, b"")) & GRE_KEY
        ipv6 = link.kind.startswith("ip6")
        ignored = ipv6 and netlink.number(data[IFLA_GRE_FLAGS]) & IP6_TNL_F_IGN_ENCAP_LIMIT
        if ipv6:
            tos = netlink.big_endian(data[IFLA_GRE_FLOWINFO]) >> TRAFFIC_CLASS_SHIFT & 0xFF
        else:
            tos = netlink.number(data[IFLA_GRE_TOS])
        return cls(
            name=link.name,
            mtu=link.mtu,
            up=link.up,
            ours=link.ours,
            master=link.master,
            mode=link.kind,
            local=str(ipaddress.ip_address(data[IFLA_GRE_LOCAL])),
            remote=str(ipaddress.ip_address(data[IFLA_GRE_REMOTE])),
            tunnel_key=netlink.big_endian(data[IFLA_GRE_IKEY]) if keyed else "none",
            ttl=netlink.number(data[IFLA_GRE_TTL]),
            tos=tos,
            encapsulation_limit=(
                None if not ipv6 else "none" if ignored else netlink.number(data[IFLA_GRE_ENCAP_LIMIT])
            ),
            underlay=link.lower,
        )
