"""Guards against a plan that is probably a mistake."""

from __future__ import annotations

from reconciler.core.errors import RefusedError
from reconciler.core.plan import Action, Impact
from reconciler.core.reconcile import Look


class DeletionsError(RefusedError):
    """The plan would delete more of the node than is done unasked."""


def check_deletions(seen: Look, largest_share: float) -> None:
    """Count what a plan deletes for good.

    Raises DeletionsError when it is more than ``largest_share``, from 0 to 1, of what is ours on the node.
    """
    observation = seen.observation
    owned = len(observation.owned)
    deleted = sum(
        1 + len(operation.takes)
        for operation in seen.plan.operations
        if operation.action is Action.DELETE and operation.impact is Impact.REMOVAL
    )
    # What is to go and only waits for something goes by itself later.
    deleted += sum(held.resource is observation.resources.get(held.resource.key) for held in seen.plan.pending)
    # The quotients of equal shares are equal numbers, which products need not be.
    if deleted and deleted / max(deleted, owned) > largest_share:
        raise DeletionsError(
            f"the plan deletes {deleted} of the {owned} objects that are ours on this node, more than "
            f"{largest_share:.0%}; if that is meant, say --allow-deletes"
        )
