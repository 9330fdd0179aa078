"""Guards against a plan that is probably a mistake."""

from __future__ import annotations

from reconciler.core.errors import RefusedError
from reconciler.core.plan import Action, Impact
from reconciler.core.reconcile import Look

LARGEST_DELETED_SHARE = 0.5
"""Of what is ours on the node, the share that a plan may delete unasked."""


class DeletionsError(RefusedError):
    """The plan would delete more of the node than is done unasked."""


def check_deletions(seen: Look) -> None:
    """Count what a plan deletes for good. Raises DeletionsError when it is more than `LARGEST_DELETED_SHARE`."""
    owned = len(seen.observation.owned)
    deleted = sum(
        1 + len(operation.takes)
        for operation in seen.plan.operations
        if operation.action is Action.DELETE and operation.impact is Impact.REMOVAL
    )
    if deleted > owned * LARGEST_DELETED_SHARE:
        raise DeletionsError(
            f"the plan deletes {deleted} of the {owned} objects that are ours on this node; "
            "if that is meant, say --allow-deletes"
        )
