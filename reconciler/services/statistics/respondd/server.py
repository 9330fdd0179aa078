"""The thread that answers respondd's requests."""

from __future__ import annotations

import os
import select
import threading
import time

from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.respondd.endpoint import Endpoint
from reconciler.services.statistics.respondd.membership import CHECK_SECONDS, Membership
from reconciler.services.statistics.respondd.responder import Reply, Responder

_AT_ONCE = 64
"""How many datagrams are taken before it is looked at the time again."""
_END_SECONDS = 5.0


class Respondd:
    """Answers on the interfaces that the settings name, in a thread of its own, from `start` to `close`."""

    def __init__(self, figures: Figures, counters: Counters | None = None) -> None:
        self.counters = Counters() if counters is None else counters
        self._figures = figures
        self._endpoint: Endpoint | None = None
        self._thread: threading.Thread | None = None
        self._end = -1

    def start(self) -> None:
        """Begin to answer, in the network namespace of the calling thread; an interface that is missing is waited for.

        Raises a StellwerkError where the port is taken, not allowed, or there is no IPv6.
        """
        settings = self._figures.settings.respondd
        names = () if settings is None else settings.interfaces
        responder = Responder(self._figures, self.counters, time.monotonic())
        self._endpoint = endpoint = Endpoint()
        membership = Membership(names, endpoint)
        membership.check()
        self._end = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        loop = _Loop(endpoint, membership, responder, self._end)
        self._thread = threading.Thread(target=loop.run, name="respondd", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """End the thread and give the port back; what was not started or is closed already stays so."""
        if self._thread is not None:
            os.eventfd_write(self._end, 1)
            self._thread.join(_END_SECONDS)
            os.close(self._end)
            self._thread = None
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None


class _Loop:
    """What the thread does."""

    def __init__(self, endpoint: Endpoint, membership: Membership, responder: Responder, end: int) -> None:
        self._endpoint = endpoint
        self._membership = membership
        self._responder = responder
        self._end = end
        self._check_at = time.monotonic() + CHECK_SECONDS

    def run(self) -> None:
        """Answer until told to end."""
        poll = select.poll()
        poll.register(self._endpoint.fileno(), select.POLLIN)
        poll.register(self._end, select.POLLIN)
        while True:
            until = min(self._check_at, self._responder.due())
            ready = poll.poll(max(0.0, until - time.monotonic()) * 1000 + 1)
            if any(descriptor == self._end for descriptor, _ in ready):
                return
            self._answer()
            now = time.monotonic()
            for reply in self._responder.waited(now):
                self._send(reply)
            if now >= self._check_at:
                self._membership.check()
                self._check_at = now + CHECK_SECONDS

    def _answer(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                packet = self._endpoint.receive()
            except OSError:
                # An error that is pending on the socket is reported once and says nothing of the next datagram.
                return
            if packet is None:
                return
            reply = self._responder.take(packet, self._membership.interfaces, time.monotonic())
            if reply is not None:
                self._send(reply)

    def _send(self, reply: Reply) -> None:
        try:
            self._endpoint.reply(reply.packet, reply.data)
        except OSError:
            self._responder.unsent(reply)
        else:
            self._responder.sent(reply)
