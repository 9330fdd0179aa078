"""A state, and since when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Axis:
    """A state and the time, in seconds since 1970, since when it has been so."""

    value: str = "unknown"
    wall: float = 0.0

    def become(self, value: str, wall: float) -> None:
        """Take a state; the same one keeps its time."""
        if value != self.value or not self.wall:
            self.value, self.wall = value, wall
