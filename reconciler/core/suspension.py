"""An operator's word that a node is not to be changed for now, which outlives the program and the machine's start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Suspension:
    """No change is made before ``until``, or before it is lifted where that is ``None``; in seconds since 1970."""

    reason: str
    since: float
    until: float | None

    def over(self, wall: float) -> bool:
        """Return whether it has run out at a time in seconds since 1970."""
        return self.until is not None and wall >= self.until


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
