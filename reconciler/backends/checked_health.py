"""Whether things are fit by their checks: found out once, or watched in the background by a process that stays."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import random as any_number
from typing import Any, ClassVar

from intent.checks import Check
from intent.fitness import CheckedHealth, Health, WayOut
from intent.references import Reference
from reconciler.backends.checks import carry_out
from reconciler.backends.machine_clock import MachineClock
from reconciler.backends.references import Resolution, Resolver
from reconciler.backends.ways_out import ways_out
from reconciler.core.checks import CheckResult
from reconciler.core.clock import Clock
from reconciler.core.errors import StellwerkError
from reconciler.core.hysteresis import Judgement, Result, Terms, judged, tried
from reconciler.core.known_health import HealthStore, Known, KnownHealth
from reconciler.core.retries import Random

Checks = tuple[Check, ...]
CarryOut = Callable[[Sequence[Check]], tuple[CheckResult, ...]]

JITTER = 0.1
"""By what share of their time checks begin earlier, so that those of many things, or nodes, do not keep step."""
KEEP_SECONDS = 600.0
"""How long what is known of checks that are not asked for is kept: a change that is undone asks for them again."""
WELL = "all checks pass"
ANNOUNCED = "it was announced, and its checks have not said anything yet"
UNCHECKED = Judgement(fit=True)


def fingerprint(checks: Checks) -> str:
    """Return what tells checks from all others; their words may hold what is nobody's business."""
    return sha256(repr(checks).encode()).hexdigest()[:32]


def summary(results: Sequence[CheckResult]) -> tuple[bool, str]:
    """Return whether all checks passed, and what the first one that did not saw."""
    failed = next((one for one in results if not one.passed), None)
    return (True, WELL) if failed is None else (False, f"{failed.check.describe()}: {failed.reason}")


class HealthOnce(Resolver[CheckedHealth]):
    """Carries out checks for one look, all at the same time, and waits for them.

    What is known from this start of the machine turns only by as many results in a row as it would in the background,
    here one right after the other. What a daemon that runs knows counts instead. With ``keep``, for whoever has the
    lock of the state folder, what is found is kept for the daemon that comes after.
    """

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (CheckedHealth,)

    def __init__(
        self,
        store: HealthStore | None = None,
        keep: bool = False,
        clock: Clock | None = None,
        carry_out: CarryOut = carry_out,
    ) -> None:
        self._store, self._keep, self._carry_out = store, keep, carry_out
        self._clock = clock or MachineClock()
        self._found: dict[Checks, Judgement] = {(): UNCHECKED}

    def resolve(self, reference: CheckedHealth) -> Resolution:
        """Return what the checks say."""
        return self.resolve_all([reference])[reference]

    def resolve_all(self, references: Iterable[CheckedHealth]) -> dict[CheckedHealth, Resolution]:
        """Return what all the checks say."""
        wanted = tuple(references)
        new = {one.checks: _terms(one) for one in wanted if one.checks not in self._found}
        kept = {one.checks: one.judgement() for one in _kept(self._store, self._clock)} if new and self._store else {}
        known = {checks: kept[mark] for checks in new if (mark := fingerprint(checks)) in kept}
        if self._store is not None and self._store.watched():
            self._found |= known
            new = {checks: terms for checks, terms in new.items() if checks not in known}
        if new:
            self._find_out(new, known)
            if self._keep and self._store is not None:
                found = [(one.checks, (one.of,), self._found[one.checks]) for one in wanted if one.checks]
                _save(self._store, self._clock, found)
        return {reference: _resolution(self._found[reference.checks]) for reference in wanted}

    def _find_out(self, new: Mapping[Checks, Terms], known: Mapping[Checks, Judgement]) -> None:
        left, count = dict(new), 0
        while left:
            count += 1
            each = tuple(dict.fromkeys(check for checks in left for check in checks))
            by_check = dict(zip(each, self._carry_out(each), strict=True))
            now, wall = self._clock.now(), self._clock.wall()
            for checks in tuple(left):
                result = Result(*summary([by_check[check] for check in checks]), now, wall)
                judgement = tried(known.get(checks, Judgement()), result, count, left[checks])
                if judgement is not None:
                    self._found[checks] = judgement
                    del left[checks]


RESOLVER = HealthOnce


@dataclass(slots=True)
class _Watch:
    """Some checks that are carried out again and again, and for which things."""

    terms: Terms
    of: tuple[str, ...]
    judgement: Judgement
    due: float
    asked: float
    wanted: bool = True
    busy: bool = field(default=False)


class WatchedHealth(Resolver[CheckedHealth]):
    """Carries out checks again and again for a process that never waits for them.

    Each set of checks has a rhythm of its own and a thread while it is carried out, which lives in the network
    namespace of whoever calls `refresh`, and calls ``ring`` at its end. What is known from before in the same start of
    the machine holds on. Of what is not known, what this node announces counts as fit; of the rest the first result
    decides.
    """

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (CheckedHealth,)

    def __init__(
        self,
        store: HealthStore,
        clock: Clock,
        ring: Callable[[], None],
        carry_out: CarryOut = carry_out,
        random: Random = any_number,
        look: Callable[[int], Iterable[WayOut]] = ways_out,
    ) -> None:
        self._store, self._clock, self._ring, self._carry_out, self._random = store, clock, ring, carry_out, random
        self._look = look
        self._watches: dict[Checks, _Watch] = {}
        self._by_name: dict[str, Judgement] = {}
        self._results: queue.SimpleQueue[tuple[Checks, tuple[CheckResult, ...]]] = queue.SimpleQueue()
        self._from_before: dict[str, Judgement] | None = None
        self._unkept = ""

    def resolve(self, reference: CheckedHealth) -> Resolution:
        """Return what is known now."""
        return self.resolve_all([reference])[reference]

    def resolve_all(self, references: Iterable[CheckedHealth]) -> dict[CheckedHealth, Resolution]:
        """Return what is known now, and from now on have the checks of these and no others carried out."""
        wanted = tuple(references)
        self._attend([one for one in wanted if one.checks])
        found: dict[CheckedHealth, Resolution] = {}
        for reference in wanted:
            judgement = self._watches[reference.checks].judgement if reference.checks else UNCHECKED
            if judgement.fit is None:
                judgement = self._by_name.get(reference.of, judgement)
            else:
                self._by_name[reference.of] = judgement
            found[reference] = _resolution(judgement, *filter(None, [self._unkept]))
        return found

    def due(self) -> float:
        """Return when a check is to begin next; at once where one has ended."""
        if not self._results.empty():
            return -math.inf
        return min((one.due for one in self._watches.values() if one.wanted and not one.busy), default=math.inf)

    def refresh(self) -> bool:
        """Take the results that are there and begin with the checks that are due; return whether a judgement turned."""
        turned = False
        while not self._results.empty():
            turned = self._take(*self._results.get()) or turned
        now = self._clock.now()
        for checks, watch in self._watches.items():
            if watch.wanted and not watch.busy and watch.due <= now:
                self._begin(checks, watch, now)
        if turned:
            known = [(checks, one.of, one.judgement) for checks, one in self._watches.items() if one.wanted]
            self._unkept = _save(self._store, self._clock, known)
        return turned

    def _attend(self, wanted: Sequence[CheckedHealth]) -> None:
        now = self._clock.now()
        if wanted and self._from_before is None:
            self._from_before = {}
            for known in _kept(self._store, self._clock):
                self._from_before[known.checks] = known.judgement()
                self._by_name |= dict.fromkeys(known.of, known.judgement())
        for watch in self._watches.values():
            watch.wanted = False
        names: dict[Checks, dict[str, None]] = {}
        for one in wanted:
            names.setdefault(one.checks, {})[one.of] = None
            terms = _terms(one)
            watch = self._watches.get(one.checks) or self._new(one, terms, now)
            watch.terms, watch.wanted, watch.asked, watch.of = terms, True, now, tuple(names[one.checks])
        self._watches = {
            checks: one for checks, one in self._watches.items() if one.wanted or now - one.asked < KEEP_SECONDS
        }

    def _new(self, one: CheckedHealth, terms: Terms, now: float) -> _Watch:
        known = (self._from_before or {}).get(fingerprint(one.checks), Judgement())
        if known.fit is None and one.of not in self._by_name and self._announces(one.way_out):
            known = Judgement(True, self._clock.wall(), ANNOUNCED, now)
        made = self._watches[one.checks] = _Watch(terms, (), known, now, now)
        return made

    def _announces(self, way: WayOut | None) -> bool:
        """Return whether this node announces a way out, by the kernel; no where that cannot be seen."""
        if way is None:
            return False
        try:
            found = tuple(self._look(way.routing_table))
        except StellwerkError:
            return False
        return any(one.link == way.link and way.source in (None, one.source) for one in found)

    def _begin(self, checks: Checks, watch: _Watch, now: float) -> None:
        watch.busy = True
        watch.due = now + watch.terms.every_seconds * (1 - JITTER * self._random())
        try:
            threading.Thread(target=self._run, args=(checks,), name="exit checks", daemon=True).start()
        except RuntimeError:
            # The machine is short of memory or processes, which says nothing about what is checked.
            watch.busy = False

    def _run(self, checks: Checks) -> None:
        results: tuple[CheckResult, ...] = ()
        try:
            results = self._carry_out(checks)
        finally:
            self._results.put((checks, results))
            self._ring()

    def _take(self, checks: Checks, results: tuple[CheckResult, ...]) -> bool:
        """Take results, none where they could not be had; return whether the judgement turned."""
        watch = self._watches.get(checks)
        if watch is None:
            return False
        watch.busy = False
        if not results:
            return False
        before, (passed, reason) = watch.judgement, summary(results)
        result = Result(passed, reason, self._clock.now(), self._clock.wall())
        watch.judgement = judged(before, result, watch.terms)
        return watch.wanted and watch.judgement.fit is not before.fit


def _terms(reference: CheckedHealth) -> Terms:
    return Terms(reference.every_seconds, reference.fall, reference.rise)


def _kept(store: HealthStore, clock: Clock) -> tuple[Known, ...]:
    """Return what is known from this start of the machine, nothing where it cannot be read."""
    try:
        kept = store.load_health()
    except StellwerkError:
        return ()
    return kept.known if kept.boot == clock.boot() else ()


def _save(store: HealthStore, clock: Clock, known: Iterable[tuple[Checks, tuple[str, ...], Judgement]]) -> str:
    """Keep what is known; return why that could not be."""
    kept = tuple(
        Known(fingerprint(checks), of, one.fit, one.since, one.reason, one.risen_at, one.falls)
        for checks, of, one in known
        if one.fit is not None
    )
    try:
        store.save_health(KnownHealth(clock.boot(), kept))
    except StellwerkError as exc:
        return f"what the checks said is not known after a restart: {exc}"
    return ""


def _resolution(judgement: Judgement, *notes: str) -> Resolution:
    return Resolution(Health(judgement.fit, judgement.reason, judgement.since or None), notes)
