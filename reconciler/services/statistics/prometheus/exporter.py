"""Answers the scrapes of Prometheus, at one address, out of memory."""

from __future__ import annotations

from typing import cast

from reconciler.core.errors import RejectedError
from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.prometheus.collector import registry
from reconciler.services.statistics.prometheus.exposition import Format, Request, rendering
from reconciler.services.statistics.prometheus.listener import Listener, Reply


class Exporter:
    """Serves ``/metrics`` where the settings of the figures say, and nothing else.

    ``counters`` are those of the other parts of the statistics, which are shown as well.
    """

    def __init__(self, figures: Figures, counters: Counters | None = None) -> None:
        settings = figures.settings.prometheus
        if settings is None:
            raise RejectedError("Prometheus is not to be answered: the settings have no `prometheus`")
        counters = counters or Counters()
        self._registry = registry(figures, counters)
        self._scrapes = counters.counter("stellwerk_scrapes_total", "How often these metrics were written down.")
        self._others = counters.counter(
            "stellwerk_scrapes_refused_total", "Requests for something else than these metrics."
        )
        self._listener = Listener(settings.listen, self._reply, self._rendering)

    @property
    def port(self) -> int:
        """The TCP port that is listened on."""
        return self._listener.port

    def start(self) -> None:
        """Listen. Raises BackendError, which says what to do, where the address or the port cannot be had."""
        self._listener.start("prometheus")

    @property
    def alive(self) -> bool:
        """Whether scrapes are answered."""
        return self._listener.alive

    def close(self) -> None:
        """Stop listening; a scrape that is not finished is cut off."""
        self._listener.close()

    def _reply(self, head: bytes) -> Reply:
        request = Request(head)
        if request.wanted is None:
            self._others.add()
            return Reply(request.answer)
        return Reply(None, request.wanted)

    def _rendering(self, wanted: object) -> bytes:
        self._scrapes.add()
        return rendering(self._registry, cast(Format, wanted))
