"""The addresses of the fake (ip-address(8), net/ipv6/addrconf.c, net/ipv4/devinet.c)."""

from __future__ import annotations

import errno
import ipaddress
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from intent.resources import address as wire
from intent.resources import netlink
from reconciler.backends.fake.refused import Refused, encoded

AF_INET, AF_INET6 = 2, 10
IFAPROT_KERNEL_LL = 3
_HEADER = struct.Struct("=BBBBI")


@dataclass(frozen=True, slots=True)
class FakeAddress:
    """An address as the kernel holds it."""

    index: int
    local: bytes
    length: int
    protocol: int = 0
    scope: int = 0

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        return AF_INET if len(self.local) == 4 else AF_INET6

    @property
    def interface(self) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
        """The address with its prefix length."""
        return ipaddress.ip_interface((self.local, self.length))

    def row(self, secondary: bool = False) -> bytes:
        """Return the payload of its RTM_NEWADDR."""
        flags = wire.IFA_F_PERMANENT | (wire.IFA_F_SECONDARY if secondary else 0)
        return encoded(
            (
                _HEADER.pack(self.family, self.length, flags, self.scope, self.index),
                *netlink.attribute(wire.IFA_ADDRESS, self.local),
                *(netlink.attribute(wire.IFA_LOCAL, self.local) if self.family == AF_INET else ()),
                *netlink.u32(wire.IFA_FLAGS, flags),
                *(netlink.u8(wire.IFA_PROTO, self.protocol) if self.protocol else ()),
            )
        )

    def describe(self, names: Mapping[int, str]) -> str:
        """Return the address in one line, as ``ip address`` words."""
        words = f"address {self.interface} dev {names[self.index]}"
        return words + (f" proto {self.protocol}" if self.protocol else "")


class FakeAddresses:
    """All addresses. A kernel before 5.18 keeps no protocol on them."""

    def __init__(self, keeps_protocol: bool) -> None:
        self.keeps_protocol = keeps_protocol
        self._all: list[FakeAddress] = []

    def __iter__(self) -> Iterator[FakeAddress]:
        """Return the addresses in the order in which they were added."""
        return iter(self._all)

    def rows(self) -> Iterator[bytes]:
        """Return the payloads of their RTM_NEWADDR; of IPv4 addresses of one subnet all but the first are secondary."""
        firsts: set[tuple[object, ...]] = set()
        for one in self._all:
            subnet = one.index, one.interface.network
            yield one.row(secondary=one.family == AF_INET and subnet in firsts)
            firsts.add(subnet)

    def add(self, payload: bytes) -> None:
        """Carry out RTM_NEWADDR. Raises Refused: EEXIST, which IPv4 does only for the same length too."""
        wanted = _parse(payload, self.keeps_protocol)
        for there in self._all:
            same = (there.index, there.local) == (wanted.index, wanted.local)
            if same and (wanted.family == AF_INET6 or there.length == wanted.length):
                raise Refused(errno.EEXIST)
        self._all.append(wanted)

    def delete(self, payload: bytes) -> None:
        """Carry out RTM_DELADDR. Raises Refused: EADDRNOTAVAIL.

        The first IPv4 address of a subnet takes the later ones in it along (promote_secondaries is off by default).
        """
        told = _parse(payload, False)
        for there in self._all:
            if (there.index, there.local, there.length) == (told.index, told.local, told.length):
                break
        else:
            raise Refused(errno.EADDRNOTAVAIL)
        subnet = [one for one in self._all if (one.index, one.family) == (there.index, AF_INET) and _alike(one, there)]
        gone = subnet if subnet and subnet[0] == there else [there]
        self._all = [one for one in self._all if one not in gone]

    def drop(self, indices: Iterable[int], family: int | None = None) -> None:
        """Drop the addresses of links that are gone, or one family of links that went down."""
        left = frozenset(indices)
        self._all = [one for one in self._all if one.index not in left or family not in (None, one.family)]

    def make_link_local(self, index: int) -> None:
        """Give a link that is set up the link-local address that the kernel makes."""
        local = ipaddress.IPv6Address(f"fe80::ff:fe00:{index:x}").packed
        protocol = IFAPROT_KERNEL_LL if self.keeps_protocol else 0
        made = FakeAddress(index, local, 64, protocol, wire.RT_SCOPE_LINK)
        if made not in self._all:
            self._all.append(made)


def _alike(one: FakeAddress, other: FakeAddress) -> bool:
    return one.interface.network == other.interface.network


def _parse(payload: bytes, keeps_protocol: bool) -> FakeAddress:
    _, length, _, scope, index = _HEADER.unpack_from(payload)
    found = dict(netlink.attributes(payload, _HEADER.size))
    local = found.get(wire.IFA_LOCAL, found.get(wire.IFA_ADDRESS, b""))
    protocol = netlink.number(found.get(wire.IFA_PROTO, b"")) if keeps_protocol else 0
    # IPv6 takes the scope from the address itself.
    if len(local) == 16:
        scope = wire.RT_SCOPE_LINK if ipaddress.IPv6Address(local).is_link_local else 0
    return FakeAddress(index, local, length, protocol, scope)
