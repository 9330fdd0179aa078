"""The news that backends have of their tables, and those that could not be had yet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence, Set
from typing import Any

from reconciler.core.backend import Backend, Events, News
from reconciler.core.errors import StellwerkError
from reconciler.core.loop import Loop
from reconciler.core.telling import log

NEWS_SECONDS = 60.0
"""How long until news that could not be had are tried again."""


class NewsStreams:
    """Tells the loop the news of backends, as far as they offer them, and of which tables there are none."""

    def __init__(self, backends: Sequence[Backend], loop: Loop) -> None:
        self._loop = loop
        self._tables = frozenset[str]().union(*(backend.tables for backend in backends))
        self._events: list[Events] = []
        self._deaf = list(backends)
        self._at = 0.0

    def __iter__(self) -> Iterator[Events]:
        """Yield what is open: each is readable when there are news."""
        return iter(self._events)

    def open(self) -> None:
        """Have news of what has none yet; what cannot be had now is to be tried again."""
        deaf, self._deaf = self._deaf, []
        problems = []
        for backend in deaf:
            try:
                events = backend.events()
            except StellwerkError as exc:
                self._deaf.append(backend)
                problems.append(str(exc))
                continue
            if events is not None:
                self._events.append(events)
                # What has changed before is not told.
                self._loop.hear(News(None))
        self._at = self._loop.clock.now() + NEWS_SECONDS
        self._loop.tables_without_news(self._tables.difference(*(events.covers for events in self._events)))
        if not problems:
            self._loop.troubles.pop("news", None)
        elif self._loop.troubles.get("news") != (problem := "; ".join(problems)):
            self._loop.troubles["news"] = problem
            log.warning("no news", extra={"fact": {"because": problem}})

    def due(self) -> float:
        """Return when to `open` what could not be had, by the clock's `now`; infinity where there is nothing."""
        return self._at if self._deaf else math.inf

    def hear(self, ready: Set[Any]) -> bool:
        """Tell the loop what those say that are readable; return whether there were any."""
        heard = [events for events in self._events if events in ready]
        for events in heard:
            self._loop.hear(events.read())
        return bool(heard)

    def close(self) -> None:
        """Hear nothing any more."""
        for events in self._events:
            events.close()
