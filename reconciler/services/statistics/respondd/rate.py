"""How many requests are answered: a number a second in sum, and one for each source."""

from __future__ import annotations

import socket
from typing import NamedTuple

MOST_SOURCES = 1024


class Rate(NamedTuple):
    """So many requests a second for long, and so many at once."""

    each_second: float
    at_once: float


IN_SUM = Rate(2500.0, 2500.0)
"""What a node answers: at 0.1 ms each, a quarter of a core."""
A_SOURCE = Rate(1500.0, 1500.0)
"""What one source gets: more than a map server asks of a whole mesh, and less than would lock the others out."""


class _Bucket:
    """Tokens, filled up with time."""

    __slots__ = ("_rate", "filled", "tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self.tokens = rate.at_once
        self.filled = now

    def fill(self, now: float) -> None:
        passed = max(0.0, now - self.filled)
        self.tokens = min(self._rate.at_once, self.tokens + passed * self._rate.each_second)
        self.filled = now


class Limits:
    """Decides which requests are answered.

    A source is a link-local address on an interface, or the /64 that another address is in: a host has as many
    addresses as it likes there. The sources seen last are remembered; whoever changes even those quickly enough to be
    forgotten is held by the limit in sum.
    """

    def __init__(self, now: float, in_sum: Rate = IN_SUM, a_source: Rate = A_SOURCE) -> None:
        self._in_sum = _Bucket(in_sum, now)
        self._rate = a_source
        self._sources: dict[bytes, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._sources)

    def allow(self, address: str, interface: int, now: float) -> bool:
        """Return whether a request from this address, of an interface's index, is to be answered now."""
        self._in_sum.fill(now)
        source = self._source(address, interface, now)
        if self._in_sum.tokens < 1.0 or source.tokens < 1.0:
            return False
        self._in_sum.tokens -= 1.0
        source.tokens -= 1.0
        return True

    def _source(self, address: str, interface: int, now: float) -> _Bucket:
        key = _key(address, interface)
        bucket = self._sources.pop(key, None)
        if bucket is None:
            bucket = _Bucket(self._rate, now)
            if len(self._sources) >= MOST_SOURCES:
                del self._sources[next(iter(self._sources))]
        # The last in the dictionary is the one that was seen last.
        self._sources[key] = bucket
        bucket.fill(now)
        return bucket


def _key(address: str, interface: int) -> bytes:
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    if packed[0] == 0xFE and packed[1] & 0xC0 == 0x80:
        return packed + interface.to_bytes(4, "big")
    return packed[:8]
