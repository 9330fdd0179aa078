"""The statistics of this node: figures, and each way to get at them that is asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from intent.statistics import Statistics
from reconciler.core.errors import BusyError, UnsupportedError
from reconciler.services.attempts import Attempts, Startable, State
from reconciler.services.beside import StatusSource
from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.figures import Figures

ANSWERS = {"respondd": "Respondd", "prometheus": "Exporter", "page": "StatusPage"}
"""The answers by the fields of `Statistics` that ask for them: packages beside this module, and their classes."""
_NEEDED = {"prometheus": ("prometheus_client",), "page": ("aiohttp", "jinja2")}
"""What is imported for an answer that not every installation has, an extra of the answer's name."""

_COUNTING = frozenset(("respondd", "prometheus"))
"""The answers that count what they do, and the one that shows all that is counted."""


class StatisticsService:
    """The figures, and the answers made of them, each started for itself and tried again for itself."""

    def __init__(self, status: StatusSource | None) -> None:
        self._status = status
        self._settings: Statistics | None = None
        self._figures: Figures | None = None
        self._answers: dict[str, Attempts] = {}
        self._counters = Counters()

    def attend(self, settings: Statistics, now: float) -> float:
        """Keep and give what the settings say; only what differs is begun anew."""
        before, self._settings = self._settings, settings
        if before != settings:
            if before is None or _sources(before) != _sources(settings):
                self.close()
            self._take(before, settings)
        for answer in self._answers.values():
            answer.attend(now)
        return min(answer.due for answer in self._answers.values())

    def states(self) -> tuple[State, ...]:
        """Return how the answers are."""
        return tuple(self._answers[name].state for name in ANSWERS if name in self._answers)

    def told(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        figures = self._figures
        if figures is None:
            raise BusyError("the statistics begin anew; try again in a moment")
        from reconciler.services.statistics.as_json import as_json

        return as_json(figures)

    def close(self) -> None:
        """End the answers, and then what they are made of."""
        for answer in self._answers.values():
            answer.close()
        self._answers = {}
        figures, self._figures = self._figures, None
        if figures is not None:
            figures.close()

    def _take(self, before: Statistics | None, settings: Statistics) -> None:
        if self._figures is None:
            from reconciler.services.statistics.live_figures import LiveFigures

            self._figures = LiveFigures(settings, self._status)
        figures = cast(Figures, FiguresFor(self._figures, settings))
        for name in ANSWERS:
            wanted = getattr(settings, name)
            answer = self._answers.get(name)
            if answer is not None and before is not None and wanted == getattr(before, name):
                continue
            if answer is not None:
                self._answers.pop(name).close()
            if wanted is not None:
                self._answers[name] = Attempts(name, _maker(name, figures, self._counters))


class FiguresFor:
    """The figures under other settings: where only an answer has changed, what they are made of goes on."""

    def __init__(self, figures: Figures, settings: Statistics) -> None:
        self._figures = figures
        self.settings = settings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._figures, name)


def _sources(settings: Statistics) -> Statistics:
    """Return the settings without those that only one answer looks at."""
    return replace(settings, respondd=None, prometheus=None, page=None)


def _maker(name: str, figures: Figures, counters: Counters) -> Callable[[], Startable]:
    """Return what makes an answer, which is imported only then. Raises UnsupportedError where a library is missing."""

    def make() -> Startable:
        importlib.invalidate_caches()
        for library in _NEEDED.get(name, ()):
            if importlib.util.find_spec(library) is None:
                raise UnsupportedError(
                    f"`{name}` needs the Python package {library}, which is not installed: "
                    f"pip install 'stellwerk[{name}]'"
                )
        kind: Callable[..., Startable] = getattr(importlib.import_module(f"{__package__}.{name}"), ANSWERS[name])
        return kind(figures, counters) if name in _COUNTING else kind(figures)

    return make


SERVICE = StatisticsService
