"""When something is due, and what has to be looked at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from reconciler.core.backend import RowNews
from reconciler.core.retries import Random

TIMER_JITTER = 0.1


class Timer:
    """A time at which something is due again and again, each time a little earlier or later; at once to begin with."""

    def __init__(self, seconds: float, random: Random) -> None:
        self.at = 0.0
        self._seconds = seconds
        self._random = random

    def wind(self, now: float) -> None:
        """Be due again after the time of the timer."""
        self.at = now + self._seconds * (1 + TIMER_JITTER * (2 * self._random() - 1))


class Dirty(NamedTuple):
    """What to look at: the tables, ``None`` for all, the rows of others that alone have changed, and why."""

    tables: frozenset[str] | None
    rows: Mapping[str, Sequence[RowNews]]
    because: str


class DirtySet:
    """What is to be looked at again, and why."""

    def __init__(self) -> None:
        self.tables: set[str] = set()
        self.all = True
        self.because: dict[str, None] = {}
        self.actors: dict[str, str] = {}
        self._rows: dict[str, list[RowNews]] = {}

    def __bool__(self) -> bool:
        return self.all or bool(self.tables or self._rows)

    def mark(self, tables: Set[str], because: str) -> None:
        """Have some tables looked at; none is no reason."""
        if tables:
            self.tables |= tables
            self.because[because] = None

    def mark_rows(self, rows: Mapping[str, Sequence[RowNews]], because: str) -> None:
        """Have taken note of single rows that have changed; of what is looked at as a whole they need not be kept."""
        for table, news in rows.items():
            if news:
                self.because[because] = None
                if not self.all and table not in self.tables:
                    self._rows.setdefault(table, []).extend(news)

    def mark_all(self, because: str) -> None:
        """Have everything looked at."""
        self.all = True
        self.because[because] = None

    def take(self) -> Dirty:
        """Return what to look at, and begin anew."""
        tables = None if self.all else frozenset(self.tables)
        rows = {} if tables is None else {table: news for table, news in self._rows.items() if table not in tables}
        taken = Dirty(tables, rows, ", ".join(self.because))
        self.tables, self._rows, self.all, self.because = set(), {}, False, {}
        return taken
