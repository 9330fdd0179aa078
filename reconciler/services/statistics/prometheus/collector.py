"""Makes of the figures what prometheus-client writes down, at each scrape anew."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from reconciler.core.errors import UnreachableError
from reconciler.services.statistics.counters import Counter, Counters
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.prometheus import babel, firewall, links, machine, node
from reconciler.services.statistics.prometheus.metrics import Metric, Part, Sample, gauge

log = logging.getLogger("stellwerk")

PARTS = (node.ABOUT, node.STATUS, node.EXITS, babel.PART, links.LINKS, links.PEERS, firewall.PART, machine.PART)
PART_UP = gauge("stellwerk_part_up", "Whether a part of these figures could be had; without, it is left out.", "part")


def declared() -> tuple[Metric, ...]:
    """Return all metrics of the node, each once."""
    return tuple(dict.fromkeys((PART_UP, *(metric for part in PARTS for metric in part.metrics))))


def registry(figures: Figures, counters: Counters) -> CollectorRegistry:
    """Return a registry of its own with the node's metrics, what its parts counted, and this process (`process_*`)."""
    found = CollectorRegistry()
    found.register(NodeCollector(figures, counters))
    ProcessCollector(registry=found)
    return found


class NodeCollector(Collector):
    """The metrics of a node. Nothing is kept from one scrape to the next: what is not known now has no series."""

    def __init__(self, figures: Figures, counters: Counters) -> None:
        self._figures = figures
        self._counters = counters
        self._failed: dict[str, str] = {}

    def describe(self) -> Iterable[Family]:
        """Return nothing: the names are checked by tests, and to collect is not for the start."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield what is to be said now."""
        found: dict[Metric, dict[tuple[str, ...], float]] = {metric: {} for metric in declared()}
        for part in PARTS:
            samples = self._read(part)
            for sample in samples or (PART_UP.is_(False, part.name),):
                found[sample.metric][sample.labels] = sample.value
        for metric, values in found.items():
            if values:
                yield _family(metric.name, metric.type, metric.help, metric.labels, values)
        for counter in self._counters.all():
            yield _counted(counter)

    def _read(self, part: Part) -> tuple[Sample, ...]:
        """Return the samples of a part and that it is up; nothing where something is wrong with it."""
        try:
            if (problem := self._figures.problems().get(part.source)) is not None:
                raise UnreachableError(problem)
            samples = (*part.read(self._figures), PART_UP.is_(True, part.name))
        except Exception as exc:  # noqa: BLE001 - one part that fails must not take the others with it
            if self._failed.get(part.name) != repr(exc):
                self._failed[part.name] = repr(exc)
                log.error("part of the metrics failed", extra={"fact": {"part": part.name, "because": repr(exc)}})
            return ()
        self._failed.pop(part.name, None)
        return samples


def _counted(counter: Counter) -> Family:
    return _family(counter.name, "counter", counter.help, counter.labels, counter.values())


def _family(
    name: str, kind: str, words: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> Family:
    # The library wants a counter's name without its ending, and writes it with it.
    family = Family(name.removesuffix("_total") if kind == "counter" else name, words, kind)
    for one, value in values.items():
        family.add_sample(name, dict(zip(labels, one, strict=True)), value)
    return family
