"""How many requests are answered: a number a second in sum, one for each source, and a few that nobody else can use."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.services.statistics.respondd.sources import is_near

MOST_SOURCES = 1024


class Rate(NamedTuple):
    """So many requests a second for long, and so many at once."""

    each_second: float
    at_once: float


class Shares(NamedTuple):
    """What is answered in sum and of one source; and what is kept, when that is used up, for those who ask little.

    ``kept`` is for each interface that is answered on, and ``little`` what a source can have of it: so neither those of
    other links nor a few on the same one can take it all.
    """

    in_sum: Rate
    a_source: Rate
    kept: Rate
    little: Rate


NEAR = Shares(
    in_sum=Rate(2500.0, 2500.0), a_source=Rate(1500.0, 1500.0), kept=Rate(100.0, 100.0), little=Rate(5.0, 5.0)
)
"""For those on a link. At 0.1 ms each the sum is a quarter of a core, and a source gets more than a map server asks of
a whole mesh."""
FAR = Shares(in_sum=Rate(300.0, 300.0), a_source=Rate(30.0, 30.0), kept=Rate(10.0, 10.0), little=Rate(1.0, 1.0))
"""For others of the mesh. They ask seldom, one node at a time, and their addresses may be forged."""


class _Bucket:
    """Tokens, filled up with time."""

    __slots__ = ("_rate", "filled", "tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self.tokens = rate.at_once
        self.filled = now

    def has(self, now: float) -> bool:
        """Return whether there is a token now."""
        passed = max(0.0, now - self.filled)
        self.tokens = min(self._rate.at_once, self.tokens + passed * self._rate.each_second)
        self.filled = now
        return self.tokens >= 1.0


class _Source(NamedTuple):
    all: _Bucket
    little: _Bucket


class Limits:
    """Decides which requests are answered.

    A source is a link-local address on an interface, or the /64 that another address is in: a host has as many
    addresses as it likes there. The sources seen last are remembered; whoever changes even those quickly enough to be
    forgotten is held by the limit in sum, and by what is kept for the interface.
    """

    def __init__(self, now: float, shares: Shares) -> None:
        self._shares = shares
        self._in_sum = _Bucket(shares.in_sum, now)
        self._sources: dict[bytes, _Source] = {}
        self._kept: dict[int, _Bucket] = {}
        """By the index of the interface."""

    def __len__(self) -> int:
        return len(self._sources)

    def allow(self, address: bytes, interface: int, now: float) -> bool:
        """Return whether a request from this address, by an interface's index, is to be answered now."""
        source = self._source(address, interface, now)
        if not source.all.has(now):
            return False
        shared, little = self._in_sum, source.little
        if not shared.has(now):
            shared = self._of_interface(interface, now)
            if not little.has(now) or not shared.has(now):
                return False
            little.tokens -= 1.0
        shared.tokens -= 1.0
        source.all.tokens -= 1.0
        return True

    def _of_interface(self, interface: int, now: float) -> _Bucket:
        if interface not in self._kept:
            # They come and go, and the named ones are few.
            if len(self._kept) >= MOST_SOURCES:
                del self._kept[next(iter(self._kept))]
            self._kept[interface] = _Bucket(self._shares.kept, now)
        return self._kept[interface]

    def _source(self, address: bytes, interface: int, now: float) -> _Source:
        key = address + interface.to_bytes(4, "big") if is_near(address) else address[:8]
        source = self._sources.pop(key, None)
        if source is None:
            source = _Source(_Bucket(self._shares.a_source, now), _Bucket(self._shares.little, now))
            if len(self._sources) >= MOST_SOURCES:
                del self._sources[next(iter(self._sources))]
        # The last in the dictionary is the one that was seen last.
        self._sources[key] = source
        return source
