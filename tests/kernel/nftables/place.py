"""A client in the mesh, a node that forwards, and a host on the Internet, with the firewall of a node file between."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from intent.expansion import expand
from intent.loading import loads
from intent.resources.nftables_table import NftTable
from reconciler.backends.nftables import Nftables
from tests.namespaces import Namespace, namespaces
from tests.pure.intent.conftest import resolved

HEAD = """
version: 1
node: exit-1
mesh: {prefixes: ["fd00:6d65:7368::/48"], uplinks: [wan], interfaces: [{name: mesh0}]}
"""
CLIENT = "2001:db8:42::10"
STRANGER = "2001:db8:77::10"
OUT_THERE = "2001:db8:ffff::1"
ANSWER_SECONDS = 20.0
_ETH_P_ALL = 3
_IPV6_BYTES = 40
_MSS_OPTION = 2


def table(text: str) -> NftTable:
    """Return the table that a node file asks for."""
    node = loads((HEAD + text).encode(), "node.yaml")
    (found,) = (one for one in expand(node, resolved(node)) if isinstance(one, NftTable))
    return found


@dataclass(frozen=True)
class World:
    """``client`` behind the node's ``mesh0``, ``outside`` behind its ``wan``; the node has a way for all addresses."""

    client: Namespace
    node: Namespace
    outside: Namespace

    def wall(self, text: str) -> NftTable:
        """Put the table of a node file in place of that which is there."""
        wanted, backend = table(text), Nftables()
        self.node.run(lambda: backend.send(wanted.delete()))
        assert self.node.run(lambda: backend.send(wanted.create())) == [None]
        return wanted

    def ping(self, by: Namespace, source: str, destination: str) -> str:
        """Return what one ping says, whether it is answered or not."""
        version = "-6" if ":" in source else "-4"
        words = (version, "-n", "-c", "1", "-W", "1", "-I", source, destination)
        return by.program("sh", "-c", 'ping "$@" || true', "ping", *words)

    def count(self, name: str) -> int:
        """Return how many packets a counter of ours has counted."""
        listing = json.loads(self.node.program("nft", "-j", "list", "counter", "inet", "stellwerk", name))
        return int(next(one["counter"]["packets"] for one in listing["nftables"] if "counter" in one))


@contextmanager
def world() -> Iterator[World]:
    """Give the three namespaces, with ways between all addresses."""
    with namespaces(3) as (client, node, outside):
        for one in (client, node, outside):
            one.run(lambda: Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0"))
        node.cable("mesh0", client, "eth0")
        node.cable("wan", outside, "wan")
        node.run(lambda: Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1"))
        node.run(lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
        for address in (f"{CLIENT}/64", f"{STRANGER}/64", "fd00:1::10/64", "192.0.2.10/25"):
            client.ip("address", "add", address, "dev", "eth0", *(("nodad",) if ":" in address else ()))
        for address in ("2001:db8:42::1/64", "2001:db8:77::1/64", "fd00:1::1/64", "192.0.2.1/25"):
            node.ip("address", "add", address, "dev", "mesh0", *(("nodad",) if ":" in address else ()))
        node.ip("address", "add", "2001:db8:1::2/64", "dev", "wan", "nodad")
        outside.ip("address", "add", "2001:db8:1::1/64", "dev", "wan", "nodad")
        outside.ip("address", "add", f"{OUT_THERE}/128", "dev", "lo", "nodad")
        node.ip("address", "add", "192.0.2.129/25", "dev", "wan")
        outside.ip("address", "add", "192.0.2.130/25", "dev", "wan")
        client.ip("-6", "route", "add", "default", "via", "2001:db8:42::1", "dev", "eth0")
        client.ip("route", "add", "default", "via", "192.0.2.1")
        node.ip("-6", "route", "add", "default", "via", "2001:db8:1::1", "dev", "wan")
        for prefix in ("2001:db8:42::/48", "2001:db8:77::/48", "2001:db8:5::/48"):
            outside.ip("-6", "route", "add", prefix, "via", "2001:db8:1::2", "dev", "wan")
        outside.ip("route", "add", "192.0.2.0/25", "via", "192.0.2.129")
        yield World(client, node, outside)


@contextmanager
def listening(place: Namespace, address: str) -> Iterator[socket.socket]:
    """Give a TCP socket that waits for connections at port 7 of an address."""
    with place.run(lambda: socket.socket(socket.AF_INET6)) as opened:
        opened.settimeout(ANSWER_SECONDS)
        place.run(lambda: opened.bind((address, 7)))
        opened.listen()
        yield opened


@contextmanager
def connected(place: Namespace, source: str, destination: str, waiting: socket.socket) -> Iterator[list[socket.socket]]:
    """Give both ends of a TCP connection, that which accepted it last."""
    with ExitStack() as opened:
        near = opened.enter_context(place.run(lambda: socket.socket(socket.AF_INET6)))
        near.settimeout(ANSWER_SECONDS)
        place.run(lambda: near.bind((source, 0)))
        near.connect((destination, 7))
        yield [near, opened.enter_context(waiting.accept()[0])]


@contextmanager
def capture(place: Namespace, link: str) -> Iterator[socket.socket]:
    """Give a socket that gets every frame that arrives by a link."""
    with place.run(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))) as opened:
        opened.bind((link, _ETH_P_ALL))
        opened.settimeout(ANSWER_SECONDS)
        yield opened


def told_unreachable(frames: socket.socket) -> int:
    """Return the code of the next ICMPv6 message that a destination is unreachable (RFC 4443, section 3.1)."""
    while True:
        packet = frames.recv(1 << 16)[14:]
        if packet[0] >> 4 == 6 and packet[6] == socket.IPPROTO_ICMPV6 and packet[_IPV6_BYTES] == 1:
            return packet[_IPV6_BYTES + 1]


def told_segment_size(frames: socket.socket) -> int:
    """Return the maximum segment size in the next TCP segment with SYN set (RFC 9293, section 3.2)."""
    while True:
        packet = frames.recv(1 << 16)[14:]
        segment = packet[_IPV6_BYTES:]
        if len(segment) < 20 or packet[0] >> 4 != 6 or packet[6] != socket.IPPROTO_TCP or not segment[13] & 2:
            continue
        options = segment[20 : (segment[12] >> 4) * 4]
        while options:
            if options[0] == _MSS_OPTION:
                return int(struct.unpack_from("!H", options, 2)[0])
            options = options[1:] if options[0] < _MSS_OPTION else options[options[1] :]
