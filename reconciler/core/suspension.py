"""An operator's word that a node is not to be changed for now, which outlives the program but not a machine's start.

A machine that was started anew is bare: were nothing changed then, nobody could reach it to say that changes are wanted
again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.core.clock import Clock


@dataclass(frozen=True, slots=True)
class Suspension:
    """No change is made before ``deadline``, in seconds since the boot ``boot``, or before it is lifted for ``None``.

    It holds for that start of the machine only. ``since`` is in seconds since 1970, to be shown.
    """

    reason: str
    since: float
    deadline: float | None
    boot: str

    def until(self, clock: Clock) -> float | None:
        """Return when it ends, in seconds since 1970 as the machine believes now; ``None`` for no end."""
        return None if self.deadline is None else clock.wall() + self.deadline - clock.now()

    def why_over(self, clock: Clock) -> str | None:
        """Return why it holds no longer, ``None`` while it does."""
        if self.boot != clock.boot():
            return "the machine was started anew"
        if self.deadline is not None and clock.now() >= self.deadline:
            return "the time of the suspension is over"
        return None


class SuspensionStore(Protocol):
    """Where a suspension is kept between runs."""

    def load_suspension(self) -> Suspension | None:
        """Return the suspension, ``None`` when there is none. Raises StellwerkError when it is damaged.

        Who cannot read it does best to change nothing.
        """
        ...

    def save_suspension(self, suspension: Suspension | None) -> None:
        """Keep the suspension, or lift it, so that this survives a crash once it returns. Raises StellwerkError."""
        ...
