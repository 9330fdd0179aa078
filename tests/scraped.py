"""What a scrape says, read back by Prometheus' own parser."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from intent.statistics import Listen, PrometheusSettings, Statistics
from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.prometheus.collector import registry
from reconciler.services.statistics.prometheus.exposition import Format, rendering
from tests.figures import SETTINGS

TEXT = Format("text/plain; version=0.0.4; charset=utf-8", False)


class Scraped:
    """The families and samples of an answer, and its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: tuple[Metric, ...] = tuple(text_string_to_metric_families(text))
        self.samples = {
            (one.name, frozenset(one.labels.items())): one.value for family in self.families for one in family.samples
        }

    def value(self, name: str, /, **labels: str) -> float:
        """Return the value of the one series of that name and with these labels, whatever others it has."""
        (found,) = self.all(name, **labels)
        return found

    def all(self, name: str, /, **labels: str) -> list[float]:
        """Return the values of all series of that name and with these labels."""
        return [
            value for (one, has), value in self.samples.items() if one == name and labels.items() <= dict(has).items()
        ]

    def labels(self, name: str, /) -> list[dict[str, str]]:
        """Return the labels of all series of that name."""
        return [dict(has) for one, has in self.samples if one == name]

    @property
    def names(self) -> set[str]:
        """The names of all series."""
        return {name for name, _ in self.samples}


def scraped(figures: Figures, counters: Counters | None = None) -> Scraped:
    """Return what a scrape of these figures says."""
    answer = rendering(registry(figures, counters or Counters()), TEXT)
    return Scraped(answer.partition(b"\r\n\r\n")[2].decode())


def listening(address: str, port: int = 0, *, routes: bool = False) -> Statistics:
    """Return settings under which Prometheus is answered there; by default on a port that is free."""
    return replace(SETTINGS, prometheus=PrometheusSettings(listen=Listen(address=address, port=port), routes=routes))
