"""Values that take time to look up, kept for a while: however many ask, one looks, and not more often."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from reconciler.core.errors import StellwerkError

T = TypeVar("T")

PATIENCE_SECONDS = 0.5
LARGEST_SHARE = 0.05
"""Which share of the time looking may take at most: a look that takes longer is made less often."""
STALE_LIFETIMES = 3.0
"""For how many lifetimes a value is given while a look for the next one takes long."""


class _Held(NamedTuple, Generic[T]):
    value: T
    due: float
    stale: float


class Kept(Generic[T]):
    """A value with the ``look`` that gives it, which one thread at a time makes.

    It is made by who asks first, or ``apart``, in a thread of its own, where it may hang; nobody waits longer for it
    than `PATIENCE_SECONDS`. Where it fails or hangs the value is ``absent``: never an old one for a new one.
    """

    def __init__(self, look: Callable[[], T], absent: T, lifetime_seconds: float, *, apart: bool = False) -> None:
        self._look = look
        self._absent = absent
        self._lifetime_seconds = lifetime_seconds
        self._apart = apart
        self._changed = threading.Condition()
        self._looking = self._closed = False
        self._held = _Held(absent, 0.0, 0.0)
        self.looks_total = 0
        self.problem = ""
        """Why the value is absent, empty when it is not."""

    def get(self) -> T:
        """Return the value."""
        held = self._held
        now = time.monotonic()
        if now < held.due:
            return held.value
        with self._changed:
            held = self._held
            if now < held.due:
                return held.value
            first, self._looking = not self._looking, True
        if first and self._apart:
            self._renew_apart()
        elif first:
            self._renew()
        return self._awaited(now)

    def close(self, seconds: float) -> bool:
        """Look no more: the value is absent from now on. Return whether no look is under way after so long at most."""
        with self._changed:
            self._closed = True
            self._held = _Held(self._absent, math.inf, math.inf)
            return self._changed.wait_for(lambda: not self._looking, seconds)

    def _awaited(self, now: float) -> T:
        """Return the value of the look that is under way, or the one before it while that is not stale."""
        with self._changed:
            if self._looking and (self._apart or now >= self._held.stale):
                self._changed.wait_for(lambda: not self._looking, PATIENCE_SECONDS)
            return self._held.value if not self._looking or now < self._held.stale else self._absent

    def _renew_apart(self) -> None:
        try:
            threading.Thread(target=self._renew, name="statistics look", daemon=True).start()
        except RuntimeError:
            # There may be no more threads than there are.
            self._renew()

    def _renew(self) -> None:
        begun = time.monotonic()
        value, problem = self._absent, "the look was broken off"
        try:
            value, problem = self._look(), ""
        except (StellwerkError, OSError) as error:
            problem = str(error)
        finally:
            ended = time.monotonic()
            lifetime = max(self._lifetime_seconds, (ended - begun) / LARGEST_SHARE)
            with self._changed:
                if not self._closed:
                    # From when it was begun, for so old is what it has seen.
                    self._held = _Held(value, begun + lifetime, begun + STALE_LIFETIMES * lifetime)
                self.problem = problem
                self.looks_total += 1
                self._looking = False
                self._changed.notify_all()
