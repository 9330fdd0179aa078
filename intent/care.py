"""With what care a node is changed: what its file says about the way to its objects."""

from __future__ import annotations

from dataclasses import dataclass

from intent.checks import Check
from intent.document import Node
from intent.features.checks import Checks, values
from intent.features.confirm import Confirm
from intent.features.guards import DEFAULT_DELETES_PERCENT, Guards

DEFAULT_CONFIRM_SECONDS = 60
"""How long a change stands unconfirmed where the file has checks and says nothing else."""


@dataclass(frozen=True, slots=True)
class Care:
    """How a change is guarded.

    ``confirm_seconds`` is after what time an unconfirmed change is undone, None when changes need no confirmation;
    where there are ``checks``, there is such a time. ``largest_deleted_share`` is of what is ours, from 0 to 1.
    """

    confirm_seconds: int | None
    checks: tuple[Check, ...]
    largest_deleted_share: float


def care(node: Node) -> Care:
    """Return what the file of a node says about care, with the defaults for what it does not say."""
    confirm, checks, guards = node.get(Confirm), node.get(Checks), node.get(Guards)
    wanted = () if checks is None else values(checks, node)
    default = DEFAULT_CONFIRM_SECONDS if wanted else None
    return Care(
        confirm_seconds=default if confirm is None else confirm.root,
        checks=wanted,
        largest_deleted_share=(DEFAULT_DELETES_PERCENT if guards is None else guards.deletes) / 100,
    )
