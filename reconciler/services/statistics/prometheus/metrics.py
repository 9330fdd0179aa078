"""How a metric is declared, and how samples of it are given.

Names keep Prometheus' conventions: base units, ``_total`` on counters and on nothing else, ``_info`` on what is always
1, sets of labels that are bounded (prometheus.io, "Metric and label naming").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, TypeVar

from intent.display import printable
from reconciler.services.statistics.figures import Figures

LONGEST_VALUE = 128
"""How many characters the value of a label may have; most come from others."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name, ``gauge`` or ``counter``, what it says, and the names of its labels."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()

    def is_(self, value: float, *labels: object) -> Sample:
        """Return a sample, with the values of the labels in the order of their names."""
        if len(labels) != len(self.labels):
            raise TypeError(f"{self.name} has the labels {self.labels}, not the values {labels}")
        return Sample(self, tuple(map(label, labels)), float(value))

    def states(self, state: str, states: Iterable[str], *labels: object) -> Iterator[Sample]:
        """Yield a sample for each of the states, the last label: 1 for the one that is, 0 for the others."""
        for one in states:
            yield self.is_(one == state, *labels, one)


class Sample(NamedTuple):
    """A value of a metric, with the values of its labels."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


class Part(NamedTuple):
    """Metrics that come from one source: with it all of them fail, and none of the others.

    ``source`` is what the problems of the figures call it, empty where they name none.
    """

    name: str
    metrics: tuple[Metric, ...]
    read: Callable[[Figures], Iterator[Sample]]
    source: str = ""


LEFT_OUT = Metric(
    "stellwerk_left_out",
    "gauge",
    "How many there are beyond those that have series of their own: others can make any number of them.",
    ("part",),
)


def gauge(name: str, help: str, *labels: str) -> Metric:
    """Return a metric that goes up and down."""
    return Metric(name, "gauge", help, labels)


def counter(name: str, help: str, *labels: str) -> Metric:
    """Return a metric that only rises, but for a start of what counts."""
    return Metric(name, "counter", help, labels)


def label(value: object) -> str:
    """Return the value of a label: text of bounded length that can be written as UTF-8 and be seen."""
    text = str(value)
    if len(text) > LONGEST_VALUE:
        text = text[: LONGEST_VALUE - 1] + "…"
    return printable(text)


def limited(part: str, all_of_them: Sequence[T], most: int) -> tuple[Iterator[T], Sample]:
    """Return the first so many of what others can make any number of, and the sample that tells of the rest."""
    return islice(all_of_them, most), LEFT_OUT.is_(max(0, len(all_of_them) - most), part)
