"""What to answer, to which datagram, and when."""

from __future__ import annotations

import heapq
import itertools
import logging
import random
from collections.abc import Container, Iterator
from typing import NamedTuple

from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.respondd import providers
from reconciler.services.statistics.respondd.answers import Answers
from reconciler.services.statistics.respondd.document import Sections
from reconciler.services.statistics.respondd.endpoint import ALL_NODES_OF_SITE, Packet
from reconciler.services.statistics.respondd.provider import SECTIONS, providers_in
from reconciler.services.statistics.respondd.rate import FAR, NEAR, Limits
from reconciler.services.statistics.respondd.request import MOST_BYTES, Request, read
from reconciler.services.statistics.respondd.sources import Sources, is_near, packed
from reconciler.services.statistics.respondd.tally import Dropped, Tally

MOST_DELAY_SECONDS = 10.0
"""How long an answer to a whole site may wait, so that not all nodes speak at once; the time of gluon's respondd."""
MOST_WAITING = 8
"""How many answers wait; when there are more they are given at once, as gluon's respondd does."""

_LOG = logging.getLogger("stellwerk")


class Reply(NamedTuple):
    """An answer, and the datagram that asked for it."""

    packet: Packet
    data: bytes


class _Waiting(NamedTuple):
    due: float
    number: int
    packet: Packet
    request: Request


class Responder:
    """Decides what is answered, each datagram at most once. Times are monotonic, in seconds."""

    def __init__(self, figures: Figures, counters: Counters, now: float) -> None:
        self.tally = Tally(counters)
        sections = Sections(figures, providers_in(providers), self.tally.failures)
        self._answers = Answers(sections.made, figures.changes, self.tally.trimmed)
        self._sources = Sources(figures)
        self._near, self._far = Limits(now, NEAR), Limits(now, FAR)
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()
        self._at_fault = False

    def take(self, packet: Packet, interfaces: Container[int], now: float) -> Reply | None:
        """Return the answer to a datagram if there is one now; ``interfaces`` has the indexes of those named."""
        if packet.interface not in interfaces:
            return self._drop(Dropped.INTERFACE)
        address = packed(packet.source[0])
        near = is_near(address)
        if not near and not self._sources.has(address):
            return self._drop(Dropped.SOURCE)
        request = None if len(packet.data) > MOST_BYTES else read(packet.data, SECTIONS)
        if request is None:
            return self._drop(Dropped.MALFORMED)
        self.tally.requests.add("get" if request.compressed else "plain")
        if not (self._near if near else self._far).allow(address, packet.interface, now):
            return self._drop(Dropped.RATE)
        if packet.destination == ALL_NODES_OF_SITE and len(self._waiting) < MOST_WAITING:
            # So that the nodes of a site do not all answer in the same moment; nothing here is secret.
            due = now + random.uniform(0.0, MOST_DELAY_SECONDS)  # noqa: S311
            heapq.heappush(self._waiting, _Waiting(due, next(self._numbers), packet, request))
            return None
        return self._reply(packet, request, now)

    def due(self) -> float:
        """Return when the next answer that waits is to be given, infinity where none does."""
        return self._waiting[0].due if self._waiting else float("inf")

    def waited(self, now: float) -> Iterator[Reply]:
        """Yield the answers that have waited long enough."""
        while self._waiting and self._waiting[0].due <= now:
            one = heapq.heappop(self._waiting)
            if (reply := self._reply(one.packet, one.request, now)) is not None:
                yield reply

    def unsent(self, reply: Reply) -> None:
        """Take note that the kernel did not send an answer."""
        self._drop(Dropped.UNSENT)

    def sent(self, reply: Reply) -> None:
        """Take note that an answer was sent."""
        self.tally.answers.add()

    def _reply(self, packet: Packet, request: Request, now: float) -> Reply | None:
        try:
            data = self._answers.answer(request, now)
        except Exception as exc:  # noqa: BLE001 - one answer that cannot be made must not be the last
            if not self._at_fault:
                fact = {"request": " ".join(request.names), "because": repr(exc)}
                _LOG.error("respondd cannot answer", extra={"fact": fact})
            self._at_fault = True
            return self._drop(Dropped.FAULT)
        self._at_fault = False
        return self._drop(Dropped.SIZE) if data is None else Reply(packet, data)

    def _drop(self, reason: Dropped) -> Reply | None:
        """Count what gets no answer, and return that there is none."""
        self.tally.dropped.add(reason.value)
        return None
