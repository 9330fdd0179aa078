"""An operator's word that something is not to be offered for now, such as an exit before its machine is worked on.

Unlike a suspension it outlives a start of the machine: who drained a node wants it to come back quietly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from reconciler.core.clock import Clock


@dataclass(frozen=True, slots=True)
class Order:
    """What is drained, why, and since when and until when (seconds since 1970), ``None`` for no end.

    Within the start ``boot`` of the machine the end is ``deadline``, by the clock's `now`, whatever becomes of the
    time of day.
    """

    name: str
    reason: str
    since: float
    until: float | None
    deadline: float | None
    boot: str

    def seconds_left(self, clock: Clock) -> float | None:
        """Return for how long it holds, at least nothing; ``None`` for no end."""
        if self.until is None or self.deadline is None:
            return None
        left = self.deadline - clock.now() if self.boot == clock.boot() else self.until - clock.wall()
        return max(0.0, left)


@dataclass(frozen=True, slots=True)
class Drains:
    """All orders, one for each name."""

    orders: tuple[Order, ...] = ()

    def holding(self, clock: Clock) -> Drains:
        """Return those whose time is not over."""
        return Drains(tuple(one for one in self.orders if one.seconds_left(clock) != 0.0))

    def over(self, clock: Clock) -> tuple[Order, ...]:
        """Return those whose time is over."""
        return tuple(one for one in self.orders if one.seconds_left(clock) == 0.0)

    def of(self, name: str) -> Order | None:
        """Return the order of that name, ``None`` when there is none."""
        return next((one for one in self.orders if one.name == name), None)

    def adding(self, names: Iterable[str], reason: str, seconds: float | None, clock: Clock) -> Drains:
        """Return these with new orders, which take the place of those with the same names."""
        now, wall, boot, wanted = clock.now(), clock.wall(), clock.boot(), tuple(names)
        until, deadline = (None, None) if seconds is None else (wall + seconds, now + seconds)
        new = (Order(name, reason, wall, until, deadline, boot) for name in wanted)
        return Drains((*self.without(wanted).orders, *new))

    def without(self, names: Collection[str]) -> Drains:
        """Return these without the orders of those names."""
        return Drains(tuple(one for one in self.orders if one.name not in names))


class DrainStore(Protocol):
    """Where orders are kept between runs."""

    def load_drains(self) -> Drains:
        """Return the orders, none when there are none. Raises StellwerkError when they are damaged."""
        ...

    def save_drains(self, drains: Drains) -> None:
        """Keep the orders so that they survive a crash from the moment this returns. Raises StellwerkError."""
        ...
