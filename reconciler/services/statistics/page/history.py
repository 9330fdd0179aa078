"""The last hour of the neighbours, and how fast traffic goes, from samples that the page takes by itself.

Bounded in time and number: an hour of `MOST_TRACES` neighbours takes about 100 KiB.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from reconciler.backends.babel_table import Neighbour
from reconciler.services.statistics.figures import LinkFigures

SAMPLE_SECONDS = 20.0
KEPT = 180
"""How many samples are kept: an hour of them."""
MOST_TRACES = 128
MOST_LINKS = 256
HELLOS = 16
"""How many hellos of a neighbour babeld remembers."""
_ABSENT = 0xFF


class Point(NamedTuple):
    """A neighbour at one sample: how many of its last 16 hellos came, and its cost (65535: unreachable)."""

    seconds_ago: float
    cost: int
    heard: int


class Rate(NamedTuple):
    """Traffic of a link, in bytes a second over the last sample."""

    rx: float
    tx: float


class _Trace:
    __slots__ = ("costs", "heard", "seen")

    def __init__(self, samples: int) -> None:
        self.costs = array("H", [0] * samples)
        self.heard = bytearray([_ABSENT] * samples)
        self.seen = 0.0


def heard(neighbour: Neighbour) -> int:
    """Return how many of the last 16 hellos came, of the sort that came more often: multicast or unicast."""
    return max(neighbour.reach.bit_count(), neighbour.ureach.bit_count())


class History:
    """What the samples of the last hour said. Times are by a clock that does not jump, in seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=KEPT)
        self._traces: dict[tuple[str, str], _Trace] = {}
        self._links: dict[str, tuple[int, int]] = {}
        self._rates: dict[str, Rate] = {}
        self._links_at = 0.0

    @property
    def since(self) -> float | None:
        """When the first sample that is kept was taken, None before there was one."""
        return self._times[0] if self._times else None

    def take(self, now: float, neighbours: Iterable[Neighbour] | None, links: Mapping[str, LinkFigures]) -> None:
        """Take a sample. ``neighbours`` is None while it is not known who they are: that leaves a gap."""
        there = {(one.interface, one.address): one for one in neighbours or ()}
        for key in there:
            self._make_room_for(key, there)
        self._times.append(now)
        for key, trace in list(self._traces.items()):
            one = there.get(key)
            trace.costs.append(0 if one is None else min(one.cost, 0xFFFF))
            trace.heard.append(_ABSENT if one is None else heard(one))
            del trace.costs[: -len(self._times)]
            del trace.heard[: -len(self._times)]
            if one is not None:
                trace.seen = now
            elif trace.seen < self._times[0]:
                del self._traces[key]
        self._take_links(now, links)

    def trace(self, interface: str, address: str, now: float) -> tuple[Point, ...]:
        """Return the samples of a neighbour, the oldest first, without those at which it was not there."""
        trace = self._traces.get((interface, address))
        if trace is None:
            return ()
        return tuple(
            Point(now - time, cost, heard)
            for time, cost, heard in zip(self._times, trace.costs, trace.heard, strict=True)
            if heard != _ABSENT
        )

    def rate(self, link: str) -> Rate | None:
        """Return how fast a link's traffic went between the last two samples, None where that is not known."""
        return self._rates.get(link)

    def _make_room_for(self, key: tuple[str, str], there: Container[tuple[str, str]]) -> None:
        """Begin a neighbour's trace, in place of that of one who is away where there are many."""
        if key in self._traces:
            return
        if len(self._traces) >= MOST_TRACES:
            away = [one for one in self._traces if one not in there]
            if not away:
                return
            del self._traces[min(away, key=lambda one: self._traces[one].seen)]
        self._traces[key] = _Trace(len(self._times))

    def _take_links(self, now: float, links: Mapping[str, LinkFigures]) -> None:
        passed = now - self._links_at
        before, self._links, self._rates = self._links, {}, {}
        for name, one in list(links.items())[:MOST_LINKS]:
            self._links[name] = one.rx_bytes, one.tx_bytes
            was = before.get(name)
            # A counter that went back is that of a new link with the old name.
            if was is not None and passed > 0 and one.rx_bytes >= was[0] and one.tx_bytes >= was[1]:
                self._rates[name] = Rate((one.rx_bytes - was[0]) / passed, (one.tx_bytes - was[1]) / passed)
        self._links_at = now
