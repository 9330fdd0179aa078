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
    """No change is made before ``until``, or before it is lifted where that is ``None``; in seconds since 1970.

    It holds for the machine's start ``boot`` only, as a clock tells it.
    """

    reason: str
    since: float
    until: float | None
    boot: str

    def why_over(self, clock: Clock) -> str | None:
        """Return why it holds no longer, ``None`` while it does."""
        if self.boot != clock.boot():
            return "the machine was started anew"
        if self.until is not None and clock.wall() >= self.until:
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
