"""Links: what all kinds have in common (ip-link(8), linux/if_link.h), and links that are not ours."""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

from intent.resources import netlink
from intent.resources.netlink import Body, NetlinkRequest
from intent.resources.resource import Change, Key, Request, Resource

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_SETLINK = 19
IFF_UP = 0x1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_LINK = 5
IFLA_MASTER = 10
IFLA_LINKINFO = 18
IFLA_IFALIAS = 20
IFLA_GROUP = 27
IFLA_LINK_NETNSID = 37
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2

MARK = "stellwerk:"
"""What the alias of every link of ours begins with."""
GROUP = 242
"""The group of links of ours: unlike an alias, the kernel sets it in the same step in which it makes the link."""

Names = Mapping[int, str]
"""The names of links by index: what is needed to read a row of rtnetlink."""

_IFINFOMSG = struct.Struct("=BxHiII")


class LinkRow(NamedTuple):
    """The parts of an RTM_NEWLINK message that any kind reads."""

    name: str
    kind: str
    mtu: int
    up: bool
    alias: str
    group: int
    lower: str | None
    master: str | None
    data: dict[int, bytes]

    @property
    def ours(self) -> bool:
        """Whether the link carries our mark."""
        return self.group == GROUP or self.alias.startswith(MARK)


def read(row: bytes, names: Names) -> LinkRow:
    """Return the parts of an RTM_NEWLINK payload."""
    _, _, _, flags, _ = _IFINFOMSG.unpack_from(row)
    found = dict(netlink.attributes(row, _IFINFOMSG.size))
    info = dict(netlink.attributes(found.get(IFLA_LINKINFO, b"")))
    # An index in another namespace (the peer of a veth) names no link here.
    lower = None if IFLA_LINK_NETNSID in found else _name(found.get(IFLA_LINK), names)
    return LinkRow(
        name=netlink.text(found[IFLA_IFNAME]),
        kind=netlink.text(info.get(IFLA_INFO_KIND, b"")),
        mtu=netlink.number(found[IFLA_MTU]),
        up=bool(flags & IFF_UP),
        alias=netlink.text(found.get(IFLA_IFALIAS, b"")),
        group=netlink.number(found.get(IFLA_GROUP, b"\0")),
        lower=lower,
        master=_name(found.get(IFLA_MASTER), names),
        data=dict(netlink.attributes(info.get(IFLA_INFO_DATA, b""))),
    )


def index(row: bytes) -> int:
    """Return the index of the link in an RTM_NEWLINK payload."""
    return int(_IFINFOMSG.unpack_from(row)[2])


def _name(payload: bytes | None, names: Names) -> str | None:
    return None if payload is None else names.get(netlink.number(payload))


def key(name: str) -> Key:
    """Return the key of the link of that name, of whatever kind."""
    return Key("link", (name,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Resource):
    """A link of ours: a kind adds its own fields, how they are read and how they are spelled.

    ``mtu`` is in bytes; ``None`` leaves the kernel's choice. ``master`` is the link that an observed one is enslaved
    to: we never do that.
    """

    table: ClassVar[str]
    compared: ClassVar[tuple[str, ...]] = ("mtu", "up")
    disruptive: ClassVar[frozenset[str]] = frozenset({"mtu"})

    name: str
    mtu: int | None = None
    up: bool = True
    ours: bool = True
    master: str | None = None

    @property
    def key(self) -> Key:
        """The link's name, in the space that all kinds share."""
        return key(self.name)

    @abstractmethod
    def kind(self) -> str:
        """Return the kind as ip-link(8) spells it."""

    def details(self) -> Body:
        """Return the attributes inside IFLA_INFO_DATA."""
        return ()

    def show(self, field: str) -> str:
        """Return the field's value; of the state yes or no."""
        value = getattr(self, field)
        return ("yes" if value else "no") if field == "up" else str(value)

    def owned(self) -> bool:
        """Return whether the group or the alias is our mark."""
        return self.ours

    def create(self) -> tuple[Request, ...]:
        """Return the requests that make the link, mark it and set it up."""
        return (self._make(), *self.settle())

    def settle(self) -> tuple[NetlinkRequest, ...]:
        """Return the requests that mark a link which just came into being, and set its MTU and state."""
        mark = (*netlink.u32(IFLA_GROUP, GROUP), *netlink.string(IFLA_IFALIAS, MARK + self.kind()))
        mtu = () if self.mtu is None else netlink.u32(IFLA_MTU, self.mtu)
        return (self._set((*mark, *mtu)), *((self._set((), up=True),) if self.up else ()))

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the requests that change the MTU or the state in place."""
        requests: list[Request] = []
        if "mtu" in changes and self.mtu is not None:
            requests.append(self._set(netlink.u32(IFLA_MTU, self.mtu)))
        if "up" in changes:
            requests.append(self._set((), up=self.up))
        return tuple(requests)

    def delete(self) -> tuple[Request, ...]:
        """Return the request that deletes the link."""
        body = (_IFINFOMSG.pack(0, 0, 0, 0, 0), *netlink.string(IFLA_IFNAME, self.name))
        return (NetlinkRequest(RTM_DELLINK, 0, netlink.join(body), f"delete {self.key}", gone_is_done=True),)

    def _make(self) -> NetlinkRequest:
        flags = netlink.NLM_F_CREATE | netlink.NLM_F_EXCL
        return self._new(flags, f"create {self.describe()}", link_kind=self.kind())

    def _new(self, flags: int, about: str, link_kind: str = "") -> NetlinkRequest:
        body = (
            _IFINFOMSG.pack(0, 0, 0, 0, 0),
            *netlink.string(IFLA_IFNAME, self.name),
            *(netlink.u32(IFLA_GROUP, GROUP) if flags & netlink.NLM_F_CREATE else ()),
            *netlink.nested(
                IFLA_LINKINFO,
                *netlink.string(IFLA_INFO_KIND, self.kind()),
                *netlink.nested(IFLA_INFO_DATA, *self.details()),
            ),
        )
        return NetlinkRequest(RTM_NEWLINK, flags, netlink.join(body), about, link_kind=link_kind)

    def _set(self, attributes: Body, up: bool | None = None) -> NetlinkRequest:
        flags, mask = (IFF_UP if up else 0, 0 if up is None else IFF_UP)
        body = (
            _IFINFOMSG.pack(0, 0, 0, flags, mask),
            *netlink.string(IFLA_IFNAME, self.name),
            *attributes,
        )
        return NetlinkRequest(RTM_SETLINK, 0, netlink.join(body), f"set {self.key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignLink(Link):
    """A link of any kind that we do not make: never changed, seen so that others may need it.

    ``ours`` says that it carries our marks. It is not ours for that: a group number is anybody's to use, and each
    kind that we make is decoded as itself.
    """

    table: ClassVar[str] = "link"
    catch_all: ClassVar[bool] = True
    compared: ClassVar[tuple[str, ...]] = ()

    sort: str = ""
    stands_on: tuple[str, ...] = ()
    ours: bool = False

    def kind(self) -> str:
        """Return the kind as the kernel reports it, empty for hardware."""
        return self.sort

    def describe(self) -> str:
        """Return the link as ``ip link`` words."""
        return f"link {self.name} type {self.sort}" if self.sort else f"link {self.name}"

    def owned(self) -> bool:
        """Return False, whatever marks it carries."""
        return False

    def requires(self) -> tuple[Key, ...]:
        """Return the links it is stacked on or enslaved to, and those of ours that are enslaved to it."""
        return tuple(key(name) for name in self.stands_on)

    @classmethod
    def decode(cls, row: bytes, context: Names) -> Self | None:
        """Return the link in any RTM_NEWLINK payload."""
        link = read(row, context)
        under = tuple(name for name in (link.lower, link.master) if name is not None and name != link.name)
        return cls(name=link.name, mtu=link.mtu, up=link.up, ours=link.ours, sort=link.kind, stands_on=under)

    @classmethod
    def related(cls, seen: Iterable[Resource]) -> Iterator[Resource]:
        """Yield the links that somebody has put links of ours under, such as a bridge: it would lose a port."""
        links = {one.name: one for one in seen if isinstance(one, Link)}
        ports: dict[str, list[str]] = {}
        for one in links.values():
            if one.master is not None and one.owned():
                ports.setdefault(one.master, []).append(one.name)
        for name, enslaved in ports.items():
            master = links.get(name)
            if isinstance(master, ForeignLink):
                yield replace(master, stands_on=(*master.stands_on, *enslaved))
