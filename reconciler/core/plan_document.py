"""A plan as versioned JSON, and whether a saved one still fits the node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from intent.resources.resource import Key, Resource
from reconciler.core.errors import RefusedError, UnsupportedError
from reconciler.core.plan import Operation, Plan

VERSION = 1


class MovedOnError(RefusedError):
    """The node is no longer what it was when the plan was saved."""


def to_json(plan: Plan, lacks: Sequence[UnsupportedError] = ()) -> dict[str, Any]:
    """Return the plan as a JSON object without secrets. Its keys and their meaning change only with the version."""
    return {
        "stellwerk_plan": VERSION,
        "in_sync": plan.empty,
        "operations": [_operation(operation) for operation in plan.operations],
        "pending": [{**_object(held.resource.key, held.resource), "reason": held.reason} for held in plan.pending],
        "conflicts": [{"key": _key(conflict.key), "reason": conflict.reason} for conflict in plan.conflicts],
        "unseen": {table: str(error) for table, error in sorted(plan.unseen.items())},
        "lacks": [str(error) for error in lacks],
    }


def check_still_fits(saved: dict[str, Any], now: dict[str, Any]) -> None:
    """Compare the operations of a saved plan with those of a new look. Raises MovedOnError, naming differences."""
    before = {_line(step): step for step in saved["operations"]}
    after = {_line(step): step for step in now["operations"]}
    if saved["operations"] == now["operations"]:
        return
    gone = [f"no longer needed: {line}" for line in before if line not in after]
    new = [f"needed now: {line}" for line in after if line not in before]
    told = gone + new or ["the same operations in another order or for other reasons"]
    more = f"; and {len(told) - 5} more" if len(told) > 5 else ""
    raise MovedOnError(f"the node has moved on since the plan was made: {'; '.join(told[:5])}{more}; make a new plan")


def _operation(operation: Operation) -> dict[str, Any]:
    before, after = operation.observed, operation.desired
    return {
        "action": str(operation.action),
        **_object(operation.key, operation.resource),
        "reason": operation.reason,
        "impact": str(operation.impact),
        "changes": {
            field: {"before": before.show(field) if before else None, "after": after.show(field) if after else None}
            for field in operation.changes
        },
        "takes": [_key(key) for key in operation.takes],
        "after": list(operation.after),
    }


def _object(key: Key, resource: Resource) -> dict[str, Any]:
    return {"key": _key(key), "description": resource.describe()}


def _key(key: Key) -> list[str | int]:
    return [key.space, *key.name]


def _line(step: dict[str, Any]) -> str:
    return f"{step['action']} {step['description']}"
