"""Which way of following a babeld is the right one, by what it costs babeld. Nothing here has a clock.

babeld writes a line in 3.4 to 4.3 µs on the machine on which that was measured (1.12.1, 10,000 routes), in a dump as in
the stream of `monitor`. That stream tells of each route every 3 to 5 s although nothing has changed: with few routes
that is nothing and the stream is always fresh, with many a dump from time to time is far cheaper.
"""

from __future__ import annotations

from collections import deque

from intent.statistics import Following

SECONDS_PER_LINE = 4.5e-6
"""What a line costs babeld at least, for all we assume; a slower machine is found out by its dumps."""

REPEATS_PER_SECOND = 0.35
"""How often the stream of a quiet mesh tells of a route (measured with 1,000 and an update interval of 16 s)."""

MOST_OF_MONITOR = 6e-3
"""Seconds of babeld's time a second above which the stream is left: about 4,000 routes."""

CHEAP_MONITOR = MOST_OF_MONITOR / 2
"""The same below which it is taken up again: about 2,000 routes."""

MOST_OF_DUMPS = 3e-3
"""What the dumps may cost on the average."""

SHORTEST_SECONDS = 10.0
LONGEST_SECONDS = 120.0
"""The least and the most time between two dumps."""

WINDOW_SECONDS = 60.0
"""Over so long the stream is measured."""

LASTING_SECONDS = 150.0
"""How long the other way must have been the better one: a lost neighbour makes babeld repeat all for a minute."""

STAY_SECONDS = 300.0
"""How long a way is kept at least, once it was changed."""

_TELLING_LINES = 500
"""A shorter dump says nothing of the time that a line takes."""
_DUMPS_COMPARED = 8


class Choice:
    """The way of following one babeld, over all connections to it. ``now`` is in monotonic seconds.

    ``mode`` is MONITOR or DUMP, ``every_seconds`` the time from one dump to the next.
    """

    def __init__(self) -> None:
        self.mode = Following.MONITOR
        self.every_seconds = SHORTEST_SECONDS
        # Of the time that dumps took the least is babeld's own: the rest was spent waiting for others.
        self._took: deque[float] = deque(maxlen=_DUMPS_COMPARED)
        self._decided = False
        self._stays_until = 0.0
        self._better_since: float | None = None
        self._window_since = 0.0
        self._window_lines = 0

    def begin(self, now: float) -> None:
        """Note that a connection begins; the way stays what it was."""
        self._window_since, self._window_lines = now, 0

    def whole(self, lines: int, seconds: float, now: float) -> None:
        """Note that babeld has told all it knows, in a dump or at the beginning of the stream.

        ``seconds`` is the time from asking to the end of the answer.
        """
        if lines >= _TELLING_LINES:
            self._took.append(seconds / lines)
        per_line = self._seconds_per_line()
        self.every_seconds = min(LONGEST_SECONDS, max(SHORTEST_SECONDS, lines * per_line / MOST_OF_DUMPS))
        self._weigh(lines * REPEATS_PER_SECOND * per_line, now, now)
        if not self._decided and self._better_since is not None:
            self._change(now)
        self._decided = True
        # The lines of a snapshot are no part of the stream.
        self.begin(now)

    def heard(self, lines: int, now: float) -> None:
        """Note lines of the stream."""
        self._window_lines += lines
        seconds = now - self._window_since
        if seconds >= WINDOW_SECONDS:
            cost = self._window_lines * self._seconds_per_line() / seconds
            self._weigh(cost, self._window_since, now)
            self.begin(now)

    def _seconds_per_line(self) -> float:
        return max(SECONDS_PER_LINE, min(self._took, default=0.0))

    def _weigh(self, cost_of_monitor: float, since: float, now: float) -> None:
        """Take into account what the stream costs, or would cost, since a time."""
        monitors = self.mode is Following.MONITOR
        if not (cost_of_monitor > MOST_OF_MONITOR if monitors else cost_of_monitor < CHEAP_MONITOR):
            self._better_since = None
            return
        if self._better_since is None:
            self._better_since = since
        if now >= self._better_since + LASTING_SECONDS and now >= self._stays_until:
            self._change(now)

    def _change(self, now: float) -> None:
        self.mode = Following.DUMP if self.mode is Following.MONITOR else Following.MONITOR
        self._better_since, self._decided = None, True
        self._stays_until = now + STAY_SECONDS
