"""A server for a few clients that ask one thing each, which no client can hold up: one thread, and nothing waits.

Whatever a client does or does not do, it has one of few places, for some seconds. When all places are taken, whoever
has most of them gives one up, so that a newcomer is always heard. Answers that cost something are made one at a time,
for all who wait for the same one, and most of the time goes to the rest of the program.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import math
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from intent.statistics import Listen
from reconciler.core import errors

T = TypeVar("T")
log = logging.getLogger("stellwerk")

MOST_CLIENTS = 32
REQUEST_SECONDS = 5.0
"""How long a client may take to ask, and how long it may wait for its turn."""
WAIT_SECONDS = 10.0
TAKE_SECONDS = 15.0
"""How long it may take to take its answer."""
LONGEST_HEAD = 8192
SHARE = 0.2
"""The share of its time that a flood of requests can make the program spend on answers."""
_PAUSE_SECONDS = 1.0
_CHUNK = 1 << 16
_BACKLOG = 128
_ACCEPTED_AT_ONCE = 8
_END = (b"\r\n\r\n", b"\n\n")


class Reply(NamedTuple):
    """What to do about a request: give the ``answer``, or, where it is ``None``, make one of that ``kind``."""

    answer: bytes | None
    kind: object = None


class _Client:
    """A connection, and how far it is: asking, waiting for an answer of some kind, or taking it."""

    def __init__(self, connection: socket.socket, source: str, until: float) -> None:
        self.connection = connection
        self.source = source
        self.until = until
        self.head = bytearray()
        self.waits_for: Reply | None = None
        self.answer = memoryview(b"")


class Listener:
    """Listens on one TCP address and port. ``reply`` judges a request, ``make`` makes the answer of a kind."""

    def __init__(self, listen: Listen, reply: Callable[[bytes], Reply], make: Callable[[object], bytes]) -> None:
        self._listen = listen
        self._reply = reply
        self._make = make
        self._clients: dict[socket.socket, _Client] = {}
        self._rest_until = 0.0
        self._deaf_until = math.inf
        self._thread: threading.Thread | None = None
        self._fault = ""

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._socket.getsockname()[1])

    def start(self, name: str) -> None:
        """Listen, in a thread of that name. Raises BackendError where the address or the port cannot be had."""
        self._socket = _listening(self._listen)
        self._bell, self._ringer = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """Stop listening, and leave those who are still served."""
        if self._thread is None:
            return
        self._ringer.close()
        self._thread.join()
        self._thread = None

    def _serve(self) -> None:
        try:
            while self._step(time.monotonic()):
                pass
        finally:
            for client in list(self._clients.values()):
                self._leave(client)
            for one in (self._selector, self._socket, self._bell):
                one.close()

    def _step(self, now: float) -> bool:
        """Wait for something, and do it; return whether to go on."""
        for key, _ in self._selector.select(max(0.0, self._due() - now)):
            if key.fileobj is self._bell:
                return False
            if key.fileobj is self._socket:
                # A few at a time, so that those who are served already have their turn.
                for _ in range(_ACCEPTED_AT_ONCE):
                    if not self._accept():
                        break
            elif (client := self._clients.get(key.data)) is not None:
                self._go_on(client)
        now = time.monotonic()
        if now >= self._deaf_until:
            self._deaf_until = math.inf
            self._selector.register(self._socket, selectors.EVENT_READ)
        for client in [one for one in self._clients.values() if now >= one.until]:
            self._leave(client)
        self._answer_waiting(now)
        return True

    def _due(self) -> float:
        times = [client.until for client in self._clients.values()]
        if any(client.waits_for for client in self._clients.values()):
            times.append(self._rest_until)
        # Idle, it only waits for the bell and for clients.
        return min((*times, self._deaf_until, time.monotonic() + 3600.0))

    def _accept(self) -> bool:
        """Take a client; return whether there was one."""
        try:
            connection, address = self._socket.accept()
        except OSError as exc:
            if exc.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                # It would be told of the same client at once again.
                self._selector.unregister(self._socket)
                self._deaf_until = time.monotonic() + _PAUSE_SECONDS
            return False
        if len(self._clients) >= MOST_CLIENTS:
            self._leave(self._least_wanted())
        connection.setblocking(False)
        self._clients[connection] = _Client(connection, _source(address[0]), time.monotonic() + REQUEST_SECONDS)
        self._selector.register(connection, selectors.EVENT_READ, connection)
        return True

    def _least_wanted(self) -> _Client:
        """Return the oldest client of the source that has most."""
        places = Counter(client.source for client in self._clients.values())
        return max(self._clients.values(), key=lambda client: places[client.source])

    def _go_on(self, client: _Client) -> None:
        try:
            if client.answer:
                self._send(client)
            else:
                self._receive(client)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._leave(client)

    def _receive(self, client: _Client) -> None:
        told = client.connection.recv(LONGEST_HEAD)
        if not told:
            self._leave(client)
        elif client.waits_for is None:
            client.head += told
            ended = any(end in client.head for end in _END)
            if ended or len(client.head) > LONGEST_HEAD:
                self._judge(client)

    def _judge(self, client: _Client) -> None:
        reply = self._guarded(lambda: self._reply(bytes(client.head)))
        client.head.clear()
        if reply is None or reply.answer == b"":
            self._leave(client)
        elif reply.answer is None:
            client.waits_for, client.until = reply, time.monotonic() + WAIT_SECONDS
        else:
            self._give(client, reply.answer)

    def _answer_waiting(self, now: float) -> None:
        """Make the answer for whoever has waited longest, and for all who wait for the same, when it is time."""
        first = next((client.waits_for for client in self._clients.values() if client.waits_for), None)
        if first is None or now < self._rest_until:
            return
        answer = self._guarded(lambda: self._make(first.kind))
        done = time.monotonic()
        self._rest_until = done + (done - now) * (1 / SHARE - 1)
        for client in [one for one in self._clients.values() if one.waits_for == first]:
            client.waits_for = None
            if answer is None:
                self._leave(client)
            else:
                self._give(client, answer)

    def _guarded(self, work: Callable[[], T]) -> T | None:
        """Return what it gives, nothing where it fails for a fault of its own: the others are to be answered."""
        try:
            return work()
        except Exception as exc:  # noqa: BLE001 - whatever a client made it fail with, the server goes on
            if self._fault != repr(exc):
                self._fault = repr(exc)
                log.error("answer failed", extra={"fact": {"to": "prometheus", "because": repr(exc)}})
            return None

    def _give(self, client: _Client, answer: bytes) -> None:
        client.answer, client.until = memoryview(answer), time.monotonic() + TAKE_SECONDS
        self._selector.modify(client.connection, selectors.EVENT_WRITE, client.connection)
        self._go_on(client)

    def _send(self, client: _Client) -> None:
        sent = client.connection.send(client.answer[:_CHUNK])
        client.answer = client.answer[sent:]
        if client.answer:
            return
        # What the client still has to say is drained: closing before that would have the kernel reset the connection,
        # and the answer could be lost on its way.
        client.connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(BlockingIOError):
            client.connection.recv(LONGEST_HEAD)
        self._leave(client)

    def _leave(self, client: _Client) -> None:
        del self._clients[client.connection]
        self._selector.unregister(client.connection)
        client.connection.close()


def _source(address: str) -> str:
    """Return whose address it is: of IPv6 the first 64 bits, since any host has all the addresses behind them."""
    found = ipaddress.ip_address(address)
    if found.version == 4 or found.is_link_local:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))


def _listening(listen: Listen) -> socket.socket:
    where = f"[{listen.address}]:{listen.port}" if ":" in listen.address else f"{listen.address}:{listen.port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(
            listen.address, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )[0]
    except OSError as exc:
        raise errors.StaleError(
            f"Prometheus cannot be answered at {where}: {exc.strerror}; give an address of this node"
        ) from exc
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # ``::`` is all IPv6 addresses, and no IPv4 ones.
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind(address)
        found.listen(_BACKLOG)
        found.setblocking(False)
    except OSError as exc:
        found.close()
        raise _told(where, exc) from exc
    return found


def _told(where: str, exc: OSError) -> errors.BackendError:
    begin = f"Prometheus cannot be answered at {where}: "
    if exc.errno == errno.EADDRNOTAVAIL:
        return errors.StaleError(begin + "no interface of this node has that address; see `ip address`")
    if exc.errno == errno.EADDRINUSE:
        return errors.OccupiedError(begin + "the port is taken; choose another one, or see `ss -ltnp` for who has it")
    if exc.errno in (errno.EACCES, errno.EPERM):
        return errors.DeniedError(begin + "ports below 1024 are root's; choose another one")
    return errors.BusyError(begin + str(exc.strerror))
