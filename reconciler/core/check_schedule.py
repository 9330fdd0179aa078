"""When the checks are carried out, and whether their results are enough to keep what is on trial."""

from __future__ import annotations

import math
from collections.abc import Sequence

from intent.checks import Check
from reconciler.core.checks import CheckResult
from reconciler.core.clock import Clock
from reconciler.core.retries import Random
from reconciler.core.schedule import Timer
from reconciler.core.wanted import Checker

CHECKS_SECONDS = 60.0
"""How often the checks are carried out when nothing is on trial."""
TRIAL_CHECKS_SECONDS = 1.0
"""How long to wait before checks are carried out again in a trial."""
LONGEST_STEADY_SECONDS = 15.0
"""For how long checks must go on passing to confirm a trial: what was cut looks well for a moment more."""
STEADY_SHARE = 0.25


class CheckSchedule:
    """Has checks carried out when it is time, and keeps what they came to last in ``results``.

    ``after_roll_back`` says that the next results are the first after a roll-back.
    """

    def __init__(self, checker: Checker, clock: Clock, random: Random) -> None:
        self.results: tuple[CheckResult, ...] = ()
        self.after_roll_back = False
        self._checker, self._clock = checker, clock
        self._timer = Timer(CHECKS_SECONDS, random)
        self._turn = 0
        self._begun = 0.0
        self._well_at: float | None = None

    def begin(self) -> None:
        """Begin with another intent: what was found under the last one says nothing."""
        self.drop()
        self._timer.at = 0.0
        self._well_at = None
        self.results = ()

    def drop(self) -> None:
        """Let the checks that are under way say nothing."""
        self._turn += 1

    def due(self, checks: Sequence[Check]) -> float:
        """Return when the checks are to be carried out, by the clock's `now`; infinity where there are none."""
        return self._timer.at if checks else math.inf

    def start_when_due(self, checks: Sequence[Check]) -> None:
        """Begin with the checks, where it is time."""
        now = self._clock.now()
        if checks and now >= self._timer.at:
            self._timer.wind(now)
            self._begun = now
            self._checker.start(checks, self._turn)

    def take(self, results: Sequence[CheckResult], turn: int) -> bool:
        """Take the results of checks, with the turn that they were started with; return whether they count."""
        if turn != self._turn:
            # Begun before the latest change of the intent: they say nothing about it.
            self._timer.at = 0.0
            return False
        self.results = tuple(results)
        return True

    def failed(self) -> list[str]:
        """Return the checks that failed last, each with the reason."""
        return [f"{one.check.describe()}: {one.reason}" for one in self.results if not one.passed]

    def suffice(self, trial_seconds: float, in_sync: bool) -> bool:
        """Return whether what is on trial for so long has been well for long enough; if not, check again soon."""
        now = self._clock.now()
        self._timer.at = now + TRIAL_CHECKS_SECONDS
        if self.failed() or not in_sync:
            self._well_at = None
            return False
        if self._well_at is None:
            self._well_at = self._begun + min(LONGEST_STEADY_SECONDS, STEADY_SHARE * trial_seconds)
        return now >= self._well_at
