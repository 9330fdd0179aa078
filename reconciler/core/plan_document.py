"""A plan as versioned JSON, and whether a saved one still fits the node."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from typing import Any

from intent.resources.resource import Key, Resource
from intent.secrets import PrivateKey, Secret
from reconciler.core.errors import RefusedError, UnsupportedError
from reconciler.core.plan import Action, Operation, Plan

VERSION = 1
HIDDEN = "(secret)"
"""Stands for every secret but a private key, of which the public half is shown: guesses cannot be tried on it."""


class MovedOnError(RefusedError):
    """The node is no longer what it was when the plan was saved."""


class DamagedPlanError(RefusedError):
    """What should be the JSON form of a plan is something else."""


@dataclass(frozen=True, slots=True)
class Step:
    """An operation as a saved plan holds it: what it does, to what, between which others, and a digest of all values.

    The digest tells apart what a description, which is for people, may not.
    """

    action: Action
    key: tuple[str | int, ...]
    description: str
    impact: str
    takes: tuple[tuple[str | int, ...], ...]
    after: tuple[int, ...]
    digest: str

    def __str__(self) -> str:
        """Return the step in words."""
        return f"{self.action} {self.description}"


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


def steps(document: Any) -> tuple[Step, ...]:
    """Return the operations of a plan in its JSON form. Raises DamagedPlanError for anything else."""
    try:
        return tuple(_step(step) for step in _list(document["operations"]))
    except (LookupError, TypeError, ValueError) as exc:
        raise DamagedPlanError("the operations in it are damaged") from exc


def check_still_fits(saved: Sequence[Step], now: Plan) -> None:
    """Compare the operations of a saved plan with those of a new one. Raises MovedOnError, naming differences."""
    needed = steps(to_json(now))
    if tuple(saved) == needed:
        return
    before = {(step.action, step.key): step for step in saved}
    after = {(step.action, step.key): step for step in needed}
    told = [f"no longer needed: {step}" for same, step in before.items() if same not in after]
    told += [f"needed now: {step}" for same, step in after.items() if same not in before]
    told += [
        f"needed now with other values: {step}"
        for same, step in after.items()
        if same in before and before[same].digest != step.digest
    ]
    told = told or ["the same operations in another order, or with another effect on others"]
    more = f"; and {len(told) - 5} more" if len(told) > 5 else ""
    raise MovedOnError(f"the node has moved on since the plan was made: {'; '.join(told[:5])}{more}; make a new plan")


def _operation(operation: Operation) -> dict[str, Any]:
    return {
        "action": str(operation.action),
        **_object(operation.key, operation.resource),
        "reason": operation.reason,
        "impact": str(operation.impact),
        "changes": {
            field: {"before": _value(change.have), "after": _value(change.want)}
            for field, change in operation.changes.items()
        },
        "takes": [_key(key) for key in operation.takes],
        "after": list(operation.after),
        "digest": _digest(operation),
    }


def _object(key: Key, resource: Resource) -> dict[str, Any]:
    return {"key": _key(key), "description": resource.describe()}


def _key(key: Key) -> list[str | int]:
    return [key.space, *key.name]


def _digest(operation: Operation) -> str:
    values = {
        "changes": {field: _value(tuple(change)) for field, change in operation.changes.items()},
        "desired": _whole(operation.desired),
        "observed": _whole(operation.observed),
    }
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _whole(resource: Resource | None) -> Any:
    return None if resource is None else [type(resource).__name__, _value(resource)]


def _value(value: Any) -> Any:
    """Return a field's value as JSON, without secrets, and without what the value is not compared by."""
    if isinstance(value, PrivateKey):
        return {"public_key": base64.b64encode(value.public).decode()}
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, bytes):
        return {"bytes": len(value), "sha256": sha256(value).hexdigest()}
    if is_dataclass(value):
        return {field.name: _value(getattr(value, field.name)) for field in fields(value) if field.compare}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _value(part) for name, part in value._asdict().items()}
    if isinstance(value, Mapping):
        return {str(name): _value(part) for name, part in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(map(_value, value), key=json.dumps)
    if isinstance(value, tuple | list):
        return [_value(part) for part in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _step(step: Any) -> Step:
    return Step(
        action=Action(step["action"]),
        key=_name(step["key"]),
        description=_instance(step["description"], str),
        impact=_instance(step["impact"], str),
        takes=tuple(_name(key) for key in _list(step["takes"])),
        after=tuple(_instance(position, int) for position in _list(step["after"])),
        digest=_instance(step["digest"], str),
    )


def _name(key: Any) -> tuple[str | int, ...]:
    space, *name = _list(key)
    return (_instance(space, str), *(_instance(part, str, int) for part in name))


def _list(value: Any) -> list[Any]:
    found: list[Any] = _instance(value, list)
    return found


def _instance(value: Any, *kinds: type) -> Any:
    """Return the value. Raises TypeError when it is of another kind."""
    if type(value) not in kinds:
        raise TypeError(f"{type(value).__name__} stands where {' or '.join(kind.__name__ for kind in kinds)} belongs")
    return value
