"""The links of the fake (ip-link(8), net/core/rtnetlink.c)."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from intent.resources import gre_link, netlink
from intent.resources import link as wire
from reconciler.backends.fake.refused import Refused, encoded

TUNNELS = frozenset(gre_link.MODES)
KINDS = TUNNELS | {"wireguard", "dummy", "bridge", "veth", "vlan"}
"""The kinds that a kernel with all modules makes."""
DEFAULT_MTU = {
    **{"lo": 65536, "gre": 1476, "gretap": 1462, "ip6gre": 1448, "ip6gretap": 1434},
    **{"wireguard": 1420, "tun": 1420},
}
SMALLEST_MTU, LARGEST_MTU = 68, 65536
_HEADER = struct.Struct("=BxHiII")
_ENDS_WITH_ITS_LOWER = frozenset({"vlan"})


@dataclass(slots=True)
class FakeLink:
    """A link as the kernel holds it; ``lower`` and ``master`` are indices, ``data`` the attributes of its kind."""

    index: int
    name: str
    kind: str
    mtu: int
    up: bool = False
    group: int = 0
    alias: str = ""
    lower: int | None = None
    master: int | None = None
    data: Mapping[int, bytes] = field(default_factory=dict)

    def row(self) -> bytes:
        """Return the payload of its RTM_NEWLINK."""
        parts = (
            _HEADER.pack(0, 0, self.index, wire.IFF_UP if self.up else 0, 0),
            *netlink.string(wire.IFLA_IFNAME, self.name),
            *netlink.u32(wire.IFLA_MTU, self.mtu),
            *netlink.u32(wire.IFLA_GROUP, self.group),
            *(netlink.string(wire.IFLA_IFALIAS, self.alias) if self.alias else ()),
            *(netlink.u32(wire.IFLA_LINK, self.lower) if self.lower else ()),
            *(netlink.u32(wire.IFLA_MASTER, self.master) if self.master else ()),
        )
        if self.kind != "lo":
            data = [part for kind, value in self.data.items() for part in netlink.attribute(kind, value)]
            kind = netlink.string(wire.IFLA_INFO_KIND, self.kind)
            parts += netlink.nested(wire.IFLA_LINKINFO, *kind, *netlink.attribute(wire.IFLA_INFO_DATA, *data))
        return encoded(parts)

    def describe(self) -> str:
        """Return the link in one line, as ``ip -details link`` words."""
        words = f"link {self.name} type {self.kind} mtu {self.mtu} {'up' if self.up else 'down'}"
        words += f" group {self.group}" if self.group else ""
        words += f" lower {self.lower}" if self.lower else ""
        words += f" master {self.master}" if self.master else ""
        words += "".join(f" {kind}:{value.hex()}" for kind, value in sorted(self.data.items()))
        return words + (f" alias {self.alias}" if self.alias else "")


class FakeLinks:
    """All links by index; an index is not used twice."""

    def __init__(self, kinds: frozenset[str]) -> None:
        self.kinds = kinds
        self._by_index: dict[int, FakeLink] = {}
        self._next_index = 1
        self.add("lo", "lo", up=True)

    def __iter__(self) -> Iterator[FakeLink]:
        """Return the links in the order of their indices."""
        return iter(self._by_index.values())

    def names(self) -> dict[int, str]:
        """Return the names by index."""
        return {link.index: link.name for link in self}

    def at(self, index: int) -> FakeLink:
        """Return the link with that index. Raises Refused: ENODEV."""
        if index not in self._by_index:
            raise Refused(errno.ENODEV)
        return self._by_index[index]

    def find(self, name: str) -> FakeLink | None:
        """Return the link of that name."""
        return next((link for link in self if link.name == name), None)

    def named(self, name: str) -> FakeLink:
        """Return the link of that name. Raises Refused: ENODEV."""
        if (link := self.find(name)) is None:
            raise Refused(errno.ENODEV)
        return link

    def add(
        self,
        name: str,
        kind: str,
        *,
        up: bool = False,
        group: int = 0,
        lower: int | None = None,
        master: int | None = None,
        data: Mapping[int, bytes] | None = None,
    ) -> FakeLink:
        """Add a link. Raises Refused: EEXIST for its name or for its tunnel's ends."""
        if self.find(name) is not None:
            raise Refused(errno.EEXIST)
        full = _with_defaults(kind, data or {})
        # The same number is the tag's in a VLAN.
        lower = (_tunnel_lower(full) if kind in TUNNELS else None) or lower
        link = FakeLink(self._next_index, name, kind, DEFAULT_MTU.get(kind, 1500), up, group, "", lower, master, full)
        self._check_ends(link)
        self._by_index[link.index] = link
        self._next_index += 1
        return link

    def make(self, payload: bytes) -> FakeLink:
        """Carry out RTM_NEWLINK with NLM_F_CREATE. Raises Refused: EEXIST, EOPNOTSUPP."""
        found, kind, data = _parse(payload)
        if kind not in self.kinds:
            raise Refused(errno.EOPNOTSUPP, "Unknown device type")
        group = netlink.number(found.get(wire.IFLA_GROUP, b""))
        lower = netlink.number(found.get(wire.IFLA_LINK, b"")) or None
        return self.add(netlink.text(found[wire.IFLA_IFNAME]), kind, group=group, lower=lower, data=data)

    def change(self, payload: bytes) -> None:
        """Carry out RTM_NEWLINK for a link that is there: what a tunnel's message leaves out becomes its default.

        Raises Refused: ENODEV, EOPNOTSUPP for another kind. See ipgre_changelink, ip6gre_changelink.
        """
        found, kind, data = _parse(payload)
        link = self.named(netlink.text(found[wire.IFLA_IFNAME]))
        if kind != link.kind or kind not in TUNNELS:
            raise Refused(errno.EOPNOTSUPP)
        full = _with_defaults(kind, data)
        changed = replace(link, data=full, lower=_tunnel_lower(full))
        self._check_ends(changed)
        link.data, link.lower = changed.data, changed.lower
        if wire.IFLA_MTU in found:
            link.mtu = netlink.number(found[wire.IFLA_MTU])
        elif kind.startswith("ip6"):
            link.mtu = DEFAULT_MTU[kind]

    def settle(self, payload: bytes) -> tuple[FakeLink, int, int]:
        """Carry out the attributes of RTM_SETLINK; return the link with the flags and their mask, for the kernel.

        Raises Refused: ENODEV, EINVAL for an MTU that no link takes.
        """
        _, _, index, flags, mask = _HEADER.unpack_from(payload)
        found = dict(netlink.attributes(payload, _HEADER.size))
        link = self.at(index) if index else self.named(netlink.text(found[wire.IFLA_IFNAME]))
        if wire.IFLA_MTU in found:
            mtu = netlink.number(found[wire.IFLA_MTU])
            if not SMALLEST_MTU <= mtu <= LARGEST_MTU:
                raise Refused(errno.EINVAL, "mtu less than device minimum or greater than device maximum")
            link.mtu = mtu
        if wire.IFLA_GROUP in found:
            link.group = netlink.number(found[wire.IFLA_GROUP])
        if wire.IFLA_IFALIAS in found:
            link.alias = netlink.text(found[wire.IFLA_IFALIAS])
        if wire.IFLA_MASTER in found:
            link.master = netlink.number(found[wire.IFLA_MASTER]) or None
        return link, flags, mask

    def delete(self, payload: bytes) -> list[FakeLink]:
        """Carry out RTM_DELLINK; return the links that are gone: it and those that end with it.

        Raises Refused: ENODEV, EOPNOTSUPP for the loopback link.
        """
        found = dict(netlink.attributes(payload, _HEADER.size))
        link = self.named(netlink.text(found[wire.IFLA_IFNAME]))
        if link.kind == "lo":
            raise Refused(errno.EOPNOTSUPP)
        gone = [link, *(other for other in self if other.lower == link.index and other.kind in _ENDS_WITH_ITS_LOWER)]
        for one in gone:
            del self._by_index[one.index]
        for other in self:
            other.master = None if other.master == link.index else other.master
        return gone

    def _check_ends(self, link: FakeLink) -> None:
        """Refuse a second tunnel of a kind between the same ends (ip_tunnel_find, ip6gre_tunnel_find)."""
        if link.kind not in TUNNELS:
            return
        for other in self:
            if other.index != link.index and other.kind == link.kind and _ends(other) == _ends(link):
                raise Refused(errno.EEXIST)


def _parse(payload: bytes) -> tuple[dict[int, bytes], str, dict[int, bytes]]:
    found = dict(netlink.attributes(payload, _HEADER.size))
    info = dict(netlink.attributes(found.get(wire.IFLA_LINKINFO, b"")))
    data = dict(netlink.attributes(info.get(wire.IFLA_INFO_DATA, b"")))
    return found, netlink.text(info.get(wire.IFLA_INFO_KIND, b"")), data


def _with_defaults(kind: str, data: Mapping[int, bytes]) -> dict[int, bytes]:
    if kind not in TUNNELS:
        return dict(data)
    ipv6 = kind.startswith("ip6")
    end = bytes(16 if ipv6 else 4)
    full = {
        **{gre_link.IFLA_GRE_LOCAL: end, gre_link.IFLA_GRE_REMOTE: end},
        **{gre_link.IFLA_GRE_IFLAGS: bytes(2), gre_link.IFLA_GRE_OFLAGS: bytes(2)},
        **{gre_link.IFLA_GRE_IKEY: bytes(4), gre_link.IFLA_GRE_OKEY: bytes(4), gre_link.IFLA_GRE_TTL: b"\0"},
    }
    if ipv6:
        full |= {gre_link.IFLA_GRE_FLOWINFO: bytes(4), gre_link.IFLA_GRE_FLAGS: bytes(4)}
        full |= {gre_link.IFLA_GRE_ENCAP_LIMIT: b"\0"}
    else:
        full |= {gre_link.IFLA_GRE_TOS: b"\0", gre_link.IFLA_GRE_PMTUDISC: b"\1"}
    return full | dict(data)


def _tunnel_lower(data: Mapping[int, bytes]) -> int | None:
    return netlink.number(data.get(gre_link.IFLA_GRE_LINK, b"")) or None


def _ends(link: FakeLink) -> tuple[object, ...]:
    data = link.data
    keyed = netlink.big_endian(data[gre_link.IFLA_GRE_IFLAGS]) & gre_link.GRE_KEY
    # The IPv6 modes compare the number alone: no key is key 0 to them.
    key = data[gre_link.IFLA_GRE_IKEY] if keyed or link.kind.startswith("ip6") else None
    return data[gre_link.IFLA_GRE_LOCAL], data[gre_link.IFLA_GRE_REMOTE], key, link.lower
