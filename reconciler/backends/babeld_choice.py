"""Which way of following one babeld is the cheaper one, by what it has cost so far.

A line costs babeld about 4 µs, in a dump as in the stream (measured with 1.12.1: a dump of 10,000 routes 34 to 43 ms).
One that monitors tells of every route about every 3 to 5 s though nothing has changed, so that from some size on a
dump from time to time is far cheaper; below it nobody feels the difference, and the stream is always fresh.
"""

from __future__ import annotations

import math

from intent.statistics import Following

MOST_LINES_PER_SECOND = 500.0
"""Above this the stream is left: 2 ms of babeld's time a second."""

CHEAP_LINES_PER_SECOND = 250.0
"""Below this it is taken up again."""

SHORTEST_SECONDS = 10.0
"""The least time between two dumps where none is set."""

LINES_PER_SECOND_OF_DUMPS = 700.0
"""So many lines a second, on the average, are the dumps worth: 10,000 routes every 14 s, 3 ms a second."""

WINDOW_SECONDS = 30.0
"""Over so long the stream is measured: a change somewhere in the mesh makes babeld repeat more for a moment."""

STAY_SECONDS = 300.0
"""How long dumps stay the way, so that nothing goes to and fro; a change costs as much as a dump."""

_REPEATED_PER_SECOND = 0.35
"""How often each line is told in the stream of a quiet mesh (measured with an update interval of 16 s)."""


class Choice:
    """What one connection to babeld has cost, and what follows from that. Times are monotonic."""

    def __init__(self) -> None:
        self.every_seconds = SHORTEST_SECONDS
        self._mode = Following.MONITOR
        self._lines = 0
        self._since = self._changed_at = -math.inf

    def begin(self, now: float) -> None:
        """Begin anew, with another connection; the way stays what it was."""
        self._lines, self._since = 0, now

    def whole(self, lines: int, now: float) -> None:
        """Take into account that all there is took so many lines to tell."""
        self.every_seconds = max(SHORTEST_SECONDS, lines / LINES_PER_SECOND_OF_DUMPS)
        quiet = lines * _REPEATED_PER_SECOND
        if self._mode is Following.MONITOR:
            # What a snapshot took is no part of the stream.
            self._lines, self._since = 0, now
            if quiet > MOST_LINES_PER_SECOND:
                self._change(Following.DUMP, now)
        elif quiet < CHEAP_LINES_PER_SECOND and now >= self._changed_at + STAY_SECONDS:
            self._change(Following.MONITOR, now)

    def heard(self, lines: int, now: float) -> None:
        """Take into account that so many lines came in the stream."""
        self._lines += lines
        if now >= self._since + WINDOW_SECONDS:
            if self._lines > MOST_LINES_PER_SECOND * (now - self._since):
                self._change(Following.DUMP, now)
            self._lines, self._since = 0, now

    @property
    def mode(self) -> Following:
        """The way that is the cheaper one."""
        return self._mode

    def _change(self, mode: Following, now: float) -> None:
        self._mode, self._changed_at = mode, now
