"""Addresses on links (ip-address(8), linux/if_addr.h)."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from intent.resources import netlink
from intent.resources.link import Names
from intent.resources.link import key as link_key
from intent.resources.netlink import IndexOf, NetlinkRequest
from intent.resources.resource import Change, Claim, Key, Request, Resource

RTM_NEWADDR = 20
RTM_DELADDR = 21
IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_FLAGS = 8
IFA_PROTO = 11
IFA_F_SECONDARY = 0x01
IFA_F_PERMANENT = 0x80
IFAPROT_KERNEL = frozenset({1, 2, 3})
RT_SCOPE_LINK = 253
PROTOCOL = 242

_IFADDRMSG = struct.Struct("=BBBBI")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address(Resource):
    """An IPv4 or IPv6 address with its prefix length on a link, such as ``fd00::1/64``, normalised.

    A kernel before 5.18 keeps no protocol on an address; there the inventory alone knows that it is ours.
    ``secondary`` says that it is IPv4 and not the first of its subnet on the link, ``first`` which one that is: with
    it the kernel deletes the others (promote_secondaries in ip-sysctl(7) is off by default).
    """

    table: ClassVar[str] = "address"
    refers_to: ClassVar[frozenset[str] | None] = frozenset({"link", "address"})
    inventoried: ClassVar[bool] = True

    link: str
    address: str
    protocol: int = PROTOCOL
    permanent: bool = True
    secondary: bool = False
    first: str | None = None

    @property
    def key(self) -> Key:
        """The link and the address with its prefix length."""
        return Key("address", (self.link, self.address))

    def describe(self) -> str:
        """Return the address as ``ip address`` words."""
        return f"address {self.address} dev {self.link}"

    def requires(self) -> tuple[Key, ...]:
        """Return the link, and the first address of the subnet where this one goes with it."""
        first = () if self.first is None else (Key("address", (self.link, self.first)),)
        return (link_key(self.link), *first)

    def claims(self) -> tuple[Claim, ...]:
        """Return the address without its length: a link has it once."""
        return (Claim("address", f"{self.address.partition('/')[0]} on {self.link}"),)

    def part_of(self) -> Key | None:
        """Return the link, with which the kernel drops the address."""
        return link_key(self.link)

    def owned(self) -> bool:
        """Return whether the kernel kept our protocol number on it."""
        return self.protocol == PROTOCOL

    def automatic(self) -> bool:
        """Return whether it came by address configuration: link-local, router advertisement or a lease."""
        return (
            self.protocol in IFAPROT_KERNEL or not self.permanent or ipaddress.ip_interface(self.address).is_link_local
        )

    def create(self) -> tuple[Request, ...]:
        """Return the request that adds the address."""
        flags = netlink.NLM_F_CREATE | netlink.NLM_F_EXCL
        return (self._request(RTM_NEWADDR, flags, f"add {self.describe()}"),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return nothing: no field of an address is compared."""
        return ()

    def delete(self) -> tuple[Request, ...]:
        """Return the request that removes the address."""
        return (self._request(RTM_DELADDR, 0, f"delete {self.describe()}"),)

    def _request(self, kind: int, flags: int, about: str) -> NetlinkRequest:
        interface = ipaddress.ip_interface(self.address)
        family = 2 if interface.version == 4 else 10
        scope = RT_SCOPE_LINK if interface.is_link_local else 0
        body = (
            _IFADDRMSG.pack(family, interface.network.prefixlen, 0, scope, 0)[:4],
            IndexOf(self.link),
            *netlink.attribute(IFA_LOCAL, interface.ip.packed),
            *netlink.attribute(IFA_ADDRESS, interface.ip.packed),
            *(netlink.u8(IFA_PROTO, PROTOCOL) if kind == RTM_NEWADDR else ()),
        )
        return NetlinkRequest(kind, flags, netlink.join(body), about, gone_is_done=kind == RTM_DELADDR)

    @classmethod
    def decode(cls, row: bytes, context: Names) -> Self | None:
        """Return the address in an RTM_NEWADDR payload, ``None`` when its link is gone."""
        _, length, flags, _, index = _IFADDRMSG.unpack_from(row)
        found = dict(netlink.attributes(row, _IFADDRMSG.size))
        name = context.get(index)
        if name is None:
            return None
        # On a point-to-point link IFA_ADDRESS is the peer's; IFA_LOCAL is always our own where it is given.
        own = ipaddress.ip_address(found.get(IFA_LOCAL, found[IFA_ADDRESS]))
        if IFA_FLAGS in found:
            flags = netlink.number(found[IFA_FLAGS])
        return cls(
            link=name,
            address=f"{own}/{length}",
            protocol=netlink.number(found.get(IFA_PROTO, b"\0")),
            permanent=bool(flags & IFA_F_PERMANENT),
            # On an IPv6 address the same bit says that it is temporary.
            secondary=own.version == 4 and bool(flags & IFA_F_SECONDARY),
        )

    @classmethod
    def related(cls, seen: Iterable[Resource]) -> Iterator[Resource]:
        """Yield the secondary addresses with the first one of their subnet."""
        ipv4 = [one for one in seen if isinstance(one, Address) and ":" not in one.address]
        firsts = {one._subnet(): one.address for one in ipv4 if not one.secondary}
        for one in ipv4:
            if one.secondary:
                yield replace(one, first=firsts.get(one._subnet()))

    def _subnet(self) -> tuple[object, ...]:
        return self.link, ipaddress.ip_interface(self.address).network
