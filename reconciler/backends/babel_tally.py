"""How many routes there are by state, and how many routers, counted as they come and go."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.backends.babel_lines import RouteWords
from reconciler.backends.babel_rows import RouteCounts


class RouteTally:
    """The counts of routes."""

    def __init__(self) -> None:
        self._installed = self._fallback = self._unreachable = 0
        # How many reachable routes each router announces.
        self._routers: dict[bytes, int] = {}

    def exchange(self, gone: Collection[RouteWords], come: Collection[RouteWords]) -> None:
        """Count routes that come instead of others."""
        for words in gone:
            self._count(words, -1)
        for words in come:
            self._count(words, 1)

    def _count(self, words: RouteWords, by: int) -> None:
        if not words.reachable:
            self._unreachable += by
            return
        if words.installed == b"yes":
            self._installed += by
        else:
            self._fallback += by
        number = self._routers.get(words.router_id, 0) + by
        if number:
            self._routers[words.router_id] = number
        else:
            del self._routers[words.router_id]

    @property
    def counts(self) -> RouteCounts:
        """How many there are by state."""
        return RouteCounts(self._installed, self._fallback, self._unreachable)

    @property
    def routers(self) -> int:
        """How many routers announce something reachable."""
        return len(self._routers)
