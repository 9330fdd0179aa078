"""A case: something to measure, at several sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.findings import Finding
from tests.bench.place import Place

ROUTES = (1_000, 10_000, 100_000)
PEERS = (100, 1_000, 5_000)
STATISTICS_ROUTES = (100, 1_000, 10_000)


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured, at which sizes, and how. ``about`` says for a reader what exactly, a text for each finding.

    ``limit_seconds`` ends a measurement that takes too long. With ``full_kernel_sizes`` it is measured on a kernel with
    WireGuard as well.
    """

    name: str
    measure: Callable[[Place, int], Iterator[Finding]]
    about: dict[str, str]
    sizes: tuple[int, ...] = ROUTES
    limit_seconds: float = 240.0
    full_kernel_sizes: tuple[int, ...] = ()
