"""A node that answers respondd's requests in a network namespace, and one beside it that asks."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from intent.statistics import RespondSettings
from reconciler.services.statistics.respondd import Respondd
from tests.figures import SETTINGS, FakeFigures
from tests.host import until
from tests.namespaces import Namespace, namespaces

PORT = 1001
ALL = b"GET nodeinfo statistics neighbours"
NODE = "2001:db8:1::1"
NODE_TOO = "2001:db8:1::11"
MAP_SERVER = "2001:db8:1::2"
MESH = ("2001:db8:1::/64",)
LINK_GROUP = "ff02::2:1001"
SITE_GROUP = "ff05::2:1001"
ANSWER_SECONDS = 10.0
SILENCE_SECONDS = 0.5


class Answer(NamedTuple):
    """A datagram, and where it came from: the address, the port, the flow and the index of the interface."""

    data: bytes
    source: tuple[str, int, int, int]

    @property
    def address(self) -> str:
        """The source's address without the interface."""
        return self.source[0].partition("%")[0]


@dataclass
class Place:
    """The node, with ``mesh0`` named to respondd and ``wan`` not, and at their other ends whoever asks."""

    node: Namespace
    asker: Namespace
    figures: FakeFigures
    respondd: Respondd

    def ask(self, data: bytes, to: str, by: str = "mesh0", source: str = "::", quick: bool = False) -> list[Answer]:
        """Return all answers to one request: the first one is waited for, then there is a moment for more."""
        with self.socket(by, source) as asking:
            self.asker.run(lambda: asking.sendto(data, (to, PORT, 0, self.index(by))))
            return collected(asking, SILENCE_SECONDS if quick else ANSWER_SECONDS)

    @contextlib.contextmanager
    def socket(self, by: str, source: str = "::") -> Iterator[socket.socket]:
        """Give a socket of the one who asks."""
        opened = self.asker.run(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        try:
            index = self.index(by)
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            opened.bind((source, 0, 0, index if source.startswith("fe80") else 0))
            yield opened
        finally:
            opened.close()

    def index(self, name: str) -> int:
        """Return the index of an interface of the one who asks."""
        return self.asker.run(lambda: socket.if_nametoindex(name))

    def link_local(self, name: str) -> str:
        """Return the link-local address of the node on an interface."""
        words = self.node.ip("-6", "-o", "address", "show", "dev", name, "scope", "link").split()
        return words[words.index("inet6") + 1].partition("/")[0]

    def cable(self, name: str) -> None:
        """Join the two by a cable, with addresses that can be used at once."""
        self.node.cable(name, self.asker, name)
        for end in (self.node, self.asker):
            until(lambda end=end: _has_address(end, name), f"{name}'s address")  # type: ignore[misc]

    def mesh_addresses(self) -> None:
        """Give the node two addresses on ``mesh0``, and the one who asks one."""
        for end, address in ((self.node, NODE), (self.node, NODE_TOO), (self.asker, MAP_SERVER)):
            end.ip("address", "add", f"{address}/64", "dev", "mesh0", "nodad")

    def counted(self, name: str, *labels: str) -> int:
        """Return what respondd has counted."""
        (counter,) = (one for one in self.respondd.counters.all() if one.name == f"stellwerk_respondd_{name}_total")
        return counter.values()[labels]


def _has_address(end: Namespace, name: str) -> bool:
    """Return whether an interface has a link-local address, and it is no tentative one (RFC 4862, section 5.4)."""
    shown = end.ip("-6", "address", "show", "dev", name)
    return "fe80::" in shown and "tentative" not in shown


def collected(asking: socket.socket, seconds: float) -> list[Answer]:
    """Return what comes, until nothing has come for a moment."""
    found: list[Answer] = []
    while select.select([asking], [], [], SILENCE_SECONDS if found else seconds)[0]:
        data, source = asking.recvfrom(65536)
        found.append(Answer(data, source))
    return found


@contextlib.contextmanager
def place(*interfaces: str) -> Iterator[Place]:
    """Give a place whose respondd answers on some interfaces."""
    with namespaces(2) as (node, asker):
        figures = FakeFigures(replace(SETTINGS, respondd=RespondSettings(interfaces=interfaces), mesh_prefixes=MESH))
        made = Place(node, asker, figures, Respondd(figures))
        for end in (node, asker):
            end.run(no_duplicates)
        try:
            yield made
        finally:
            made.respondd.close()


def no_duplicates() -> None:
    """Let addresses in this namespace be used at once: duplicates are not looked for."""
    with open("/proc/sys/net/ipv6/conf/default/accept_dad", "w") as file:
        file.write("0")


def started(made: Place) -> Place:
    """Start respondd in its namespace."""
    made.node.run(made.respondd.start)
    return made


def passed(since: float) -> float:
    """Return the seconds since a monotonic time."""
    return time.monotonic() - since
