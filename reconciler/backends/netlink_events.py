"""What the kernel tells of changes to links, addresses, IPv6 routes and rules (rtnetlink(7), multicast groups).

A notification says which table to look at. Only of a single route with one next hop, and only when it is certain
that it came after the last look at the routes, it is taken at its word: that is worth a look at 100,000 routes. Three
things are worth knowing:

- The kernel drops what does not fit in the socket's buffer, says so once (ENOBUFS), and goes on dropping until the
  buffer was empty.
- The port that a notification names is that of the socket which asked for the change. The kernel fills it in for
  routes, rules and IPv4 addresses; for links and IPv6 addresses it is mostly 0, whoever asked.
- Routes that go with a link or with IPv6 on it need not be told one by one
  (/proc/sys/net/ipv6/route/skip_notify_on_dev_down). What is told then is the link, or the loss of its addresses;
  of a link without addresses that loses IPv6 while that sysctl is set, nothing.

Sysctls and WireGuard's own tables have no notifications in these groups: only looking helps.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Collection, Hashable
from itertools import islice
from typing import ClassVar, Final

from intent.resources import netlink
from intent.resources.address import RTM_NEWADDR
from intent.resources.link import RTM_NEWLINK
from intent.resources.route import PROTOCOL_NAMES, RTA_MULTIPATH, RTA_TABLE, RTM_DELROUTE, RTM_NEWROUTE
from intent.resources.rule import RTM_DELRULE, RTM_NEWRULE
from reconciler.backends import netlink_filter
from reconciler.backends.netlink_filter import RTM_F_CLONED
from reconciler.backends.netlink_socket import SO_RCVBUFFORCE, SOL_NETLINK
from reconciler.core.backend import Events, News, Partitions, RowNews
from reconciler.core.errors import UnreachableError

# linux/netlink.h and linux/rtnetlink.h
NLMSG_OVERRUN = 4
NETLINK_ADD_MEMBERSHIP = 1
RTM_DELLINK = 17
RTM_DELADDR = 21
RTNLGRP_LINK = 1
RTNLGRP_IPV4_IFADDR = 5
RTNLGRP_IPV4_RULE = 8
RTNLGRP_IPV6_IFADDR = 9
RTNLGRP_IPV6_ROUTE = 11
RTNLGRP_IPV6_RULE = 19
IFLA_WIRELESS = 11
AF_BRIDGE = 7
AF_INET6 = 10
GROUPS: Final = (
    *(RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR),
    *(RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE),
)

RECEIVE_BUFFER_BYTES = 1 << 20
MESSAGE_BYTES = 1 << 16
READ_MESSAGES = 512
DRAIN_MESSAGES = 8192

_TABLES: Final = {
    # The first is the one that was changed. A link takes its addresses and routes along, IPv6 addresses the routes.
    RTM_NEWLINK: ("link", "address", "route"),
    RTM_DELLINK: ("link", "address", "route"),
    RTM_NEWADDR: ("address",),
    RTM_DELADDR: ("address", "route"),
    RTM_NEWROUTE: ("route",),
    RTM_DELROUTE: ("route",),
    RTM_NEWRULE: ("rule",),
    RTM_DELRULE: ("rule",),
}
_PROTOCOL_NAMES: Final = {
    **PROTOCOL_NAMES,
    **{1: "redirect", 11: "zebra", 12: "bird", 18: "keepalived"},
    **{186: "bgp", 187: "isis", 188: "ospf", 189: "rip"},
}
_HEADER = struct.Struct("=IHHII")
_RTMSG = struct.Struct("=BBBBBBBBI")
_IFINFOMSG = struct.Struct("=BxHiII")


class Digest:
    """What a number of notifications come to.

    Those that a socket of ``ours`` asked for, and routes outside of ``routing_tables``, do not count. ``later`` says
    that all of them came after the last look at the routes, so that what they say of single routes is all there is.
    Routes of the tables ``listened`` to are noted too, where they are not looked at.
    """

    def __init__(
        self,
        routing_tables: Partitions,
        ours: Collection[int],
        later: bool = False,
        listened: Partitions = frozenset(),
    ) -> None:
        self.lost = False
        self._routing_tables = routing_tables
        self._listened = listened
        self._heard = False
        self._ours = ours
        self._later = later
        self._routes: list[RowNews] = []
        self._tables: set[str] = set()
        self._latest: dict[str, tuple[int | None, str]] = {}

    def add(self, datagram: bytes) -> None:
        """Take the notifications in one datagram; what is no netlink message means that something was lost."""
        offset, end = 0, len(datagram)
        while end - offset >= _HEADER.size:
            length, kind, _, _, port = _HEADER.unpack_from(datagram, offset)
            if kind == NLMSG_OVERRUN or not _HEADER.size <= length <= end - offset:
                self.lost = True
                return
            if kind in _TABLES and port not in self._ours:
                self._take(kind, port, datagram[offset + _HEADER.size : offset + length])
            offset += length + (-length % 4)

    def news(self) -> News:
        """Return which tables to look at, and in words who made the latest change to each, as far as it shows."""
        if self.lost:
            return News(tables=None)
        ports = {port for port, _ in self._latest.values() if port is not None}
        names = {port: _asker(port) for port in ports}
        actors = {table: names[port] + how for table, (port, how) in self._latest.items() if port is not None}
        rows = {"route": self._routes} if self._routes and "route" not in self._tables else {}
        # Routes may have gone with a link without being told of.
        heard = self._heard or ("route" in self._tables and self._listened != frozenset())
        return News(frozenset(self._tables), actors, rows, frozenset({"route"} if heard else ()))

    def _take(self, kind: int, port: int, body: bytes) -> None:
        how = ""
        asker: int | None = port
        if kind in (RTM_NEWROUTE, RTM_DELROUTE):
            if not self._attended(body, self._routing_tables):
                self._heard = self._heard or self._attended(body, self._listened)
                return
            how = f", protocol {_PROTOCOL_NAMES.get(body[5], body[5])}" if len(body) > 5 else ""
        elif kind in (RTM_NEWLINK, RTM_DELLINK):
            if _beside_the_link(body):
                return
            asker = port or None
        elif kind in (RTM_NEWADDR, RTM_DELADDR) and body[:1] == bytes([AF_INET6]):
            asker = port or None
        tables = _TABLES[kind]
        self._latest[tables[0]] = (asker, how)
        if self._later and kind in (RTM_NEWROUTE, RTM_DELROUTE) and _has_one_way(body):
            self._heard = self._heard or self._attended(body, self._listened)
            self._routes.append(RowNews(body, gone=kind == RTM_DELROUTE))
        else:
            self._tables.update(tables)

    def _attended(self, body: bytes, routing_tables: Partitions) -> bool:
        if routing_tables == frozenset():
            return False
        try:
            if _RTMSG.unpack_from(body)[8] & RTM_F_CLONED:
                return False
            return routing_tables is None or routing_table(body) in routing_tables
        except (ValueError, struct.error):
            return True


def routing_table(row: bytes) -> int:
    """Return the number of the table of a route; the header has room for those below 256 only.

    Raises ValueError for attributes that cannot be read.
    """
    # The kernel puts the number first, and older ones cut it off in the header (before Linux 5.0).
    for kind, payload in netlink.attributes(row, _RTMSG.size):
        if kind == RTA_TABLE:
            return netlink.number(payload)
    return row[4]


def _has_one_way(route: bytes) -> bool:
    """Return whether a route has no more than one next hop.

    Of several next hops the kernel tells when the change is over and others may have come (ip6_route_multipath_add),
    and a dump passes over what stands between them, which is seen once they are gone (fib6_dump_node).
    """
    try:
        return all(kind != RTA_MULTIPATH for kind, _ in netlink.attributes(route, _RTMSG.size))
    except ValueError:
        return False


def _beside_the_link(body: bytes) -> bool:
    """Return whether a link message is of what no table holds: a bridge's port, or a wireless event.

    A look is at links, not at ports of bridges; the link itself is told of too. Wireless extensions report scans and
    associations by a message of the link's name and their event (net/wireless/wext-core.c). ``ifi_change`` tells
    neither: it is 0 when a carrier comes or goes.
    """
    if len(body) < _IFINFOMSG.size:
        return False
    try:
        return body[0] == AF_BRIDGE or any(
            kind == IFLA_WIRELESS for kind, _ in islice(netlink.attributes(body, _IFINFOMSG.size), 2)
        )
    except ValueError:
        return False


def _asker(port: int) -> str:
    """Return who has the port: by custom its number is that of the process, for the first socket of each."""
    if port == 0:
        return "the kernel"
    try:
        with open(f"/proc/{port}/comm", "rb") as file:
            name = file.read(64).rstrip(b"\n").decode(errors="replace")
    except OSError:
        return f"a process that has ended or hides (netlink port {port})"
    # A process chooses its name; it is shown on terminals.
    return f"process {port} ({''.join(letter if letter.isprintable() else '?' for letter in name)})"


class NetlinkEvents(Events):
    """The notifications of the network namespace that it is opened in; it needs no privilege.

    ``ports`` gives the ports of the sockets by which this program makes its changes.
    """

    covers: ClassVar[frozenset[str]] = frozenset({"link", "address", "route", "rule"})

    def __init__(self, ports: Callable[[], Collection[int]]) -> None:
        """Open the stream. Raises UnreachableError."""
        self._ports = ports
        self._routing_tables: Partitions = None
        self._listened: Partitions = frozenset()
        self._filtered: tuple[Partitions, frozenset[int]] | None = None
        self._lost = False
        self._later = False
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
            )
        except OSError as exc:
            raise UnreachableError(f"netlink notifications cannot be received: {exc}") from exc
        try:
            _join(self._socket)
        except OSError as exc:
            self._socket.close()
            raise UnreachableError(f"netlink notifications cannot be received: {exc}") from exc

    def fileno(self) -> int:
        """Return the socket's file descriptor, -1 when closed."""
        return self._socket.fileno()

    @property
    def closed(self) -> bool:
        """Whether the stream has ended."""
        return self.fileno() < 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def attend(self, routing_tables: Partitions) -> None:
        """Report routes of these routing tables only, from now on; a new stream reports those of all.

        To be called before a look at them, so that no change is between the two.
        """
        self._later = False
        self._routing_tables = routing_tables
        self._filter()

    def listen(self, routing_tables: Partitions) -> None:
        """Report routes of these routing tables as well, though they are not looked at; of no others that are not."""
        self._listened = routing_tables
        self._filter()

    def _filter(self) -> None:
        both = (self._routing_tables, self._listened)
        wanted = (None if None in both else frozenset[Hashable]().union(*filter(None, both)), frozenset(self._ports()))
        if self.closed or wanted == self._filtered:
            return
        self._filtered = wanted if netlink_filter.attach(self._socket, *wanted) else None

    def looked(self) -> None:
        """Take note that a look at the routes has ended: where nothing is told by now, all that will be is newer."""
        if not self.closed:
            try:
                self._socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                self._later = True
            except OSError:
                self._lost = True

    def read(self) -> News:
        """Return what at most `READ_MESSAGES` notifications say; if any were lost, that all has to be looked at."""
        if self.closed:
            return News()
        digest = Digest(self._routing_tables, self._ports(), self._later, self._listened)
        for _ in range(0 if self._lost else READ_MESSAGES):
            try:
                digest.add(self._socket.recv(MESSAGE_BYTES))
            except BlockingIOError:
                # There was nothing left of what came before the last look, or at the same time.
                self._later = True
                break
            except OSError:
                digest.lost = self._lost = True
                break
        if self._lost:
            digest.lost = True
            self._drain()
        return digest.news()

    def _drain(self) -> None:
        # While the buffer has not been empty, the kernel drops what comes and does not say so again.
        for _ in range(DRAIN_MESSAGES):
            try:
                self._socket.recv(1)
            except BlockingIOError:
                self._lost = False
                return
            except OSError:
                continue


def _join(opened: socket.socket) -> None:
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    opened.bind((0, 0))
    for group in GROUPS:
        opened.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
