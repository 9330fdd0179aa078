"""What others do that an operator is to know of: noticed at a look, kept while it stays, told when it comes and goes.

What is noticed comes from others, who may make it come and go as they like, and any number of it: the history is told
of so many in an hour one by one, and of the others how many they were.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from intent.resources import kinds
from intent.resources.resource import Key, Notice, Resource
from reconciler.core.observe import Observation

SETTLED_SECONDS = 5.0
"""How long what does harm may take to be worked against before it is told as harm."""
GONE_SECONDS = 60.0
"""How long something has to be away to be gone; what comes back before has been there all the time."""
MOST_TOLD = 10
"""How many comings and goings are told one by one in so many seconds."""
TOLD_SECONDS = 3600.0
MOST_SHOWN = 200
MOST_KEPT = 1000
"""How many are kept in mind, those that are away included; of the others it is only counted how many are there."""


@dataclass(slots=True)
class _Noticed:
    """A notice by now, in a list of the status.

    ``since`` is when it was seen first, by the time of day. By the clock: ``harmful_from`` is since when it does harm,
    infinity while it does none, and ``away_from`` since when it is away.
    """

    notice: Notice
    list: str
    since: float
    harmful_from: float = math.inf
    away_from: float = math.inf
    harmful: bool = False
    told: bool = False

    @property
    def there(self) -> bool:
        """Whether it was seen at the last look."""
        return math.isinf(self.away_from)

    def take(self, notice: Notice, now: float) -> None:
        """Take what is seen of it now."""
        self.notice, self.away_from = notice, math.inf
        self.harmful_from = min(self.harmful_from, now) if notice.harmful else math.inf

    def judge(self, now: float) -> None:
        """Decide whether it does harm, after it had the time to be worked against."""
        self.harmful = self.there and now >= self.harmful_from + SETTLED_SECONDS

    def due(self) -> float:
        """Return when, by the clock's `now`, something becomes of it by itself."""
        if not self.there:
            return self.away_from + GONE_SECONDS
        return math.inf if self.harmful else self.harmful_from + SETTLED_SECONDS


class Notices:
    """What is noticed of a node."""

    def __init__(self) -> None:
        self._all: dict[Key, _Noticed] = {}
        self._budget = _Budget()
        self._beyond: Counter[tuple[str, str]] = Counter()
        self._forgotten: list[_Noticed] = []
        self._last: tuple[Mapping[Key, Resource] | None, Observation | None] = None, None

    def take(
        self, desired: Mapping[Key, Resource], observation: Observation | None, now: float, wall: float
    ) -> list[dict[str, Any]]:
        """Take what is to be noticed at the last look; return what is to be told of it, each an event."""
        if observation is not None and not (desired is self._last[0] and observation is self._last[1]):
            self._last = desired, observation
            self._compare(desired, observation, now, wall)
        told = list(self._budget.end(now))
        for one in self._forgotten:
            told += self._budget.spend(_fact(one, "it is gone"), now) if one.told else ()
        self._forgotten.clear()
        for key, one in list(self._all.items()):
            one.judge(now)
            if now >= one.away_from + GONE_SECONDS:
                del self._all[key]
                if one.told:
                    told += self._budget.spend(_fact(one, "it is gone"), now)
            elif one.there and not one.told and (one.harmful or not one.notice.harmful):
                one.told = True
                told += self._budget.spend(_fact(one, one.notice.state), now)
        return told

    def due(self) -> float:
        """Return when, by the clock's `now`, there may be something to tell although nothing has changed."""
        return min((*(one.due() for one in self._all.values()), self._budget.due()), default=math.inf)

    def reasons(self) -> list[str]:
        """Return what does harm."""
        return [f"{one.notice.words}: {one.notice.state}" for one in self._all.values() if one.harmful]

    def shown(self) -> dict[str, list[dict[str, Any]]]:
        """Return what is there, by the names of lists, the harmful first, and of each the first `MOST_SHOWN`."""
        found: dict[str, list[dict[str, Any]]] = {}
        for name in _lists():
            there = (one for one in self._all.values() if one.there and one.list == name)
            order = sorted(there, key=lambda one: (not one.notice.harmful, one.since))
            found[name] = [
                {
                    **one.notice.facts,
                    "since": round(one.since, 3),
                    "description": one.notice.words,
                    "state": one.notice.state,
                }
                for one in islice(order, MOST_SHOWN)
            ]
        return found

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many of each kind are there, by the names of lists."""
        found: dict[str, Counter[str]] = {name: Counter() for name in _lists()}
        for one in self._all.values():
            if one.there:
                found[one.list][_kind(one.notice)] += 1
        for (name, kind), count in self._beyond.items():
            found[name][kind] += count
        return {name: dict(sorted(counter.items())) for name, counter in found.items()}

    def _compare(self, desired: Mapping[Key, Resource], observation: Observation, now: float, wall: float) -> None:
        seen = dict(_noticed(desired, observation))
        for key, one in self._all.items():
            if key not in seen and not _may_be_there(one, observation):
                one.away_from = min(one.away_from, now)
        new = sum(key not in self._all for key in seen)
        self._make_room(len(self._all) + new - MOST_KEPT)
        self._beyond.clear()
        # What does harm first: it is to be named even in a flood of what is refused.
        for key, (name, notice) in sorted(seen.items(), key=lambda item: not item[1][1].harmful):
            if key not in self._all and len(self._all) >= MOST_KEPT:
                self._beyond[name, _kind(notice)] += 1
            else:
                self._all.setdefault(key, _Noticed(notice, name, wall)).take(notice, now)

    def _make_room(self, missing: int) -> None:
        """Forget so many of those that are away, first those that have been so for longest."""
        away = sorted(
            (one.away_from, number, key) for number, (key, one) in enumerate(self._all.items()) if not one.there
        )
        self._forgotten += (self._all.pop(key) for _, _, key in away[: max(0, missing)])


class _Budget:
    """So many facts in so many seconds; of the others one that counts them."""

    def __init__(self) -> None:
        self._from = -math.inf
        self._spent = 0
        self._over: Counter[str] = Counter()

    def due(self) -> float:
        """Return when those that were held back are told."""
        return self._from + TOLD_SECONDS if self._over else math.inf

    def end(self, now: float) -> Iterator[dict[str, Any]]:
        """Yield how many were held back, when their time is over."""
        if now < self._from + TOLD_SECONDS:
            return
        for event, count in self._over.items():
            yield {"event": event, "because": f"{count} more came or went", "outcome": "they were not told one by one"}
        self._from, self._spent = now, 0
        self._over.clear()

    def spend(self, fact: dict[str, Any], now: float) -> Iterator[dict[str, Any]]:
        """Yield the fact, unless too many were told already."""
        if self._spent < MOST_TOLD:
            self._spent += 1
            yield fact
            return
        event = str(fact["event"])
        if not self._over[event]:
            yield {
                "event": event,
                "because": f"more than {MOST_TOLD} came or went in {TOLD_SECONDS / 60:.0f} minutes",
                "outcome": "the others are counted, and those that are there are in the status",
            }
        self._over[event] += 1


def _kind(notice: Notice) -> str:
    return str(notice.facts.get("kind", ""))


def _fact(one: _Noticed, outcome: str) -> dict[str, Any]:
    notice = one.notice
    facts = {name: value for name, value in notice.facts.items() if name not in ("metric", "refused")}
    return {
        "event": notice.event,
        "because": notice.words,
        "outcome": outcome,
        "noticed": {**facts, "since": round(one.since, 3)},
    }


def _lists() -> list[str]:
    return sorted({kind.noticed for members in kinds().values() for kind in members if kind.noticed is not None})


def _noticed(desired: Mapping[Key, Resource], observation: Observation) -> Iterator[tuple[Key, tuple[str, Notice]]]:
    for view in observation.tables:
        speaking = {kind: kind.noticed for kind in view.kinds if kind.noticed is not None}
        for key, resource in view.resources.items() if speaking else ():
            name = speaking.get(type(resource))
            if name is not None and (notice := resource.notice(desired, observation.resources)) is not None:
                yield key, (name, notice)


def _may_be_there(one: _Noticed, observation: Observation) -> bool:
    """Return whether the table that it would be in could not be seen."""
    return any(kind.noticed == one.list for table in observation.unseen for kind in kinds().get(table, ()))
