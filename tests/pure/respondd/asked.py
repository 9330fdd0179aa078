"""A respondd without a socket, asked at times of the test."""

from __future__ import annotations

import json
import socket
from typing import Any

from intent.statistics import Statistics
from reconciler.backends.babel_table import Neighbour
from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.respondd.endpoint import Packet
from reconciler.services.statistics.respondd.responder import Reply, Responder
from tests.figures import NEIGHBOURS, SETTINGS, FakeFigures
from tests.pure.respondd import as_yanic

MESH = 3
"""The index of the named interface."""
OTHER = 4
ALL = b"GET nodeinfo statistics neighbours"
OWN = "fd00:6d65::a"
MAP_SERVER = "fe80::5"


class Asked:
    """Figures, the respondd that tells them, and the time."""

    def __init__(self, settings: Statistics = SETTINGS, **values: Any) -> None:
        self.figures = FakeFigures(settings, **values)
        self.counters = Counters()
        self.now = 1000.0
        self.responder = Responder(self.figures, self.counters, self.now)

    def ask(
        self, data: bytes, source: str = MAP_SERVER, interface: int = MESH, to: str = OWN, port: int = 40000
    ) -> bytes | None:
        """Return what is answered at once."""
        reply = self.responder.take(packet(data, source, interface, to, port), {MESH}, self.now)
        return None if reply is None else reply.data

    def waited(self) -> list[Reply]:
        """Return the answers whose time has come."""
        return list(self.responder.waited(self.now))

    def told(self, data: bytes = ALL) -> dict[str, Any]:
        """Return a compressed answer as yanic reads it."""
        answer = self.ask(data)
        assert answer is not None
        return as_yanic.read(answer)

    def plain(self, name: str) -> dict[str, Any]:
        """Return the answer to the old request for one section."""
        answer = self.ask(name.encode())
        assert answer is not None
        found: dict[str, Any] = json.loads(answer)
        return found

    def counted(self, name: str, *labels: str) -> int:
        """Return what is counted under a name and labels."""
        (counter,) = (one for one in self.counters.all() if one.name == f"stellwerk_respondd_{name}_total")
        return counter.values()[labels]

    def dropped(self) -> dict[str, int]:
        """Return how many got no answer, by the reason, without those of which there are none."""
        (counter,) = (one for one in self.counters.all() if one.name == "stellwerk_respondd_dropped_total")
        return {reason: count for (reason,), count in counter.values().items() if count}


def packet(data: bytes, source: str, interface: int, to: str, port: int = 40000) -> Packet:
    """Return a datagram as the socket gives it."""
    scope = interface if source.startswith("fe80") else 0
    return Packet(data[:256], (source, port, 0, scope), socket.inet_pton(socket.AF_INET6, to), interface)


def crowd(count: int) -> tuple[Neighbour, ...]:
    """Return that many neighbours with addresses and costs as unlike each other as real ones, the worst first."""
    return tuple(
        NEIGHBOURS[0]._replace(
            address=f"fe80::{number * 40503 % 65536:x}:{number * 30011 % 65536:x}:{number:x}",
            interface=f"mesh{number % 3}",
            cost=96 + number,
            rxcost=96 + number * 7919 % 1000,
            txcost=96 + number * 104729 % 1000,
            reach=number * 2654435761 % 65536,
        )
        for number in reversed(range(count))
    )
