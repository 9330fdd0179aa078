"""Echo requests at a steady pace, and for how long nobody answered (RFC 4443, sections 4.1 and 4.2)."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

_REQUEST, _REPLY = 128, 129
_ERRORS = {1: "unreachable", 2: "packet too big", 3: "time exceeded", 4: "parameter problem"}
_UNREACHABLE = {0: "no route", 1: "prohibited", 3: "address unreachable", 4: "port unreachable", 5: "source refused"}
_LAST_SECONDS = 1.0
"""How long the last answers are waited for."""
_FILTER = 1  # ICMPV6_FILTER of linux/icmpv6.h
_HEADER = struct.Struct("!BBHHH")
_ERROR_BODY = 8 + 40
"""What stands before the packet that an error is about: its own header, and the IPv6 header of that packet."""
_GAP_PACES = 3
"""From how many unanswered requests on a time without an answer is told on its own."""


@dataclass(slots=True)
class Findings:
    """What became of the requests. Times are seconds of the monotonic clock, which all processes share."""

    started: float
    ended: float = 0.0
    sent: int = 0
    answered: int = 0
    unsendable: int = 0
    """How many requests the client's own kernel had no way for; they are counted as sent too."""
    errors: dict[str, int] = field(default_factory=dict)
    """What routers answered instead, and how often."""
    answers: list[float] = field(default_factory=list)
    round_trips: list[float] = field(default_factory=list)

    def as_json(self, every: float) -> dict[str, Any]:
        """Return them, with the times in which nobody answered."""
        edges = [self.started, *sorted(self.answers), max(self.ended, self.started)]
        gaps = list(pairwise(edges))
        longest = max(gaps, key=lambda gap: gap[1] - gap[0])
        told = [gap for gap in gaps if gap[1] - gap[0] > _GAP_PACES * every]
        trips = sorted(self.round_trips)
        return {
            "started": self.started,
            "ended": self.ended,
            "sent": self.sent,
            "answered": self.answered,
            "lost": self.sent - self.answered,
            "unsendable": self.unsendable,
            "errors": dict(self.errors),
            "longest_gap": longest[1] - longest[0],
            "longest_gap_from": longest[0],
            "gaps": [list(gap) for gap in told],
            "round_trip_seconds": None if not trips else {"least": trips[0], "median": trips[len(trips) // 2]},
        }


def probe(address: str, seconds: float | None, every: float, stop: socket.socket) -> dict[str, Any]:
    """Send requests until the time is over, or something comes over ``stop`` or it is closed. Raises OSError."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as endpoint:
        endpoint.setblocking(False)
        # A bit that is set is a type that is not wanted.
        wanted = [0xFFFFFFFF] * 8
        for kind in (_REPLY, *_ERRORS):
            wanted[kind >> 5] &= ~(1 << (kind & 31))
        endpoint.setsockopt(socket.IPPROTO_ICMPV6, _FILTER, struct.pack("=8I", *wanted))
        return _Probe(endpoint, address, every).run(seconds, stop)


class _Probe:
    def __init__(self, endpoint: socket.socket, address: str, every: float) -> None:
        self._endpoint = endpoint
        self._address = address
        self._every = every
        self._identifier = os.getpid() & 0xFFFF
        self._outstanding: dict[int, float] = {}
        self._findings = Findings(time.monotonic())

    def run(self, seconds: float | None, stop: socket.socket) -> dict[str, Any]:
        """Send and receive until the end, and return what became of it."""
        found = self._findings
        end = math.inf if seconds is None else found.started + seconds
        due = found.started
        while (now := time.monotonic()) < end:
            if now >= due:
                self._send(now)
                due += self._every
                if due < now:
                    # This process did not get the processor: do not send all that was missed at once.
                    due = now + self._every
            ready, _, _ = select.select([self._endpoint, stop], [], [], max(0.0, min(due, end) - time.monotonic()))
            if self._endpoint in ready:
                self._receive()
            if stop in ready:
                break
        found.ended = time.monotonic()
        self._await_last()
        return found.as_json(self._every)

    def _await_last(self) -> None:
        end = time.monotonic() + _LAST_SECONDS
        while self._outstanding and (left := end - time.monotonic()) > 0:
            newest = max(self._outstanding.values())
            if select.select([self._endpoint], [], [], left)[0]:
                self._receive()
            elif newest + _LAST_SECONDS < time.monotonic():
                return

    def _send(self, now: float) -> None:
        number = self._findings.sent & 0xFFFF
        self._findings.sent += 1
        packet = _HEADER.pack(_REQUEST, 0, 0, self._identifier, number) + bytes(48)
        try:
            self._endpoint.sendto(packet, (self._address, 0))
        except OSError:
            self._findings.unsendable += 1
        else:
            self._outstanding[number] = now

    def _receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    packet = self._endpoint.recv(2048)
                except BlockingIOError:
                    raise
                except OSError:
                    # An error that a router told of a packet before.
                    continue
                self._take(packet, time.monotonic())

    def _take(self, packet: bytes, now: float) -> None:
        if len(packet) < _HEADER.size:
            return
        kind, code, _, identifier, number = _HEADER.unpack_from(packet)
        if kind in _ERRORS:
            self._take_error(kind, code, packet)
            return
        sent = self._outstanding.pop(number, None) if identifier == self._identifier else None
        if sent is not None:
            self._findings.answered += 1
            self._findings.answers.append(now)
            self._findings.round_trips.append(now - sent)

    def _take_error(self, kind: int, code: int, packet: bytes) -> None:
        if len(packet) < _ERROR_BODY + _HEADER.size:
            return
        about, _, _, identifier, _ = _HEADER.unpack_from(packet, _ERROR_BODY)
        if (about, identifier) == (_REQUEST, self._identifier):
            words = _UNREACHABLE.get(code, "unreachable") if kind == 1 else _ERRORS[kind]
            self._findings.errors[words] = self._findings.errors.get(words, 0) + 1
