"""What is not tried now, object by object: after a failure, and in a fight with another program over an object."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Set
from dataclasses import dataclass, field

from intent.resources.resource import Key
from reconciler.core.errors import BackendError

SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 300.0
JITTER = 0.25
HASTE_SECONDS = 1.0

FIGHT_REPAIRS = 5
FIGHT_WITHIN_SECONDS = 60.0
FIGHT_SHORTEST_SECONDS = 1.0

Random = Callable[[], float]
"""Returns a number from 0 up to 1, as `random.random` does."""


def backoff(attempts: int, shortest: float, longest: float, random: Random) -> float:
    """Return the seconds to wait after so many attempts, at least one: doubled each time, then varied by `JITTER`."""
    # Beyond 2 ** 40 of anything the longest has been reached.
    plain = min(longest, shortest * 2.0 ** min(attempts - 1, 40))
    return min(longest, max(shortest, plain * (1 + JITTER * (2 * random() - 1))))


@dataclass(slots=True)
class Failure:
    """What failed last about an object. ``until`` is the time of the next attempt, infinite when there is none."""

    error: str
    attempts: int
    until: float
    table: str


class _Together:
    """Randomness that is the same for all that is asked for at one time: what failed together is tried together."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._at = -math.inf
        self._drawn = 0.0

    def at(self, now: float) -> Random:
        """Return what gives the number of that time."""
        if now != self._at:
            self._at, self._drawn = now, self._random()
        return lambda: self._drawn


class Retries:
    """The objects on which an operation failed. Where trying again cannot help, only a new intent makes it tried."""

    def __init__(self, random: Random) -> None:
        self._random = _Together(random)
        self.failures: dict[Key, Failure] = {}

    def failed(self, key: Key, table: str, error: BackendError, now: float) -> None:
        """Take note of a failure and hold the object for a growing time."""
        known = self.failures.get(key)
        attempts = known.attempts + 1 if known is not None else 1
        random = self._random.at(now)
        delay = backoff(attempts, SHORTEST_SECONDS, LONGEST_SECONDS, random) if error.retry_helps else math.inf
        self.failures[key] = Failure(str(error), attempts, now + delay, table)

    def forget(self, keys: Set[Key]) -> None:
        """Forget about the objects."""
        for key in self.failures.keys() & keys:
            del self.failures[key]

    def hasten(self, tables: Set[str], now: float) -> None:
        """Have what waits tried within `HASTE_SECONDS` where it lies in tables in which something has changed."""
        for failure in self.failures.values():
            if failure.table in tables and failure.until < math.inf:
                failure.until = min(failure.until, now + HASTE_SECONDS)

    def keep(self, keys: Set[Key]) -> None:
        """Forget about all other objects."""
        self.failures = {key: failure for key, failure in self.failures.items() if key in keys}

    def clear(self) -> None:
        """Let everything be tried at once."""
        self.failures.clear()

    def held(self, now: float) -> dict[Key, Failure]:
        """Return what is not to be tried now."""
        return {key: failure for key, failure in self.failures.items() if failure.until > now}

    def due(self, now: float) -> float | None:
        """Return when the next object may be tried again, ``None`` when none is waiting for a time."""
        return min((one.until for one in self.failures.values() if now < one.until < math.inf), default=None)


@dataclass(slots=True)
class Fight:
    """The latest repairs of one object that others keep undoing, and who did so last."""

    repairs: deque[float] = field(default_factory=lambda: deque(maxlen=FIGHT_REPAIRS))
    level: int = 0
    until: float = 0.0
    actor: str = ""


class Fights:
    """Objects that somebody keeps changing back. From the fifth repair within a minute on, each waits longer."""

    def __init__(self, random: Random) -> None:
        self._random = _Together(random)
        self._known: dict[Key, Fight] = {}

    def repaired(self, key: Key, actor: str, now: float) -> bool:
        """Take note of a repair, and of who made it necessary where that is known.

        Returns whether it is now known for a fight, and was not before.
        """
        fight = self._known.setdefault(key, Fight())
        if fight.repairs and now - fight.repairs[-1] > FIGHT_WITHIN_SECONDS + 2 * self._delay(fight):
            fight = self._known[key] = Fight()
        fight.repairs.append(now)
        fight.actor = actor or fight.actor
        often = len(fight.repairs) == FIGHT_REPAIRS and now - fight.repairs[0] <= FIGHT_WITHIN_SECONDS
        if not often and fight.level == 0:
            return False
        fight.level += 1
        fight.until = now + backoff(fight.level, FIGHT_SHORTEST_SECONDS, LONGEST_SECONDS, self._random.at(now))
        return fight.level == 1

    def _delay(self, fight: Fight) -> float:
        return max(0.0, fight.until - fight.repairs[-1]) if fight.repairs else 0.0

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()

    def keys(self) -> Set[Key]:
        """Return the objects that were repaired of late."""
        return self._known.keys()

    def forget(self, keys: Set[Key]) -> None:
        """Forget about the objects."""
        for key in self._known.keys() & keys:
            del self._known[key]

    def forget_calm(self, now: float) -> None:
        """Forget the objects that have been left in peace for long enough."""
        self._known = {
            key: fight
            for key, fight in self._known.items()
            if now - fight.repairs[-1] <= FIGHT_WITHIN_SECONDS + 2 * self._delay(fight)
        }

    def held(self, now: float) -> dict[Key, Fight]:
        """Return the objects whose next repair has to wait."""
        return {key: fight for key, fight in self._known.items() if fight.until > now}

    def all(self) -> dict[Key, Fight]:
        """Return the objects that are fought over."""
        return {key: fight for key, fight in self._known.items() if fight.level}

    def due(self, now: float) -> float | None:
        """Return when the next repair may be made, ``None`` when none waits."""
        return min((fight.until for fight in self._known.values() if fight.until > now), default=None)
