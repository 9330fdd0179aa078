"""The fake's rtnetlink: messages in, rows out, and what one table does to another."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Iterator

from intent.resources import link, netlink
from intent.resources.address import RTM_DELADDR, RTM_NEWADDR
from intent.resources.link import RTM_DELLINK, RTM_NEWLINK, RTM_SETLINK
from intent.resources.netlink import IndexOf, NetlinkRequest
from intent.resources.route import RTM_DELROUTE, RTM_NEWROUTE
from intent.resources.rule import RTM_DELRULE, RTM_NEWRULE
from reconciler.backends import link_kinds
from reconciler.backends.fake.addresses import AF_INET6, FakeAddresses
from reconciler.backends.fake.links import FakeLink, FakeLinks
from reconciler.backends.fake.refused import Refused
from reconciler.backends.fake.routes import FakeRoutes
from reconciler.backends.fake.rules import FakeRules
from reconciler.core.backend import Dump, Partitions
from reconciler.core.errors import BackendError, StaleError, UnsupportedError

SMALLEST_IPV6_MTU = 1280
_WITHOUT_LINK_LOCAL = frozenset({"lo", "wireguard", "tun"})
"""WireGuard's and wireguard-go's links get no address by themselves (wg_setup: IN6_ADDR_GEN_MODE_NONE)."""


class FakeKernel:
    """Links, addresses, IPv6 routes and rules.

    ``before_up`` may refuse that a link is set up, ``after_gone`` is told of links that are gone.
    """

    tables = frozenset({"link", "address", "route", "rule"})

    def __init__(self, kinds: frozenset[str], keeps_address_protocol: bool) -> None:
        self.links = FakeLinks(kinds)
        self.addresses = FakeAddresses(keeps_address_protocol)
        self.routes = FakeRoutes(self.links, self.addresses)
        self.rules = FakeRules()
        self.before_up: list[Callable[[FakeLink], None]] = []
        self.after_made: list[Callable[[FakeLink], None]] = []
        self.after_gone: list[Callable[[FakeLink], None]] = []

    def dump(self, table: str, partitions: Partitions) -> Dump:
        """Return the rows of a table; the partitions of routes are numbers of routing tables."""
        return Dump(list(self._rows(table, partitions)), self.links.names())

    def _rows(self, table: str, partitions: Partitions) -> Iterator[bytes]:
        if table == "link":
            yield from (one.row() for one in self.links)
        elif table == "address":
            yield from self.addresses.rows()
        elif table == "rule":
            yield from (one.row() for one in self.rules)
        else:
            yield from self.routes.rows(partitions)

    def lacking(self, request: NetlinkRequest) -> UnsupportedError | None:
        """Return the error of the real backend when the kind of the link cannot be made."""
        kind = request.link_kind
        return link_kinds.lacking(kind) if kind and kind not in self.links.kinds else None

    def carry_out(self, request: NetlinkRequest) -> BackendError | None:
        """Carry out a message and return what the real backend makes of the kernel's answer."""
        try:
            self._obey(request.type, request.flags, self._resolve(request))
        except Refused as refused:
            error = refused.error(str(request.about))
        except StaleError as exc:
            error = exc
        else:
            return None
        return None if request.gone_is_done and isinstance(error, StaleError) else error

    def add_link(self, name: str, kind: str, up: bool = False, lower: str = "", master: str = "") -> FakeLink:
        """Add a link as if by hand, with what a kernel does for it. Raises Refused."""
        under, over = (self.links.named(one).index if one else None for one in (lower, master))
        made = self.links.add(name, kind, lower=under, master=over)
        self._made(made)
        if up:
            self._set_up(made)
        return made

    def describe(self) -> Iterator[str]:
        """Yield a line for everything that is there."""
        names = self.links.names()
        yield from (one.describe() for one in self.links)
        yield from (one.describe(names) for one in self.addresses)
        yield from (one.describe(names) for one in self.routes)
        yield from (one.describe() for one in self.rules)

    def _obey(self, kind: int, flags: int, payload: bytes) -> None:
        deeds: dict[int, Callable[[], None]] = {
            RTM_NEWLINK: lambda: self._new_link(flags, payload),
            RTM_SETLINK: lambda: self._set_link(payload),
            RTM_DELLINK: lambda: self._delete_link(payload),
            RTM_NEWADDR: lambda: self._new_address(payload),
            RTM_DELADDR: lambda: self.addresses.delete(payload),
            RTM_NEWROUTE: lambda: self.routes.add(payload, flags),
            RTM_DELROUTE: lambda: self.routes.delete(payload),
            RTM_NEWRULE: lambda: self.rules.add(payload, flags),
            RTM_DELRULE: lambda: self.rules.delete(payload),
        }
        if kind not in deeds:
            raise Refused(errno.EOPNOTSUPP)
        deeds[kind]()

    def _new_link(self, flags: int, payload: bytes) -> None:
        if flags & netlink.NLM_F_CREATE:
            self._made(self.links.make(payload))
        else:
            self.links.change(payload)

    def _made(self, made: FakeLink) -> None:
        for told in self.after_made:
            told(made)

    def _set_link(self, payload: bytes) -> None:
        changed, flags, mask = self.links.settle(payload)
        if changed.mtu < SMALLEST_IPV6_MTU:
            # addrconf_notify: such a link carries no IPv6 any more.
            self._without_ipv6(changed)
        if mask & link.IFF_UP:
            if flags & link.IFF_UP:
                self._set_up(changed)
            else:
                changed.up = False
                # addrconf_ifdown, with keep_addr_on_down off: IPv4 addresses stay.
                self._without_ipv6(changed)

    def _set_up(self, changed: FakeLink) -> None:
        if changed.up:
            return
        for asked in self.before_up:
            asked(changed)
        changed.up = True
        if changed.kind not in _WITHOUT_LINK_LOCAL and changed.mtu >= SMALLEST_IPV6_MTU:
            self.addresses.make_link_local(changed.index)

    def _without_ipv6(self, changed: FakeLink) -> None:
        self.addresses.drop([changed.index], AF_INET6)
        self.routes.drop([changed.index])

    def _delete_link(self, payload: bytes) -> None:
        gone = self.links.delete(payload)
        self.addresses.drop(one.index for one in gone)
        self.routes.drop([one.index for one in gone])
        for one in gone:
            for told in self.after_gone:
                told(one)

    def _new_address(self, payload: bytes) -> None:
        (index,) = struct.unpack_from("=I", payload, 4)
        on = self.links.at(index)
        if payload[0] == AF_INET6 and on.mtu < SMALLEST_IPV6_MTU:
            # ipv6_add_dev
            raise Refused(errno.EINVAL)
        self.addresses.add(payload)

    def _resolve(self, request: NetlinkRequest) -> bytes:
        parts = []
        for part in request.body:
            if isinstance(part, IndexOf):
                found = self.links.find(part.link)
                if found is None:
                    raise StaleError(f"{request.about}: there is no link {part.link}; it went away, or was not made")
                part = struct.pack("=I", found.index)
            parts.append(part)
        return b"".join(parts)
