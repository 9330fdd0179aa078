"""What following a babeld yields, and those who want it. The thread that keeps the connection writes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from intent.statistics import BabelSource, Following
from reconciler.backends.babel_rows import Known

if TYPE_CHECKING:
    from reconciler.backends.babel_table import BabelTable

_LONGEST_HOLD_SECONDS = 0.01
"""How long the thread waits for those who read before it listens to babeld again."""


class Wish(NamedTuple):
    """How a babeld is to be followed, as all who follow it want it together.

    ``whole`` is whether somebody reads whole dumps besides: while babeld monitors they are given from memory.
    """

    following: Following
    every_seconds: float | None
    routes: bool
    whole: bool = False


class BabelFigures(NamedTuple):
    """What is known of a babeld at one moment, and how it came to be known.

    ``known`` is None while there is no fresh knowledge: never show older one as if it were. ``version`` is
    `Follower.changes`: it rises whenever anything of ``known`` but routes has changed, so that an answer made of it can
    be kept.
    """

    known: Known | None
    version: int
    following: str
    """``monitor`` or ``dump``: how it is followed now."""
    age_seconds: float
    """How old the knowledge may be: 0 with ``monitor``, the time since the last dump with ``dump``."""
    problem: str
    """Why nothing is known, empty when something is."""
    connected_total: int
    """How many connections there were."""
    lost_total: int
    """How many of them were lost or given up."""
    dumps_total: int
    lines_total: int
    bytes_total: int
    refused_lines_total: int
    """Lines that no babeld writes."""


class Knowledge:
    """What one babeld has told, over all connections to it, and who follows it.

    ``lock`` is held for as long as a batch of lines takes, or to put together what is known; never while waiting.
    """

    def __init__(self, ring: Callable[[], None], problem: Callable[[], str]) -> None:
        self._ring = ring
        self._problem = problem
        self._lock = threading.Lock()
        self._followers: dict[Follower, BabelSource] = {}
        self._lookers = 0
        self._wish: Wish | None = None
        self._table: BabelTable | None = None
        self._with_routes = False
        self._peer: object | None = None
        self._complete = False
        self._fresh = False
        self._fresh_until = 0.0
        self._following = Following.DUMP
        self._dumped_at: float | None = None
        self._flips = 0
        self._earlier = _Totals(0, 0, 0, 0, 0)
        self._told = (0, 0)
        self.connected_total = 0
        self.lost_total = 0
        self.dumps_total = 0

    # Those who follow.

    def join(self, follower: Follower, source: BabelSource) -> None:
        """Have babeld followed."""
        with self._lock:
            self._followers[follower] = source
            self._settle_wish()
        self._ring()

    def leave(self, follower: Follower) -> None:
        """Have babeld followed no more for this one."""
        with self._lock:
            self._followers.pop(follower, None)
            self._settle_wish()
        self._ring()

    def look_along(self, by: int) -> None:
        """Count who wants to read whole dumps from memory while babeld is followed for others."""
        with self._lock:
            self._lookers += by
            self._settle_wish()
        self._ring()

    def _settle_wish(self) -> None:
        self._wish = joined(self._followers.values(), whole=self._lookers > 0)

    @property
    def wish(self) -> Wish | None:
        """How babeld is to be followed; None when nobody follows."""
        return self._wish

    # What is known.

    @property
    def totals(self) -> tuple[int, int]:
        """How often anything but routes has changed, or the freshness has; and routes."""
        with self._lock:
            self._is_fresh()
            return self._totals()[:2]

    def state(self) -> BabelFigures:
        """Return all at once."""
        problem = self._problem()
        with self._lock:
            known = self._table.known() if self._is_fresh() and self._table is not None else None
            now = time.monotonic()
            totals = self._totals()
            dumped = self._following is Following.DUMP and self._dumped_at is not None
            return BabelFigures(
                known,
                totals.changes,
                str(self._following),
                now - (self._dumped_at or now) if dumped else 0.0,
                "" if known is not None else problem,
                self.connected_total,
                self.lost_total,
                self.dumps_total,
                totals.lines,
                totals.bytes,
                totals.refused,
            )

    def known(self) -> Known | None:
        """Return what is known, None when that is not fresh."""
        with self._lock:
            return self._table.known() if self._is_fresh() and self._table is not None else None

    def dump_of(self, peer: object) -> list[bytes] | None:
        """Return the lines of the dump that this peer would give now, None when it has to be asked for one."""
        with self._lock:
            if (
                self._table is None
                or self._peer is not peer
                or self._following is not Following.MONITOR
                or not self._with_routes
                or not self._table.whole
                or not self._is_fresh()
            ):
                return None
            return self._table.dump()

    def _is_fresh(self) -> bool:
        """Return whether what is known is fresh, and note when it is not any more."""
        if self._fresh and time.monotonic() >= self._fresh_until:
            self._flip(False)
            # The thread tells the listeners.
            self._ring()
        return self._fresh

    def _totals(self) -> _Totals:
        table, earlier = self._table, self._earlier
        if table is None:
            return earlier._replace(changes=earlier.changes + self._flips)
        return _Totals(
            earlier.changes + self._flips + table.changes,
            earlier.route_changes + table.route_changes,
            earlier.lines + table.lines_total,
            earlier.bytes + table.bytes_total,
            earlier.refused + table.refused_lines_total,
        )

    # What the thread does.

    def connected(self, peer: object) -> None:
        """Note that babeld greeted on another connection: nothing is known of it yet."""
        with self._lock:
            self.connected_total += 1
            self._peer = peer
            self._forget()

    def lost(self) -> None:
        """Note that the connection is no more."""
        with self._lock:
            if self._peer is None:
                return
            self.lost_total += 1
            self._peer = None
            self._forget()
        self.tell()

    def closed(self) -> None:
        """Note that the connection was ended by us."""
        with self._lock:
            self._peer = None
            self._forget()
        self.tell()

    def begin(self, version: str, router_id: str, *, routes: bool) -> None:
        """Begin to learn all anew from one babeld; what it says is taken from now on."""
        # Loaded only where somebody follows.
        from reconciler.backends.babel_table import BabelTable

        with self._lock:
            self._forget()
            self._table, self._with_routes = BabelTable(routes), routes
            self._table.begin(version, router_id)

    def begins(self, *, routes: bool) -> bool:
        """Return whether a table is there that keeps routes where that is wanted."""
        return self._table is not None and self._with_routes == routes

    @property
    def whole(self) -> bool:
        """Whether all could be read that babeld told since its latest dump."""
        return self._table is None or self._table.whole

    def begin_snapshot(self) -> None:
        """What comes now is all there is: what is not among it is gone."""
        with self._lock:
            if self._table is not None:
                self._table.begin_snapshot()

    def end_snapshot(self, following: Following, fresh_until: float) -> None:
        """Note that all has been told, and how long it counts as fresh (monotonic) without another word."""
        with self._lock:
            if self._table is None:
                return
            self._table.end_snapshot()
            self.dumps_total += 1
            self._dumped_at = time.monotonic()
            self._complete = True
            self._renew(following, fresh_until)

    def renew(self, following: Following, fresh_until: float) -> None:
        """Note that what is known is as fresh as this."""
        with self._lock:
            self._renew(following, fresh_until)

    def take(self, lines: list[bytes], meanwhile: Callable[[], None]) -> int:
        """Learn from lines, and return how many are no lines of babeld's. ``meanwhile`` is called while others read."""
        while not self._lock.acquire(timeout=_LONGEST_HOLD_SECONDS):
            meanwhile()
        try:
            table = self._table
            if table is None:
                return 0
            before = table.garbled_lines_total
            table.take(lines)
            return table.garbled_lines_total - before
        finally:
            self._lock.release()

    def expire(self) -> None:
        """Note it when what is known is not fresh any more, and tell so."""
        with self._lock:
            self._is_fresh()
        self.tell()

    def end(self) -> None:
        """Forget all: nobody follows."""
        if self._table is not None:
            with self._lock:
                self._forget()
            self.tell()

    def tell(self) -> None:
        """Call the listeners when anything has changed since they were called last."""
        with self._lock:
            now = self._totals()[:2]
            if now == self._told:
                return
            self._told = now
            listeners = [follower.listener for follower in self._followers if follower.listener is not None]
        for listener in listeners:
            listener()

    @property
    def expires_at(self) -> float | None:
        """When (monotonic) what is known is not fresh any more without another word; None when it is not now."""
        return self._fresh_until if self._fresh else None

    def _renew(self, following: Following, fresh_until: float) -> None:
        self._fresh_until = fresh_until
        if self._complete and (not self._fresh or following is not self._following):
            self._flip(True)
        self._following = following

    def _flip(self, fresh: bool) -> None:
        self._fresh = fresh
        self._flips += 1

    def _forget(self) -> None:
        if self._fresh:
            self._flip(False)
        self._earlier = self._totals()._replace(changes=self._totals().changes - self._flips)
        self._table = None
        self._complete = False


class _Totals(NamedTuple):
    changes: int
    route_changes: int
    lines: int
    bytes: int
    refused: int


class Follower:
    """Who follows a babeld, until `close`. All may be called from any thread and waits for nothing.

    ``listener`` is called at changes, from the thread that reads babeld: it must not wait.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        source: BabelSource,
        listener: Callable[[], None] | None,
        ended: Callable[[], None],
    ) -> None:
        self.listener = listener
        self._knowledge = knowledge
        self._ended = ended
        self._closed = False
        knowledge.join(self, source)

    def known(self) -> Known | None:
        """Return what babeld knows; None while that is not known afresh."""
        return self._knowledge.known()

    def state(self) -> BabelFigures:
        """Return what is known and how it came to be known, all of one moment."""
        return self._knowledge.state()

    @property
    def changes(self) -> int:
        """A number that rises when anything of what is known but routes changes, or whether it is fresh."""
        return self._knowledge.totals[0]

    @property
    def route_changes(self) -> int:
        """A number that rises when a route changes, as far as routes are kept."""
        return self._knowledge.totals[1]

    def close(self) -> None:
        """Follow no more."""
        if not self._closed:
            self._closed = True
            self._knowledge.leave(self)
            self._ended()


def joined(sources: Iterable[BabelSource], *, whole: bool = False) -> Wish | None:
    """Return what serves all; None for none. The freshest way that anyone names wins over leaving it open.

    ``whole`` is whether others read whole dumps besides.
    """
    known = list(sources)
    if not known:
        return None
    ways = {source.following for source in known}
    following = next(way for way in (Following.MONITOR, Following.DUMP, Following.AUTO) if way in ways)
    times = [source.every_seconds for source in known if source.every_seconds is not None]
    return Wish(following, min(times, default=None), any(source.routes for source in known), whole)
