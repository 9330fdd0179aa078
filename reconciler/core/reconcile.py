"""One round: look, compare, refuse or change, look again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from intent.resources.resource import Resource
from reconciler.core.apply import Outcome, Result, Watcher, carry_out
from reconciler.core.backend import Backend
from reconciler.core.diff import diff
from reconciler.core.errors import RefusedError
from reconciler.core.inventory import InventoryStore
from reconciler.core.observe import Observation, observe
from reconciler.core.plan import Plan


@dataclass(frozen=True)
class Look:
    """What was seen and what is to be done about it."""

    observation: Observation
    plan: Plan


@dataclass(frozen=True)
class Round:
    """What was done, and the plan that remains: empty when the node is what it should be."""

    outcomes: tuple[Outcome, ...]
    remaining: Plan

    @property
    def failed(self) -> bool:
        """Whether an operation did not succeed, or a difference is left that nothing accounts for."""
        left = self.remaining
        return any(outcome.result is not Result.DONE for outcome in self.outcomes) or bool(
            left.operations or left.unseen
        )


class ConflictError(RefusedError):
    """Objects that are not ours are in the way."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("; ".join(f"{conflict.key}: {conflict.reason}" for conflict in plan.conflicts))
        self.plan = plan


def look(desired: Sequence[Resource], backends: Sequence[Backend], store: InventoryStore) -> Look:
    """Look at the node and plan; change nothing. Raises PlanError."""
    observation = observe(backends, desired, store.load())
    return Look(observation, diff(desired, observation))


def apply(
    plan: Plan,
    desired: Sequence[Resource],
    backends: Sequence[Backend],
    store: InventoryStore,
    watch: Watcher = lambda _: None,
) -> Round:
    """Carry out the plan and verify by looking again. Raises ConflictError, and then nothing was changed."""
    if plan.conflicts:
        raise ConflictError(plan)
    outcomes = carry_out(plan, backends, store, watch)
    return Round(outcomes, look(desired, backends, store).plan)
