"""What a round did, as facts for the history, the log and the status: JSON objects without secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from intent.resources.resource import Key, Resource
from reconciler.core.apply import Outcome, Result
from reconciler.core.plan import Action, Impact, Plan
from reconciler.core.reconcile import Round
from reconciler.core.retries import Fight

MOST_FIGHTS = 10
"""Up to how many objects that are fought over are told of one by one."""
MOST_OPERATIONS = 100
"""How many operations a fact lists; of more it tells the number."""


def operations(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Return what was tried, and what became of it. What was only waiting for something is left out."""
    tried = [outcome for outcome in outcomes if outcome.result is not Result.SKIPPED]
    found: dict[str, Any] = {"operations": [of_outcome(outcome) for outcome in tried[:MOST_OPERATIONS]]}
    if len(tried) > MOST_OPERATIONS:
        found["more_operations"] = len(tried) - MOST_OPERATIONS
    return found


def of_outcome(outcome: Outcome) -> dict[str, Any]:
    """Return an operation and what became of it."""
    operation = outcome.operation
    told: dict[str, Any] = {
        "action": str(operation.action),
        "description": operation.resource.describe(),
        "impact": str(operation.impact),
        "reason": operation.reason,
        "result": str(outcome.result),
    }
    if outcome.error is not None:
        told["error"] = str(outcome.error)
    if outcome.because is not None:
        told["because"] = str(outcome.because)
    if outcome.undrained is not None:
        told["undrained"] = str(outcome.undrained)
    return told


def outcome(done: Round) -> str:
    """Return in a few words how a round ended."""
    results = [one.result for one in done.outcomes]
    words = [f"{results.count(result)} {result}" for result in (Result.DONE, Result.FAILED) if results.count(result)]
    return ", ".join((*words, difference(done.remaining.plan)))


def difference(plan: Plan) -> str:
    """Return in a few words what is not as it should be."""
    if plan.empty:
        return "in sync"
    counts = {
        "to create": _count(plan, Action.CREATE, Impact.ADDITION),
        "to change": _count(plan, Action.UPDATE, Impact.IN_PLACE, Impact.DISRUPTIVE),
        "to replace": _count(plan, Action.CREATE, Impact.REPLACEMENT),
        "to delete": _count(plan, Action.DELETE, Impact.REMOVAL),
        "to retract": _count(plan, Action.DELETE, Impact.RETRACTION),
        "pending": len(plan.pending),
        "in conflict": len(plan.conflicts),
        "not seen": len(plan.unseen),
    }
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _count(plan: Plan, action: Action, *impacts: Impact) -> int:
    return sum(operation.action is action and operation.impact in impacts for operation in plan.operations)


def fights(fought: Mapping[Key, Fight]) -> list[str]:
    """Return in words what is changed back again and again, and by whom; many objects in one line for all."""
    if len(fought) > MOST_FIGHTS:
        names = sorted(map(str, fought))
        actors = sorted({fight.actor for fight in fought.values() if fight.actor})
        by = f"; last by {shortened(actors, 1)}" if actors else ""
        return [f"{len(names)} objects are changed back again and again, such as {names[0]}{by}"]
    return [
        f"{key} is changed back again and again" + (f"; last by {fought[key].actor}" if fought[key].actor else "")
        for key in sorted(fought, key=str)
    ]


def named(key: Key, resource: Resource | None = None) -> dict[str, Any]:
    """Return an object as facts name it."""
    return {"key": [key.space, *key.name], "description": str(key) if resource is None else resource.describe()}


def shortened(words: Sequence[str], most: int = 3) -> str:
    """Return the first few of many words."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return "; ".join(words[:most]) + more
