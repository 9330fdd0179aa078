"""What an operator has drained, from the state folder."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

from intent.fitness import Drained, DrainOrder
from intent.references import Reference
from reconciler.backends.machine_clock import MachineClock
from reconciler.backends.references import Resolution, Resolver
from reconciler.core.clock import Clock
from reconciler.core.drains import Drains, DrainStore


class DrainedByHand(Resolver[Drained]):
    """Resolves whether things are drained; without a store nothing is.

    It is asked anew when the time of an order is over; who writes an order says so by itself.
    """

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (Drained,)

    def __init__(self, store: DrainStore | None = None, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or MachineClock()
        self._due = math.inf

    def resolve(self, reference: Drained) -> Resolution:
        """Return the order that holds for it, if any. Raises StellwerkError when they cannot be read."""
        return self.resolve_all([reference])[reference]

    def resolve_all(self, references: Iterable[Drained]) -> dict[Drained, Resolution]:
        """Return the orders that hold. Raises StellwerkError when they cannot be read."""
        wanted = tuple(references)
        drains = Drains() if self._store is None or not wanted else self._store.load_drains().holding(self._clock)
        found = {reference: drains.of(reference.of) for reference in wanted}
        times = (one.seconds_left(self._clock) for one in found.values() if one is not None)
        self._due = self._clock.now() + min((left for left in times if left is not None), default=math.inf)
        return {
            reference: Resolution(None if one is None else DrainOrder(one.reason, one.since, one.until))
            for reference, one in found.items()
        }

    def due(self) -> float:
        """Return when the next order ends."""
        return self._due

    def refresh(self) -> bool:
        """Return that an order has ended."""
        self._due = math.inf
        return True


RESOLVER = DrainedByHand
