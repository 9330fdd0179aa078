"""What was measured, as values that go through JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of several runs, in the unit of their finding."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Return the values of some runs, at least one."""
        found = cls(tuple(values))
        if not found.values:
            raise ValueError("nothing was measured")
        return found

    @property
    def median(self) -> float:
        """The value that half of the runs do not reach."""
        return median(self.values)


@dataclass(frozen=True, slots=True)
class Finding:
    """One quantity of a case at one size, and the same of a peer where there is one.

    ``size`` counts routes, peers or nodes of a fleet. ``unit`` is ``s``, ``MiB`` or a plural such as ``messages``.
    """

    case: str
    size: int
    quantity: str
    unit: str
    ours: Measured
    peer: Measured | None = None
    peer_name: str = ""
    kernel: str = "this"

    @property
    def ratio(self) -> float | None:
        """Our median over the peer's; ``None`` without a peer."""
        return None if self.peer is None or not self.peer.median else self.ours.median / self.peer.median

    @property
    def difference(self) -> float | None:
        """By how much our median is above the peer's."""
        return None if self.peer is None else self.ours.median - self.peer.median

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Return the finding that `to_json` told."""
        peer = told["peer"] and Measured(tuple(told["peer"]["values"]))
        return cls(**{**told, "ours": Measured(tuple(told["ours"]["values"])), "peer": peer})


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that could not be measured, and why."""

    case: str
    size: int
    why: str
    kernel: str = "this"


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found. ``machines`` tells, by kernel, on what."""

    machines: dict[str, dict[str, str]]
    findings: tuple[Finding, ...] = ()
    failures: tuple[Failure, ...] = ()
    about: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Return the report that `to_json` told."""
        return cls(
            told["machines"],
            tuple(map(Finding.from_json, told["findings"])),
            tuple(Failure(**one) for one in told["failures"]),
            told["about"],
        )

    def and_of(self, other: Report) -> Report:
        """Return this report with what another one, of another kernel, found."""
        return Report(
            self.machines | other.machines,
            self.findings + other.findings,
            self.failures + other.failures,
            self.about | other.about,
        )
