"""Host names to addresses (getaddrinfo(3)): waited for, and for a process that must not wait."""

from __future__ import annotations

import ipaddress
import math
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import random as _random
from typing import Any, ClassVar

from intent.references import HostAddress, Reference
from reconciler.backends.references import Resolution, Resolver
from reconciler.core.clock import Clock
from reconciler.core.retries import Random, backoff

TIMEOUT_SECONDS = 5.0
WORKERS = 32

REFRESH_SECONDS = 300.0
REFRESH_JITTER = 0.1
SHORTEST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 300.0
BACKGROUND_WORKERS = 8
"""Fewer than for one look: nobody waits for them, and the small routers pay for each in memory."""

KEEP_SECONDS = 86_400.0
"""How long the addresses of a name that is not asked for are kept: a change that is rolled back asks for it again."""


def addresses_of(name: str) -> tuple[str, ...]:
    """Return the addresses of a name, none when it has none now; waits as long as the system's resolver does.

    They are in the same order at each look, whatever turn the name server takes: the family that the system prefers
    comes first (RFC 6724), and within it the lowest number.
    """
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return ()
    found = dict.fromkeys(str(answer[4][0]) for answer in answers)
    families = list(dict.fromkeys(":" in address for address in found))
    return tuple(sorted(found, key=lambda address: (families.index(":" in address), *_number(address))))


def resolve(references: Iterable[HostAddress]) -> dict[HostAddress, tuple[str, ...]]:
    """Return the addresses of each name, none for one that has none now, ordered as `addresses_of` does.

    All names are asked for at once; those without an answer within `TIMEOUT_SECONDS` count as unresolved.
    """
    found: dict[HostAddress, tuple[str, ...]] = dict.fromkeys(references, ())
    questions: queue.SimpleQueue[HostAddress] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[HostAddress, tuple[str, ...]]] = queue.SimpleQueue()
    for reference in found:
        questions.put(reference)
    # Daemon threads: a resolver that hangs must not keep the program from ending.
    for _ in range(min(WORKERS, len(found))):
        threading.Thread(target=_work, args=(questions, answers), name="resolve", daemon=True).start()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    for _ in range(len(found)):
        try:
            reference, addresses = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[reference] = addresses
    return found


class HostNames(Resolver[HostAddress]):
    """Resolves host names for one look, waiting for the answers."""

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (HostAddress,)

    def resolve(self, reference: HostAddress) -> Resolution:
        """Return the addresses of a name."""
        return self.resolve_all([reference])[reference]

    def resolve_all(self, references: Iterable[HostAddress]) -> dict[HostAddress, Resolution]:
        """Return the addresses of each name, with a note on those that have none."""
        return {reference: _resolution(reference, found) for reference, found in resolve(references).items()}


RESOLVER = HostNames


@dataclass(slots=True)
class _Name:
    """What is known of a name. ``due`` is when to look it up next, ``asked`` when its addresses were last asked for."""

    asked: float
    due: float
    addresses: tuple[str, ...] = ()
    failures: int = 0
    wanted: bool = True
    looking: bool = False


class CachingResolver(HostNames):
    """Resolves host names for a process that never waits for a name server.

    What is known is returned at once; what is unknown or old is looked up in the background, by a bounded number of
    threads. A failed look-up keeps the last addresses (RFC 8767 calls this serving stale data). The threads look up in
    the network namespace of the thread that calls `addresses` or `refresh`, and end when there is nothing to look up.
    They call ``ring`` when addresses have changed.
    """

    def __init__(
        self,
        clock: Clock,
        ring: Callable[[], None],
        lookup: Callable[[str], tuple[str, ...]] = addresses_of,
        random: Random = _random,
    ) -> None:
        self._clock = clock
        self._ring = ring
        self._lookup = lookup
        self._random = random
        self._lock = threading.Lock()
        self._names: dict[HostAddress, _Name] = {}
        self._questions: deque[HostAddress] = deque()
        self._workers = 0
        self._closed = False
        self._changed = False

    def addresses(self, references: Iterable[HostAddress]) -> dict[HostAddress, tuple[str, ...]]:
        """Return what is known now of each name, and from now on keep these and no others current."""
        wanted = tuple(dict.fromkeys(references))
        with self._lock:
            now = self._clock.now()
            for known in self._names.values():
                known.wanted = False
            for reference in wanted:
                name = self._names.setdefault(reference, _Name(now, now))
                name.wanted, name.asked = True, now
            self._names = {
                reference: name
                for reference, name in self._names.items()
                if name.wanted or name.looking or now - name.asked < KEEP_SECONDS
            }
            found = {reference: self._names[reference].addresses for reference in wanted}
            self._changed = False
            self._begin()
        return found

    def resolve_all(self, references: Iterable[HostAddress]) -> dict[HostAddress, Resolution]:
        """Return what is known now of each name, with a note on those without an address."""
        return {reference: _resolution(reference, found) for reference, found in self.addresses(references).items()}

    def refresh(self) -> bool:
        """Begin to look up the names that are due; return whether addresses have changed since they were asked for."""
        with self._lock:
            self._begin()
            changed, self._changed = self._changed, False
            return changed

    def due(self) -> float:
        """Return when, by the clock's `now`, `refresh` is to be called next: at once when addresses have changed."""
        with self._lock:
            if self._changed:
                return -math.inf
            waiting = (name.due for name in self._names.values() if name.wanted and not name.looking)
            return min(waiting, default=math.inf)

    def close(self) -> None:
        """Forget everything. A thread that waits for a name server ends when that answers, and changes nothing."""
        with self._lock:
            self._closed = True
            self._changed = False
            self._names.clear()
            self._questions.clear()

    def _begin(self) -> None:
        """Have the names looked up that are due. Locked."""
        now = self._clock.now()
        for reference, name in self._names.items():
            if name.wanted and not name.looking and name.due <= now:
                name.looking = True
                self._questions.append(reference)
        missing = min(BACKGROUND_WORKERS - self._workers, len(self._questions))
        for _ in range(missing):
            self._start_worker()

    def _start_worker(self) -> None:
        """Start a thread; where the system gives none and none is left to do the work, the names wait. Locked."""
        self._workers += 1
        try:
            threading.Thread(target=self._look_up, name="resolve", daemon=True).start()
        except RuntimeError:
            self._workers -= 1
            if not self._workers:
                while self._questions:
                    self._settle(self._questions.popleft(), ())

    def _look_up(self) -> None:
        while True:
            with self._lock:
                if not self._questions:
                    self._workers -= 1
                    return
                reference = self._questions.popleft()
            try:
                found = self._lookup(reference.name)
            except BaseException:
                with self._lock:
                    self._workers -= 1
                    self._settle(reference, ())
                raise
            with self._lock:
                self._settle(reference, found)

    def _settle(self, reference: HostAddress, found: tuple[str, ...]) -> None:
        """Take note of an answer, none being a failure. Locked."""
        name = self._names.get(reference)
        if name is None or self._closed:
            return
        name.looking = False
        name.failures = 0 if found else name.failures + 1
        if found:
            delay = REFRESH_SECONDS * (1 + REFRESH_JITTER * (2 * self._random() - 1))
        else:
            delay = backoff(name.failures, SHORTEST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, self._random)
        name.due = self._clock.now() + delay
        if found and found != name.addresses:
            name.addresses = found
            if name.wanted:
                self._changed = True
                self._ring()


LASTING = CachingResolver


def _resolution(reference: HostAddress, addresses: tuple[str, ...]) -> Resolution:
    if addresses:
        return Resolution(addresses)
    return Resolution((), (f"{reference.name} has no address now; its endpoint is left as it is",))


def _work(
    questions: queue.SimpleQueue[HostAddress], answers: queue.SimpleQueue[tuple[HostAddress, tuple[str, ...]]]
) -> None:
    while True:
        try:
            reference = questions.get_nowait()
        except queue.Empty:
            return
        answers.put((reference, addresses_of(reference.name)))


def _number(address: str) -> tuple[int, str]:
    plain, _, zone = address.partition("%")
    return int(ipaddress.ip_address(plain)), zone
