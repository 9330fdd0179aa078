"""Finished answers, kept as the bytes that are sent, and made anew only when something may have changed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from reconciler.services.statistics.counters import Counter
from reconciler.services.statistics.respondd.document import Made, encoded, longs, shortened
from reconciler.services.statistics.respondd.request import Request

MOST_BYTES = 8192
"""The longest answer, as it is sent: what yanic has room for."""
_RAW_DEFLATE = -15
_NEARLY_FULL = 0.97
_FEW_MORE = 1.05
_BY_PROPORTION = 4


class Lifetime(NamedTuple):
    """How long a section is told unchanged: always for ``least`` seconds, for ``most`` unless something has changed."""

    least: float
    most: float


LIFETIMES: Mapping[str, Lifetime] = {
    # Made at most fifty times a second, however often a flapping link changes it, and shown well within 50 ms.
    "neighbours": Lifetime(0.02, 10.0),
    "nodeinfo": Lifetime(5.0, 300.0),
    "statistics": Lifetime(5.0, 5.0),
}
"""The times are those of gluon's respondd; what changes in between is told earlier than there."""


INCOMPLETE_SECONDS = 5.0
"""How long a section is told in which a value could not be made."""


class _Section(NamedTuple):
    value: dict[str, Any]
    change: int
    """The number of the change before which it was made."""
    made: float
    number: int
    """Which one it is, of all that were made."""
    whole: bool


class _Answer(NamedTuple):
    data: bytes | None
    numbers: tuple[int, ...]


class Answers:
    """Keeps the sections and the answers made of them: three and at most eleven."""

    def __init__(self, make: Callable[[str], Made], changes: Callable[[], int], trimmed: Counter) -> None:
        self._make = make
        self._changes = changes
        self._trimmed = trimmed
        self._sections: dict[str, _Section] = {}
        self._answers: dict[Request, _Answer] = {}
        self._entries: dict[Request, int] = {}
        """How many entries fitted into an answer the last time, where not all did."""
        self._made = 0

    def answer(self, request: Request, now: float) -> bytes | None:
        """Return the answer as it is sent, at a monotonic time in seconds, None where it cannot be short enough."""
        change = self._changes()
        sections = {name: self._section(name, change, now) for name in request.names}
        numbers = tuple(section.number for section in sections.values())
        kept = self._answers.get(request)
        if kept is None or kept.numbers != numbers:
            values = {name: section.value for name, section in sections.items()}
            kept = _Answer(self._finished(request, values), numbers)
            self._answers[request] = kept
        return kept.data

    def _section(self, name: str, change: int, now: float) -> _Section:
        kept, lifetime = self._sections.get(name), LIFETIMES[name]
        if kept is not None:
            age = now - kept.made
            most = lifetime.most if kept.whole else min(lifetime.most, INCOMPLETE_SECONDS)
            if age < (most if kept.change == change else lifetime.least):
                return kept
        self._made += 1
        # The number of the change is from before the look: what changes meanwhile is looked at again.
        value, whole = self._make(name)
        made = _Section(value, change, now, self._made, whole)
        self._sections[name] = made
        return made

    def _finished(self, request: Request, values: Mapping[str, dict[str, Any]]) -> bytes | None:
        """Return the bytes of an answer with as many entries in its lists as there is room for, the best of each."""
        content: Any = values if request.compressed else values[request.names[0]]
        lengths = {name: [len(one.entries) for one in longs(value)] for name, value in values.items()}
        longest = max((length for of_section in lengths.values() for length in of_section), default=0)
        # The last answer was about as long as this one will be.
        first = min(longest, self._entries.get(request, longest))
        fitted = _fitted(lambda most: _spelled(content, request.compressed, most), longest, first)
        if fitted is None:
            return None
        data, entries = fitted
        if entries < longest:
            self._entries[request] = entries
            for name, of_section in lengths.items():
                self._trimmed.add(name, count=sum(max(0, length - entries) for length in of_section))
        else:
            self._entries.pop(request, None)
        return data


def _fitted(spelled: Callable[[int], bytes], longest: int, first: int) -> tuple[bytes, int] | None:
    """Return an answer that is short enough, and how many entries each list has in it, at most ``longest``.

    ``first`` is tried first. Making an answer takes a millisecond or more for some hundred entries, so an answer that
    leaves little room is taken, and there are few attempts: by what the last one lacks, then by halves.
    """
    best: tuple[bytes, int] | None = None
    fits, exceeds, entries, attempts = -1, longest + 1, first, 0
    while fits + 1 < exceeds:
        data, attempts = spelled(entries), attempts + 1
        if len(data) <= MOST_BYTES:
            fits, best = entries, (data, entries)
            if len(data) >= _NEARLY_FULL * MOST_BYTES:
                # The few that are left may fit too, and are not to be missing then.
                if exceeds > longest and longest <= entries * _FEW_MORE:
                    entries = longest
                    continue
                break
        else:
            exceeds = entries
        if attempts < _BY_PROPORTION:
            entries = int(entries * MOST_BYTES * (1 + _NEARLY_FULL) / 2 / len(data))
        else:
            entries = (fits + exceeds) // 2
        entries = min(max(entries, fits + 1), exceeds - 1)
    return best


def _spelled(content: Any, compressed: bool, most: int) -> bytes:
    data = encoded(shortened(content, most))
    if not compressed:
        return data
    # Without the two bytes of zlib before it: no client takes these.
    deflate = zlib.compressobj(wbits=_RAW_DEFLATE)
    return deflate.compress(data) + deflate.flush()
