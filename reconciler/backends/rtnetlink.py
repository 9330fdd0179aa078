"""Links, addresses, routes and rules of the network namespace the process runs in (rtnetlink(7))."""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import ClassVar

from intent.resources import link, netlink
from intent.resources.address import RTM_NEWADDR
from intent.resources.link import RTM_NEWLINK
from intent.resources.netlink import IndexOf, NetlinkRequest
from intent.resources.resource import Request
from intent.resources.route import RTA_TABLE, RTM_NEWROUTE
from intent.resources.rule import RTM_NEWRULE
from reconciler.backends import link_kinds
from reconciler.backends.netlink_events import NetlinkEvents, routing_table
from reconciler.backends.netlink_socket import Answers, Message, NetlinkSocket
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError, StaleError, UnsupportedError

RTM_GETLINK = 18
RTM_GETADDR = 22
RTM_GETROUTE = 26
RTM_GETRULE = 34
IFLA_EXT_MASK = 29
RTEXT_FILTER_SKIP_STATS = 1 << 3
AF_INET = 2
AF_INET6 = 10


class Rows:
    """The payloads of one type in the answers to some dumps, taken out when they are asked for.

    Of routes those of some ``tables`` alone may be wanted. Equal digests are equal rows.
    """

    def __init__(self, answers: Sequence[Answers], kind: int, tables: Sequence[int] | None = None) -> None:
        self.digest: tuple[Hashable, ...] = (*(one.digest for one in answers), tables and tuple(tables))
        self._answers = answers
        self._kind = kind
        self._tables = tables

    def __iter__(self) -> Iterator[bytes]:
        """Return the payloads."""
        rows = chain.from_iterable(answers.of_type(self._kind) for answers in self._answers)
        tables = self._tables
        return rows if tables is None else (row for row in rows if routing_table(row) in tables)


class Rtnetlink(Backend):
    """The backend for the tables ``link``, ``address``, ``route`` and ``rule``."""

    tables: ClassVar[frozenset[str]] = frozenset({"link", "address", "route", "rule"})
    requests: ClassVar[tuple[type[Request], ...]] = (NetlinkRequest,)

    def __init__(self) -> None:
        self._netlink = NetlinkSocket(socket.NETLINK_ROUTE)
        self._routing_tables: Partitions = None
        self._listened: Partitions = frozenset()
        self._streams: list[NetlinkEvents] = []

    def close(self) -> None:
        """Close the netlink socket; streams of events stay open."""
        self._netlink.close()

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        """Look at each wanted table once. The partitions of the table ``route`` are numbers of routing tables.

        The context of every dump is the names of the links by index, so the links are looked at in any case.
        """
        try:
            links = self._links()
            link_rows = list(links)
        except BackendError as error:
            return dict.fromkeys(wanted, error)
        names = {link.index(row): link.read(row, {}).name for row in link_rows}
        # Of the links only their names count for others: their carrier comes and goes.
        known = tuple(names.items())
        if "route" in wanted:
            self._routing_tables = wanted["route"]
            # Before the look: what changes from then on is told.
            for stream in self._streams:
                stream.attend(self._routing_tables)
        looks: dict[str, Callable[[Partitions], Rows]] = {
            "address": lambda _: self._rows(RTM_GETADDR, [bytes(8)], RTM_NEWADDR),
            "route": self._routes,
            "rule": lambda _: self._rules(),
        }
        found: dict[str, Dump | BackendError] = {}
        if "link" in wanted:
            found["link"] = Dump(link_rows, names, links.digest)
        for table in [table for table in looks if table in wanted]:
            try:
                rows = looks[table](wanted[table])
                found[table] = Dump(rows, names, (rows.digest, known))
            except BackendError as error:
                found[table] = error
        if isinstance(found.get("route"), Dump):
            for stream in self._streams:
                stream.looked()
        return found

    def lacks(self, requests: Sequence[Request]) -> list[UnsupportedError]:
        """Return an error for each kind of link that the kernel cannot make, naming the module to load."""
        kinds = sorted({request.link_kind for request in requests if isinstance(request, NetlinkRequest)} - {""})
        return [link_kinds.lacking(kind) for kind in kinds if not link_kinds.known(kind)]

    def events(self) -> NetlinkEvents:
        """Open the stream of the kernel's notifications. Routes count in the partitions that were looked at last.

        News of our own routes, rules and IPv4 addresses is left out; the kernel does not say who changed a link or an
        IPv6 address.
        """
        opened = NetlinkEvents(lambda: self._netlink.ports)
        opened.attend(self._routing_tables)
        opened.listen(self._listened)
        self._streams = [*(stream for stream in self._streams if not stream.closed), opened]
        return opened

    def listen(self, parts: Mapping[str, Partitions]) -> None:
        """Have the streams tell of routes of these routing tables too; of links, addresses and rules they tell all."""
        self._listened = parts.get("route", frozenset())
        for stream in self._streams:
            stream.listen(self._listened)

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        """Send the messages in order, in as few system calls as they fit in, and return what became of each."""
        outbox = _Outbox(request for request in requests if isinstance(request, NetlinkRequest))
        results: list[BackendError | None] = []
        while outbox:
            results += self._send_ready(outbox)
            # What was sent may have made the very link that the next message names.
            results += outbox.look_up()
        return results

    def _send_ready(self, outbox: _Outbox) -> Iterator[BackendError | None]:
        try:
            for refusal in self._netlink.stream(outbox.messages()):
                request = outbox.under_way.popleft()
                error = None if refusal is None else refusal.error(str(request.about))
                yield None if request.gone_is_done and isinstance(error, StaleError) else error
        except BackendError as failure:
            for request in outbox.drop():
                yield type(failure)(f"{request.about}: {failure}")

    def _links(self) -> Rows:
        body = bytes(16) + b"".join(
            part for part in netlink.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) if isinstance(part, bytes)
        )
        return self._rows(RTM_GETLINK, [body], RTM_NEWLINK)

    def _routes(self, partitions: Partitions) -> Rows:
        header = struct.Struct("=BBBBBBBBI")
        everything = header.pack(AF_INET6, *[0] * 8)
        if partitions is None:
            return self._rows(RTM_GETROUTE, [everything], RTM_NEWROUTE)
        tables = sorted(table for table in partitions if isinstance(table, int))
        if tables and not self._netlink.strict:
            return self._rows(RTM_GETROUTE, [everything], RTM_NEWROUTE, tables)
        questions = [everything + struct.pack("=HHI", 8, RTA_TABLE, table) for table in tables]
        return self._rows(RTM_GETROUTE, questions, RTM_NEWROUTE)

    def _rules(self) -> Rows:
        questions = [bytes([family]) + bytes(11) for family in (AF_INET, AF_INET6)]
        return self._rows(RTM_GETRULE, questions, RTM_NEWRULE)

    def _rows(self, question: int, bodies: Sequence[bytes], answer: int, tables: Sequence[int] | None = None) -> Rows:
        answers = []
        for body in bodies:
            try:
                answers.append(self._netlink.look(question, body))
            except StaleError:
                # A strict dump of a routing table that nobody has used yet is refused with ENOENT: it has no routes.
                if question != RTM_GETROUTE:
                    raise
        return Rows(answers, answer, tables)


class _Outbox:
    """Requests that become messages, one after the other; some have to wait for the index of a link."""

    def __init__(self, requests: Iterator[NetlinkRequest]) -> None:
        self._requests = requests
        self._next = next(requests, None)
        self._indices: dict[str, bytes] = {}
        self.under_way: deque[NetlinkRequest] = deque()

    def __bool__(self) -> bool:
        """Return whether there is more to send."""
        return self._next is not None

    def messages(self) -> Iterator[Message]:
        """Yield messages up to the first that names a link whose index is not known."""
        indices, under_way = self._indices, self.under_way
        while (request := self._next) is not None:
            payload = b""
            for part in request.body:
                if type(part) is bytes:
                    payload += part
                elif isinstance(part, IndexOf):
                    if part.link not in indices:
                        return
                    payload += indices[part.link]
            under_way.append(request)
            self._next = next(self._requests, None)
            yield Message(request.type, request.flags, payload)

    def look_up(self) -> list[BackendError | None]:
        """Learn the indices that the next message names; where there is none return its error, and go on after it."""
        request = self._next
        for part in () if request is None else request.body:
            if request is not None and isinstance(part, IndexOf):
                try:
                    self._indices[part.link] = struct.pack("=I", socket.if_nametoindex(part.link))
                except OSError:
                    self._next = next(self._requests, None)
                    missing = StaleError(
                        f"{request.about}: there is no link {part.link}; it went away, or was not made"
                    )
                    return [None if request.gone_is_done else missing]
        return []

    def drop(self) -> Iterator[NetlinkRequest]:
        """Yield all that was not answered, and that is not sent any more."""
        yield from self.under_way
        self.under_way.clear()
        while (request := self._next) is not None:
            self._next = next(self._requests, None)
            yield request
