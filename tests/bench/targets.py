"""What is promised about size and speed, and whether it is so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.bench.case import PEERS, ROUTES
from tests.bench.cases.changes import DIFF
from tests.bench.cases.exit_node import MEMORY as EXIT_MEMORY
from tests.bench.cases.exit_node import PREFIXES
from tests.bench.cases.first_apply import FIRST
from tests.bench.cases.noop_round import NOOP
from tests.bench.cases.plan_process import PLAN
from tests.bench.cases.running_daemon import FILE, MEMORY, REPAIR
from tests.bench.cases.wireguard import CHANGE
from tests.bench.cases.wireguard import FIRST as WIREGUARD_FIRST
from tests.bench.cases.wireguard import NOOP as WIREGUARD_NOOP
from tests.bench.findings import Finding

LARGE = max(ROUTES)
MANY_PEERS = max(PEERS)
MOST_GROWTH = 1.3
Basis = Literal["median", "ratio", "difference"]


@dataclass(frozen=True, slots=True)
class Target:
    """A promise about one quantity of a case at one size: its median, or that compared with the peer's, at most."""

    case: str
    quantity: str
    size: int
    basis: Basis
    most: float
    kernel: str = "this"
    unit: str = "s"


TARGETS = (
    Target(NOOP, "CPU", LARGE, "ratio", 0.6),
    Target(NOOP, "wall", LARGE, "ratio", 0.6),
    Target(FIRST, "wall", LARGE, "ratio", 1.2),
    Target(FILE, "wall", LARGE, "median", 0.5),
    Target(DIFF, "wall", LARGE, "median", 0.05),
    Target(REPAIR, "wall", LARGE, "median", 0.02),
    Target(PLAN, "wall", 10_000, "difference", 0.5),
    Target(WIREGUARD_NOOP, "CPU", MANY_PEERS, "ratio", 1.5, "full"),
    Target(WIREGUARD_NOOP, "wall", MANY_PEERS, "ratio", 1.5, "full"),
    Target(CHANGE, "requests to WireGuard", MANY_PEERS, "median", 1, "full", unit="messages"),
    Target(MEMORY, "peak", LARGE, "median", 150, unit="MiB"),
    Target(EXIT_MEMORY, "peak", PREFIXES, "median", 60, unit="MiB"),
)
GROWS = {
    **dict.fromkeys(((NOOP, "CPU"), (NOOP, "wall"), (FIRST, "CPU"), (FIRST, "wall"), (FILE, "wall")), ROUTES),
    **dict.fromkeys(((DIFF, "wall"), (REPAIR, "wall"), (PLAN, "wall")), ROUTES),
    **dict.fromkeys(((WIREGUARD_NOOP, "CPU"), (WIREGUARD_NOOP, "wall"), (WIREGUARD_FIRST, "wall")), PEERS),
}
"""What may not grow faster than the number of rows, and with the sizes at which that is seen."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a promise; ``None`` for the value of what was not measured."""

    target: Target
    finding: Finding | None

    @property
    def value(self) -> float | None:
        """The value that the promise is about."""
        if self.finding is None:
            return None
        found = {"median": self.finding.ours.median, "ratio": self.finding.ratio, "difference": self.finding.difference}
        return found[self.target.basis]

    @property
    def met(self) -> bool | None:
        """Whether the promise is kept; ``None`` where that was not measured."""
        return None if self.value is None else self.value <= self.target.most


@dataclass(frozen=True, slots=True)
class Growth:
    """How much longer a row takes among many rows than among few."""

    case: str
    quantity: str
    small: int
    large: int
    factor: float
    kernel: str = "this"

    @property
    def met(self) -> bool:
        """Whether it is within what is promised."""
        return self.factor <= MOST_GROWTH


def verdicts(findings: Sequence[Finding]) -> list[Verdict]:
    """Return what became of each promise."""
    known = {(one.case, one.quantity, one.size, one.kernel): one for one in findings}
    return [
        Verdict(target, known.get((target.case, target.quantity, target.size, target.kernel))) for target in TARGETS
    ]


def growths(findings: Sequence[Finding]) -> list[Growth]:
    """Return the growth from the smallest and from the middle size to the largest, where both were measured."""
    known = {(one.case, one.quantity, one.kernel, one.size): one.ours.median / one.size for one in findings}
    found = []
    for (case, quantity), sizes in GROWS.items():
        for kernel in sorted({one.kernel for one in findings}):
            for small in sizes[:-1]:
                few = known.get((case, quantity, kernel, small))
                many = known.get((case, quantity, kernel, sizes[-1]))
                if few and many is not None:
                    found.append(Growth(case, quantity, small, sizes[-1], many / few, kernel))
    return found
