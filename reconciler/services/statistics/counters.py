"""What parts of the statistics count of themselves, for whoever shows it and does not know who counted."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence


class Counter:
    """A number that only rises, one for each set of label values; any thread may add and read.

    ``name`` is as Prometheus spells it, ``_total`` at its end. The values of labels come from the program, never from
    the network: there must be few of them.
    """

    __slots__ = ("_lock", "_values", "help", "labels", "name")

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.help = help
        self.labels = tuple(labels)
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], int] = {} if labels else {(): 0}

    def add(self, *values: str, count: int = 1) -> None:
        """Count, under these values of the labels; with a ``count`` of 0 it is only known that there is such a one."""
        with self._lock:
            self._values[values] = self._values.get(values, 0) + count

    def values(self) -> Mapping[tuple[str, ...], int]:
        """Return what was counted so far, by the values of the labels."""
        with self._lock:
            return dict(self._values)


class Counters:
    """All counters of a process, by their names."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, Counter] = {}

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        """Return the counter of that name, a new one where there is none: it outlives what counts."""
        with self._lock:
            return self._counters.setdefault(name, Counter(name, help, labels))

    def all(self) -> tuple[Counter, ...]:
        """Return all counters in the order of their names."""
        with self._lock:
            return tuple(counter for _, counter in sorted(self._counters.items()))
