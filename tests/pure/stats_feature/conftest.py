"""Answers and figures that do nothing but tell what becomes of them, in place of those of a real node."""

from __future__ import annotations

import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any

import pytest

from intent.statistics import Statistics
from reconciler.core.errors import OccupiedError

PATIENCE_SECONDS = 20.0


def until(condition: Callable[[], Any], what: str) -> Any:
    """Return what the condition returns once that is something."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.005)
    return found


class Theatre:
    """What was started and ended, in order, and what is to fail."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.failing: dict[str, Exception] = {}
        self.dead: set[str] = set()
        self.threads: set[str] = set()
        self.counters: dict[str, Any] = {}

    def say(self, words: str) -> None:
        self.threads.add(threading.current_thread().name)
        self.told.append(words)

    def take(self) -> list[str]:
        """Return what was told since the last time."""
        told, self.told = self.told, []
        return told

    def answer(self, name: str) -> type[Any]:
        theatre = self

        class Answer:
            def __init__(self, figures: Any, counters: Any = None) -> None:
                theatre.counters[name] = counters
                self.settings: Statistics = figures.settings
                self.what = f"{name} {getattr(getattr(self.settings, name), 'listen', '')}".strip()

            def start(self) -> None:
                if name in theatre.failing:
                    raise theatre.failing[name]
                theatre.say(f"+ {name}")

            @property
            def alive(self) -> bool:
                return name not in theatre.dead

            def close(self) -> None:
                theatre.say(f"- {name}")

        return Answer

    def figures(self) -> type[Any]:
        theatre = self

        class LiveFigures:
            def __init__(self, settings: Statistics, status: Any) -> None:
                if "figures" in theatre.failing:
                    raise theatre.failing["figures"]
                self.settings = settings
                self.node_id = "020000000001"
                theatre.say("+ figures")

            def close(self) -> None:
                theatre.say("- figures")

        return LiveFigures


def taken(name: str) -> OccupiedError:
    return OccupiedError(f"{name} cannot listen: the port is taken")


@pytest.fixture
def theatre(monkeypatch: pytest.MonkeyPatch) -> Theatre:
    """Stand-ins for the parts of the statistics that open sockets."""
    made = Theatre()
    base = "reconciler.services.statistics"
    parts: dict[str, dict[str, Any]] = {
        "live_figures": {"LiveFigures": made.figures()},
        "as_json": {"as_json": lambda figures: {"node": figures.settings.node}},
        "respondd": {"Respondd": made.answer("respondd")},
        "prometheus": {"Exporter": made.answer("prometheus")},
        "page": {"StatusPage": made.answer("page")},
    }
    for name, contents in parts.items():
        module = types.ModuleType(f"{base}.{name}")
        module.__dict__.update(contents)
        monkeypatch.setitem(sys.modules, f"{base}.{name}", module)
    return made
