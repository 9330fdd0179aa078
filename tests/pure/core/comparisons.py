"""Plans and observations as what of them must be the same however they were found."""

from __future__ import annotations

import math
from collections.abc import Hashable, Set
from dataclasses import replace

import pytest

from intent.resources.resource import Key
from reconciler.core import diff as comparing
from reconciler.core.desired import Desired
from reconciler.core.diff import diff
from reconciler.core.observe import Observation
from reconciler.core.plan import Operation, Plan, PlanError


def of_what_hangs_together(desired: Desired, seen: Observation, stuck: Set[Key] = frozenset()) -> object:
    """Return the plan as found of what is not settled and what hangs together with it, however much that is."""
    assert seen.unsettled is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "SMALL_SHARE", math.inf)
        return _outcome(desired, seen, stuck)


def of_all(desired: Desired, seen: Observation, stuck: Set[Key] = frozenset()) -> object:
    """Return the plan as found by a comparison of everything."""
    return _outcome(desired, replace(seen, unsettled=None), stuck)


def _outcome(desired: Desired, seen: Observation, stuck: Set[Key]) -> object:
    try:
        return _essence(diff(desired, seen, stuck))
    except PlanError as error:
        # Which needers are named of many, and in which order, is free.
        return sorted(problem.partition(", and is needed by ")[0] for problem in error.problems)


def _essence(plan: Plan) -> dict[str, object]:
    return {
        "operations": frozenset(_step(one, plan.operations) for one in plan.operations),
        "generations": [one.generation for one in plan.operations],
        # Which of several that wait for one another is named as the cause is free.
        "pending": frozenset((one.resource, one.reason.partition("; ")[0]) for one in plan.pending),
        "conflicts": frozenset(plan.conflicts),
        "unseen": tuple(plan.unseen),
    }


def _step(one: Operation, operations: tuple[Operation, ...]) -> Hashable:
    after = frozenset((operations[number].key, operations[number].action) for number in one.after)
    changes = tuple((field, repr(change)) for field, change in one.changes.items())
    return (
        (one.action, one.key, one.desired, one.observed, one.reason, one.impact, changes),
        (frozenset(one.takes), one.generation, after),
    )


def as_told(observation: Observation) -> object:
    """Return what an observation says, whichever way it was found."""
    desired = () if observation.unsettled is None else observation.unsettled.keys
    return (
        *(dict(observation.resources), set(observation.owned), dict(observation.unseen), set(desired)),
        {key for view in observation.tables for key in view.resources} >= observation.resources.keys(),
        dict(observation.vanished),
    )
