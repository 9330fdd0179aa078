"""The status of a node on its two axes, and all that explains it, as versioned JSON without secrets.

Synced or drifted: is the node what its intent says? Healthy or degraded: does all that keeps it so work?
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from reconciler.core import facts, offers

if TYPE_CHECKING:
    from reconciler.core.custody import Custody
    from reconciler.core.loop import Loop

VERSION = 1
MOST_OBJECTS = 200


def sync(loop: Loop) -> str:
    """Return the first axis: ``synced``, ``drifted``, or ``unknown`` where not all could be seen."""
    if loop.wanted is None or loop.seen is None:
        return "unknown"
    plan = loop.seen.plan
    if plan.empty:
        return "synced"
    return "drifted" if plan.operations or plan.pending or plan.conflicts else "unknown"


def reasons(loop: Loop) -> list[str]:
    """Return what makes the node degraded, nothing for a healthy one."""
    custody = loop.custody
    found = list(loop.troubles.values())
    found += filter(None, (loop.permission.problem, loop.references.problem, custody.unsaved))
    found += filter(None, (loop.rounds.unrecorded, loop.telling.problem))
    if loop.git is not None and loop.git["problem"]:
        found.append(f"git: {loop.git['problem']}")
    if custody.file.problem is not None:
        found.append(f"the node file cannot be used: {custody.file.problem}")
    if custody.refusal is not None:
        found.append(f"intent {custody.refusal.document.digest[:12]} was refused: {custody.refusal.reason}")
    candidate = custody.candidate()
    known = None if candidate is None else custody.intents.quarantined(candidate.digest)
    if known is not None:
        found.append(f"intent {known.digest[:12]} is in quarantine: {known.reason}")
    if (left := loop.holding.not_undone) is not None:
        found.append(
            f"intent {left.digest[:12]} is not undone: what the one before it asks for is not known: {left.reason}"
        )
    if loop.wanted is None and custody.held() is None:
        found.append("there is no intent to hold the node at")
    elif loop.wanted is not None:
        found += offers.faults(loop.wanted.offers)
    if loop.seen is not None:
        plan = loop.seen.plan
        found += [f"table {table} could not be seen: {error}" for table, error in plan.unseen.items()]
        found += [f"{conflict.key}: {conflict.reason}" for conflict in plan.conflicts]
    found += [failure.error for failure in loop.rounds.retries.failures.values()]
    found += facts.fights(loop.rounds.fights.all())
    found += loop.checks.failed()
    found += loop.notices.reasons()
    found += [f"{one['name']} does not run: {one['problem']}" for one in loop.services if one["problem"]]
    return list(dict.fromkeys(found))


def status(loop: Loop) -> dict[str, Any]:
    """Return the status now. Its keys and their meaning change only with the version."""
    return at(standing(loop), loop.clock.now())


def at(standing: dict[str, Any], now: float) -> dict[str, Any]:
    """Return the status at a time by the clock's `now`: what has a time to come is told by the seconds until then."""
    told = dict(standing)
    if (trial := standing.get("trial")) is not None:
        told["trial"] = _left(trial, "deadline", "seconds_left", now)
    if objects := standing.get("objects"):
        told["objects"] = [_left(one, "retry_at", "retry_in", now) for one in objects]
    return told


def _left(told: dict[str, Any], time: str, seconds: str, now: float) -> dict[str, Any]:
    if time not in told:
        return told
    left = None if told[time] is None else round(max(0.0, told[time] - now), 1)
    return {(seconds if name == time else name): (left if name == time else value) for name, value in told.items()}


def standing(loop: Loop) -> dict[str, Any]:
    """Return the status as it stands until something happens; `at` makes of it the one at a time."""
    why = reasons(loop)
    plan = None if loop.seen is None else loop.seen.plan
    return {
        "stellwerk_status": VERSION,
        "node": "" if loop.wanted is None else loop.wanted.node,
        "mode": _mode(loop),
        "sync": {
            "state": loop.sync.value,
            "since": round(loop.sync.wall, 3),
            "reason": "" if plan is None else facts.difference(plan),
        },
        "health": {
            "state": "degraded" if why else "healthy",
            "since": round(loop.health.wall, 3),
            "reasons": why[:MOST_OBJECTS],
        },
        "intent": _intent(loop),
        "git": _git(loop),
        "trial": _trial(loop),
        "objects": list(islice(_objects(loop), MOST_OBJECTS)),
        "offers": loop.holding.offers.shown(loop.seen),
        "owned": 0 if loop.seen is None else len(loop.seen.observation.owned),
        "checks": [
            {"check": one.check.describe(), "passed": one.passed, "reason": one.reason} for one in loop.checks.results
        ],
        "services": [dict(one) for one in loop.services],
        **loop.notices.shown(),
        "counts": loop.notices.counts(),
        "notes": [] if loop.wanted is None else list(loop.wanted.notes),
        "recent": list(loop.telling.recent),
        "rounds": loop.work.rounds,
        "work": loop.work.shown(),
    }


def _mode(loop: Loop) -> dict[str, Any]:
    suspension = loop.permission.suspension
    if suspension is None:
        return {"mode": str(loop.permission.mode)}
    return {
        "mode": "suspended",
        "reason": suspension.reason,
        "since": round(suspension.since, 3),
        "until": suspension.until(loop.clock),
    }


def _intent(loop: Loop) -> dict[str, Any]:
    custody = loop.custody
    held, intents, candidate = custody.held(), custody.intents, custody.candidate()
    return {
        "file": custody.file.name,
        "in_file": None if custody.file.document is None else custody.file.document.digest,
        "problem": custody.file.problem,
        "refused": _why_refused(custody),
        "held": None if held is None else held.digest,
        "commit": None if held is None or held.commit is None else held.commit.to_json(),
        "tried": None if candidate is None else candidate.digest,
        "by_hand": intents.given is not None and candidate is intents.given.document,
        "not_undone": _not_undone(loop),
        "good": None if intents.good is None else intents.good.digest,
        "good_since": round(intents.good_since, 3),
        "quarantine": [
            {"digest": one.digest, "since": round(one.since, 3), "reason": one.reason} for one in intents.quarantine
        ],
    }


def behind(loop: Loop) -> str:
    """Return why the node is not held at what its file asks for, nothing where it is."""
    custody = loop.custody
    asked, held = custody.file.document, custody.held()
    if custody.file.problem is not None:
        return custody.file.problem
    if asked is None or (held is not None and held.digest == asked.digest):
        return ""
    if (why := _why_refused(custody)) is not None:
        return why
    if custody.candidate() is not asked:
        return "another document was given by hand, and counts until the node file changes"
    return "it is not carried out yet" if loop.permission.granted else "nothing may be changed now"


def _git(loop: Loop) -> dict[str, Any] | None:
    """Return how the repository is, and how far behind it the node is; ``None`` for a node that follows a file."""
    if loop.git is None:
        return None
    why = behind(loop)
    return {**loop.git, "behind": {"since": round(loop.behind.wall, 3), "reason": why} if why else None}


def _not_undone(loop: Loop) -> dict[str, Any] | None:
    """Return what was on trial and is there all the same, since the one before cannot be carried out now."""
    left = loop.holding.not_undone
    return None if left is None else left._asdict()


def _why_refused(custody: Custody) -> str | None:
    """Return why what is asked for was not adopted or was rolled back, ``None`` where it was not."""
    if custody.refusal is not None:
        return custody.refusal.reason
    candidate = custody.candidate()
    known = None if candidate is None else custody.intents.quarantined(candidate.digest)
    return None if known is None else known.reason


def _trial(loop: Loop) -> dict[str, Any] | None:
    trial = loop.custody.intents.trial
    if trial is None:
        return None
    return {
        "digest": trial.document.digest,
        "since": round(trial.since, 3),
        # Of another start of the machine it says nothing: that trial is over.
        "deadline": trial.deadline if trial.boot == loop.clock.boot() else 0.0,
        "confirmed_by": "checks" if loop.wanted is not None and loop.wanted.checks else "hand",
    }


def _objects(loop: Loop) -> Iterator[dict[str, Any]]:
    """Yield the objects that are not as they should be, each with its state and the reason."""
    if loop.seen is None:
        return
    plan = loop.seen.plan
    fights, failures = loop.rounds.fights.all(), loop.rounds.retries.failures
    for operation in plan.operations:
        told = {**facts.named(operation.key, operation.resource), "state": "drifted", "reason": operation.reason}
        if (failure := failures.get(operation.key)) is not None:
            again = None if math.isinf(failure.until) else failure.until
            told |= {"state": "failed", "reason": failure.error, "retry_at": again}
        elif (fight := fights.get(operation.key)) is not None:
            told |= {
                "state": "fought over",
                "reason": facts.fights({operation.key: fight})[0],
                "retry_at": fight.until,
            }
        yield told
    for held in plan.pending:
        yield {**facts.named(held.resource.key, held.resource), "state": "pending", "reason": held.reason}
    for conflict in plan.conflicts:
        yield {**facts.named(conflict.key), "state": "in conflict", "reason": conflict.reason}
