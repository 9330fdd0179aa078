"""One lasting connection to a babeld for all who ask it, none of whom ever waits longer than wanted.

A thread keeps the connection. Once babeld has owed anything for as long as a caller would wait, the caller gets the
error at once, until babeld works again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from intent.statistics import BabelSource
from reconciler.backends.babeld_concern import Concern
from reconciler.backends.babeld_exchange import Exchange, Job, Peer
from reconciler.backends.babeld_following import Follower, Knowledge
from reconciler.backends.babeld_keeper import ANSWER_SECONDS, Keeper
from reconciler.backends.babeld_process import Identity
from reconciler.backends.babeld_socket import Answer, check_address, check_command
from reconciler.backends.bell import Bell
from reconciler.core.errors import BackendError, UnreachableError

_SLOWER = 3.0
"""An answer may take so many times what the last one took, however impatient the caller is."""


class Connection:
    """A babeld that greeted, as one caller has it, who waits for each answer so long and no longer."""

    def __init__(self, client: Client, peer: Peer, patience_seconds: float) -> None:
        self.address = client.address
        self.peer = peer
        self.version = peer.greeting.version
        self.router_id = peer.greeting.router_id
        self.process = peer.process
        self._client = client
        self._patience_seconds = patience_seconds

    def command(self, line: bytes) -> Answer:
        """Send a command and return its answer.

        Raises RejectedError for a line that babeld would hang up on, UnreachableError without an answer, and always
        once this connection is lost.
        """
        check_command(line)
        return self._client.command(self.peer, line, self._client.allowance(self._patience_seconds))

    def dump(self) -> list[bytes]:
        """Return what babeld has, in the lines of its ``dump``: from memory while it tells every change by itself.

        What it did because of a command is in there as soon as that is answered. Raises UnreachableError.
        """
        return self._client.dump(self.peer, self._client.allowance(self._patience_seconds))


class Client:
    """The connection to the babeld at an address, which is ``[::1]:PORT`` or an absolute path (else RejectedError).

    Its thread starts with the first use, in the network namespace of the caller, and ends with `close`. The methods
    may be called from any thread.
    """

    def __init__(self, address: str) -> None:
        check_address(address)
        self.address = address
        self._exchange = exchange = Exchange(address)
        self.knowledge = Knowledge(exchange.ring, exchange.trouble)
        self.concern = Concern(exchange.stirred)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Connect, and stay connected, without waiting for it."""
        exchange = self._exchange
        with exchange.changed:
            if self._thread is not None and self._thread.is_alive():
                return
            # Of a thread that has ended nothing is left.
            exchange.failed(exchange.problem, wanted=True)
            exchange.ended = False
            exchange.bell = exchange.bell or Bell()
            keeper = Keeper(exchange, exchange.bell, self.knowledge, self.concern)
            self._thread = threading.Thread(target=keeper.run, name=f"babeld {self.address}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the connection and the thread; the next use opens them anew."""
        with self._exchange.changed:
            thread, bell = self._thread, self._exchange.bell
            self._thread = self._exchange.bell = None
            self._exchange.ended = True
            if bell is not None:
                bell.ring()
        if thread is not None:
            thread.join()
        if bell is not None:
            bell.close()

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a function called at all news; it must not wait, nor call this client."""
        with self._exchange.changed:
            self._exchange.listeners.add(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Have the function called no more."""
        with self._exchange.changed:
            self._exchange.listeners.discard(listener)

    def news(self) -> tuple[int, str]:
        """Return how often babeld was lost, came or worked again, and the latest of that in words."""
        with self._exchange.changed:
            return self._exchange.news, self._exchange.words

    def connection(self, patience_seconds: float, *, anew: bool = False) -> Connection:
        """Return the connection. Where there is none, try now to connect, whenever the next attempt is due.

        With ``anew`` it is one that was made after this call. Raises NotRunningError, DeniedError, UnsupportedError or
        UnreachableError; this also when babeld has not greeted in time.
        """
        exchange = self._exchange
        with exchange.changed:
            self.start()
            if anew or (exchange.peer is not None and exchange.wire is not None and exchange.wire.replaced()):
                exchange.want_anew()
            if exchange.peer is None:
                attempt = self._attempt(patience_seconds)
                deadline = time.monotonic() + patience_seconds
                settled: Callable[[], bool] = (  # noqa: E731
                    lambda: exchange.decided >= attempt or exchange.rests_until > deadline
                )
                if not self._wait_for(settled, patience_seconds):
                    raise self._overdue(patience_seconds)
            if exchange.peer is None:
                raise exchange.problem.with_traceback(None)
            return Connection(self, exchange.peer, patience_seconds)

    def process(self, patience_seconds: float) -> Identity | None:
        """Return which process listens, None when none does or it cannot be seen. It need not greet for that."""
        exchange = self._exchange
        with exchange.changed:
            self.start()
            if exchange.peer is None:
                attempt = self._attempt(patience_seconds)
                seen: Callable[[], bool] = lambda: max(exchange.identified, exchange.decided) >= attempt  # noqa: E731
                exchange.changed.wait_for(seen, patience_seconds)
            return exchange.process

    def allowance(self, patience_seconds: float) -> float:
        """Return how long to wait for an answer: a slow babeld gets more than the patience, so as not to get none."""
        with self._exchange.changed:
            return max(patience_seconds, min(_SLOWER * self._exchange.answer_seconds, ANSWER_SECONDS))

    def command(self, peer: Peer, line: bytes, patience_seconds: float) -> Answer:
        """Send a command over the connection to this peer and return its answer. Raises UnreachableError."""
        exchange = self._exchange
        job = Job(line)
        with exchange.changed:
            if exchange.peer is not peer:
                raise UnreachableError(f"the connection to babeld at {self.address} was lost meanwhile: look again")
            exchange.jobs.append(job)
            exchange.ring()
            if not self._wait_for(lambda: job.answer or job.error, patience_seconds):
                exchange.disappointed = True
                if job is not exchange.jobs[0]:
                    exchange.jobs.remove(job)
                raise self._overdue(patience_seconds)
        if job.answer is None:
            raise job.error or UnreachableError(f"babeld at {self.address} gave no answer")
        return job.answer

    def dump(self, peer: Peer, patience_seconds: float) -> list[bytes]:
        """Return the lines of this peer's dump, from memory while it tells every change. Raises UnreachableError."""
        if (known := self.knowledge.dump_of(peer)) is not None:
            return known
        answer = self.command(peer, b"dump", patience_seconds)
        if answer.end != "ok":
            raise UnreachableError(f"babeld at {self.address} answered `dump` with {answer.end[:60]!r}")
        return answer.lines

    def _attempt(self, patience_seconds: float) -> int:
        """Return the number of the first attempt whose result is fresh, and have it made now."""
        exchange = self._exchange
        if exchange.begun > exchange.decided and not exchange.anew:
            return exchange.begun
        # One that hangs is not asked for yet another connection: each takes one of its few places.
        if self._left(patience_seconds) > 0:
            exchange.hurry = True
            exchange.ring()
        return exchange.begun + 1

    def _left(self, patience_seconds: float) -> float:
        since = self._exchange.owing_since
        return patience_seconds - (0.0 if since is None else time.monotonic() - since)

    def _wait_for(self, met: Callable[[], object], patience_seconds: float) -> bool:
        """Wait until the condition holds or babeld has owed something for that long; return whether it holds."""
        deadline = time.monotonic() + patience_seconds
        while not met():
            left = min(deadline - time.monotonic(), self._left(patience_seconds))
            if left <= 0:
                return False
            self._exchange.changed.wait(left)
        return True

    def _overdue(self, patience_seconds: float) -> BackendError:
        wire = self._exchange.wire
        return self._exchange.problem.with_traceback(None) if wire is None else wire.overdue(patience_seconds)


@dataclass(slots=True)
class _Lease:
    client: Client
    holders: int = 0


_Place = tuple[str, int | None]
"""An address and the network namespace that it is an address in."""

_leases: dict[_Place, _Lease] = {}
_leases_lock = threading.Lock()


def hire(address: str) -> Client:
    """Return the one client of this process for an address; give it back with `dismiss`. Raises RejectedError."""
    place = (address, _namespace())
    with _leases_lock:
        lease = _leases.get(place) or _leases.setdefault(place, _Lease(Client(address)))
        lease.holders += 1
        return lease.client


def dismiss(client: Client) -> None:
    """Give a client back; the last one to do so ends its connection."""
    with _leases_lock:
        place, lease = next((place, lease) for place, lease in _leases.items() if lease.client is client)
        lease.holders -= 1
        if not lease.holders:
            del _leases[place]
    if not lease.holders:
        client.close()


@contextmanager
def hired(address: str) -> Iterator[Client]:
    """Have the client of an address for a while. Raises RejectedError."""
    client = hire(address)
    try:
        yield client
    finally:
        dismiss(client)


def dump_lines(address: str, timeout_seconds: float) -> list[bytes]:
    """Return the lines of babeld's ``dump``, over the connection that others in this process use if there is one.

    Raises a BackendError, NotRunningError where nobody listens.
    """
    deadline = time.monotonic() + timeout_seconds
    with hired(address) as client:
        peer = client.connection(timeout_seconds).peer
        return client.dump(peer, max(0.0, deadline - time.monotonic()))


def follow(source: BabelSource, listener: Callable[[], None] | None = None) -> Follower:
    """Follow a babeld from now on, whether it runs or not, and return what gives all that is known of it.

    ``listener`` is called at each change, from the thread that reads babeld: it must not wait. Raises RejectedError.
    """
    client = hire(source.socket)
    follower = Follower(client.knowledge, source, listener, lambda: dismiss(client))
    client.start()
    return follower


def _namespace() -> int | None:
    try:
        return os.stat("/proc/thread-self/ns/net").st_ino
    except OSError:
        return None
