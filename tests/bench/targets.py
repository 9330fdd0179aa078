"""What is promised about size and speed, and whether it is so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.bench.case import PEERS, ROUTES, STATISTICS_ROUTES
from tests.bench.cases.audit import AUDIT
from tests.bench.cases.audit import SIZES as AUDITS
from tests.bench.cases.changes import DIFF
from tests.bench.cases.exit_node import MEMORY as EXIT_MEMORY
from tests.bench.cases.exit_node import PREFIXES
from tests.bench.cases.first_apply import FIRST
from tests.bench.cases.fleet import ALL as FLEET_CHECKED
from tests.bench.cases.fleet import ONE_CHECKED, ONE_WRITTEN
from tests.bench.cases.fleet import SIZES as FLEETS
from tests.bench.cases.fleet import WRITTEN as FLEET_RENDERED
from tests.bench.cases.noop_round import NOOP
from tests.bench.cases.plan_process import PLAN
from tests.bench.cases.running_daemon import FILE, MEMORY, REPAIR
from tests.bench.cases.statistics_burst import BURST
from tests.bench.cases.statistics_following import EVERY_SECONDS, FOLLOW, NEIGHBOUR
from tests.bench.cases.statistics_following import MEMORY as STATS_MEMORY
from tests.bench.cases.statistics_following import MEMORY_ROUTES as STATS_MEMORY_ROUTES
from tests.bench.cases.statistics_queries import FLOOD, QUERY
from tests.bench.cases.wireguard import CHANGE
from tests.bench.cases.wireguard import FIRST as WIREGUARD_FIRST
from tests.bench.cases.wireguard import NOOP as WIREGUARD_NOOP
from tests.bench.findings import Finding

LARGE = max(ROUTES)
MANY_PEERS = max(PEERS)
MOST_GROWTH = 1.3
Basis = Literal["median", "most", "ratio", "difference", "size"]
FEW_STATISTICS, SOME_STATISTICS, MANY_STATISTICS = STATISTICS_ROUTES


@dataclass(frozen=True, slots=True)
class Target:
    """A promise about one quantity of a case at one size: its median or largest value, or its median compared, at most.

    It is compared with the peer's, or with the median of the smaller size ``beside``.
    """

    case: str
    quantity: str
    size: int
    basis: Basis
    most: float
    kernel: str = "this"
    unit: str = "s"
    beside: int = 0


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
    Target(QUERY, "CPU", MANY_STATISTICS, "median", 0.0003),
    Target(QUERY, "CPU", MANY_STATISTICS, "size", 1.2, beside=FEW_STATISTICS),
    Target(QUERY, "from babeld", MANY_STATISTICS, "most", 0, unit="bytes"),
    Target(FOLLOW["dump"], "CPU of babeld a second, asked", MANY_STATISTICS, "difference", 0.003),
    Target(FOLLOW["monitor"], "CPU of babeld a second, asked", MANY_STATISTICS, "difference", 0.01),
    Target(FOLLOW["dump"], f"dumps in {EVERY_SECONDS} s", MANY_STATISTICS, "median", 1, unit="dumps"),
    Target(FOLLOW["monitor"], "CPU of ours a second", SOME_STATISTICS, "median", 0.005),
    Target(FOLLOW["monitor"], "CPU of ours a second", MANY_STATISTICS, "median", 0.02),
    Target(BURST, "wait: connections lost", MANY_STATISTICS, "most", 0, unit="connections"),
    Target(BURST, "compute: connections lost", MANY_STATISTICS, "most", 0, unit="connections"),
    Target(FLOOD, "unanswered", MANY_STATISTICS, "most", 0, unit="queries"),
    Target(FLOOD, "longest wait of babeld", MANY_STATISTICS, "most", 0.1),
    Target(FLOOD, "CPU of babeld a second", MANY_STATISTICS, "ratio", 1.2),
    Target(STATS_MEMORY, "peak", MANY_STATISTICS, "median", 35, unit="MiB"),
    Target(STATS_MEMORY_ROUTES, "peak", MANY_STATISTICS, "median", 60, unit="MiB"),
    Target(FLEET_CHECKED, "wall", max(FLEETS), "median", 20),
    Target(FLEET_RENDERED, "wall", max(FLEETS), "median", 20),
    Target(ONE_CHECKED, "wall", max(FLEETS), "median", 2),
    Target(ONE_WRITTEN, "wall", max(FLEETS), "median", 2),
    Target(AUDIT, "wall", max(AUDITS), "median", 30),
    Target(NEIGHBOUR, "lost", FEW_STATISTICS, "most", 0.05),
    Target(NEIGHBOUR, "gained", FEW_STATISTICS, "most", 0.05),
)
GROWS = {
    **dict.fromkeys(((NOOP, "CPU"), (NOOP, "wall"), (FIRST, "CPU"), (FIRST, "wall"), (FILE, "wall")), ROUTES),
    **dict.fromkeys(((DIFF, "wall"), (REPAIR, "wall"), (PLAN, "wall")), ROUTES),
    **dict.fromkeys(((WIREGUARD_NOOP, "CPU"), (WIREGUARD_NOOP, "wall"), (WIREGUARD_FIRST, "wall")), PEERS),
    **dict.fromkeys(((FLEET_CHECKED, "CPU"), (FLEET_RENDERED, "CPU")), FLEETS),
}
"""What may not grow faster than the number of rows, and with the sizes at which that is seen."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a promise; ``None`` for the value of what was not measured."""

    target: Target
    finding: Finding | None
    few: Finding | None = None
    """What was measured at the size that the promise compares with."""

    @property
    def value(self) -> float | None:
        """The value that the promise is about."""
        if self.finding is None:
            return None
        found = {
            "median": self.finding.ours.median,
            "most": max(self.finding.ours.values),
            "ratio": self.finding.ratio,
            "difference": self.finding.difference,
            "size": None if self.few is None else self.finding.ours.median / self.few.ours.median,
        }
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
        Verdict(
            target,
            known.get((target.case, target.quantity, target.size, target.kernel)),
            known.get((target.case, target.quantity, target.beside, target.kernel)),
        )
        for target in TARGETS
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
