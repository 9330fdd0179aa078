"""Where in the kernel's answers about WireGuard the bytes are that count (linux/wireguard.h).

Counters and the times of handshakes differ at every look, and hardly anything else does. Where they are is learned once
for each message. From then on a message in which nothing else has changed is known without reading its peers: all
headers are among the bytes that count, so where those are the same, the others are where they were.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple, Self

from intent.resources import netlink
from intent.resources import wireguard_netlink as wire

DIGEST_BYTES = 16
_HEADER = struct.Struct("=HH")
_PASSING = frozenset({wire.PEER_LAST_HANDSHAKE, wire.PEER_RX_BYTES, wire.PEER_TX_BYTES})
_SECONDS_BYTES = 8


class Part(NamedTuple):
    """A peer in a message, or a part of one: from where to where, and the digest of what counts in it.

    ``timed`` says whether it has the time of a handshake: only the first part of a peer does.
    """

    start: int
    end: int
    public_key: bytes
    digest: bytes
    timed: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of one message, without its headers of netlink, and the digest of what counts in it."""

    digest: bytes
    parts: tuple[Part, ...]
    _counting: struct.Struct = field(repr=False, compare=False)
    _times: struct.Struct = field(repr=False, compare=False)

    @classmethod
    def of(cls, message: bytes) -> Self:
        """Learn the layout of a message. Raises ValueError when it is malformed."""
        parts: list[Part] = []
        passing: list[tuple[int, int]] = []
        times: list[int] = []
        for kind, start, end in _attributes(message, 0, len(message)):
            if kind == wire.DEVICE_PEERS:
                for _, first, last in _attributes(message, start, end):
                    parts.append(_part(message, first, last, passing, times))
        counting = struct.Struct(_format(passing, len(message), "s", "x"))
        timing = struct.Struct(_format([(at, at + _SECONDS_BYTES) for at in times], len(message), "x", "q"))
        return cls(_digest(counting, message), tuple(parts), counting, timing)

    def fits(self, message: bytes) -> bool:
        """Return whether all that counts in a message is as it was in the one that the layout was learned from."""
        return len(message) == self._counting.size and _digest(self._counting, message) == self.digest

    def stale(self, message: bytes, before: float) -> bytes:
        """Return of each timed part, as 1 or 0, whether the handshake was before that time (seconds since 1970)."""
        return bytes(map(before.__gt__, self._times.unpack(message)))


def _part(message: bytes, start: int, end: int, passing: list[tuple[int, int]], times: list[int]) -> Part:
    """Return the part of a peer that is there, and note where in it what passes is."""
    public_key = b""
    digest = blake2b(digest_size=DIGEST_BYTES)
    counted = start
    timed = False
    for kind, first, last in _attributes(message, start, end):
        if kind == wire.PEER_PUBLIC_KEY:
            public_key = message[first:last]
        elif kind in _PASSING:
            digest.update(message[counted:first])
            passing.append((first, last))
            counted = last
            if kind == wire.PEER_LAST_HANDSHAKE and not timed:
                if last - first < _SECONDS_BYTES:
                    raise ValueError(f"a handshake's time at byte {first} has {last - first} bytes")
                times.append(first)
                timed = True
    digest.update(message[counted:end])
    if not public_key:
        raise ValueError(f"a peer at byte {start} has no public key")
    return Part(start, end, public_key, digest.digest(), timed)


def _attributes(data: bytes, offset: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the type, without its flags, of each attribute and where its payload begins and ends.

    Raises ValueError when a length leads out of ``data``.
    """
    while offset + 4 <= end:
        size, kind = _HEADER.unpack_from(data, offset)
        if size < 4 or offset + size > end:
            raise ValueError(f"attribute {kind & netlink.NLA_TYPE_MASK} at byte {offset} has length {size} of {end}")
        yield kind & netlink.NLA_TYPE_MASK, offset + 4, offset + size
        offset += size + (-size % 4)


def _format(spans: list[tuple[int, int]], size: int, between: str, within: str) -> str:
    """Return the format of `struct` for a message with these spans in it, ``q`` for a number of eight bytes."""
    words = ["="]
    at = 0
    for first, last in spans:
        words.append(f"{first - at}{between}")
        words.append(within if within == "q" else f"{last - first}{within}")
        at = last
    words.append(f"{size - at}{between}")
    return "".join(words)


def _digest(counting: struct.Struct, message: bytes) -> bytes:
    return blake2b(b"".join(counting.unpack(message)), digest_size=DIGEST_BYTES).digest()
