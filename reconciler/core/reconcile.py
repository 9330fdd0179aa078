"""One round: look, compare, refuse or change, look again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from intent.resources.resource import Resource
from reconciler.core.apply import Outcome, Result, Watcher, carry_out, lacking
from reconciler.core.backend import Backend
from reconciler.core.diff import diff
from reconciler.core.errors import RefusedError, UnsupportedError
from reconciler.core.inventory import InventoryStore
from reconciler.core.observe import Observation, observe
from reconciler.core.plan import Plan


@dataclass(frozen=True)
class Look:
    """What was seen, what is to be done about it, and what the node lacks for that."""

    observation: Observation
    plan: Plan
    lacks: tuple[UnsupportedError, ...] = ()


@dataclass(frozen=True)
class Round:
    """What was done, and a second look: its plan is empty when the node is what it should be."""

    outcomes: tuple[Outcome, ...]
    remaining: Look

    @property
    def failed(self) -> bool:
        """Whether an operation did not succeed, or a difference is left that nothing accounts for."""
        left = self.remaining.plan
        return any(outcome.result is not Result.DONE for outcome in self.outcomes) or bool(
            left.operations or left.conflicts or left.unseen
        )


class ConflictError(RefusedError):
    """Objects that are not ours are in the way."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("; ".join(f"{conflict.key}: {conflict.reason}" for conflict in plan.conflicts))
        self.plan = plan


class LackError(RefusedError):
    """The kernel or a program lacks what the plan needs."""

    def __init__(self, lacks: Sequence[UnsupportedError]) -> None:
        super().__init__("; ".join(map(str, lacks)))


def look(desired: Sequence[Resource], backends: Sequence[Backend], store: InventoryStore) -> Look:
    """Look at the node and plan; change nothing. Raises PlanError."""
    observation = observe(backends, desired, store.load())
    plan = diff(desired, observation)
    return Look(observation, plan, lacking(plan, backends))


def apply(
    seen: Look,
    desired: Sequence[Resource],
    backends: Sequence[Backend],
    store: InventoryStore,
    watch: Watcher = lambda _: None,
) -> Round:
    """Carry out the plan that was made of a look, and verify by looking again.

    Raises ConflictError and LackError, and then nothing was changed.
    """
    if seen.plan.conflicts:
        raise ConflictError(seen.plan)
    if seen.lacks:
        raise LackError(seen.lacks)
    _forget_what_is_gone(seen.observation, desired, store)
    outcomes = carry_out(seen.plan, backends, store, watch)
    after = look(desired, backends, store)
    _forget_what_is_gone(after.observation, desired, store)
    return Round(outcomes, after)


def _forget_what_is_gone(observation: Observation, desired: Sequence[Resource], store: InventoryStore) -> None:
    """Drop from the inventory what somebody else has removed: made again by others, it would not be ours."""
    if observation.unseen:
        return
    inventory = store.load()
    wanted = {resource.key for resource in desired}
    gone = [key for key in inventory.entries if key not in observation.resources and key not in wanted]
    if gone:
        store.save(inventory.without(gone))
