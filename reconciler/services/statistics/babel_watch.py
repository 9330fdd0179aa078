"""Says in the log when the babeld that statistics follow is lost, and when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from intent.statistics import BabelSource
from reconciler.core.errors import StellwerkError
from reconciler.core.telling import log

if TYPE_CHECKING:
    from reconciler.backends.babeld_client import Client
    from reconciler.backends.babeld_following import Follower

PATIENCE_SECONDS = 2.0
"""How long babeld may be unknown without a word in the log: at a start, and while another way to follow it begins."""


class BabelWatch:
    """Watches one babeld along with those who follow it. ``changed`` is called, from any thread, when to `look`."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._source: BabelSource | None = None
        self._client: Client | None = None
        self._follower: Follower | None = None
        self._was_fresh = False
        self._since: float | None = None
        self._told_lost = False

    def want(self, source: BabelSource | None) -> None:
        """Watch this babeld from now on, or none."""
        # Routes are for others to ask for.
        wanted = None if source is None else replace(source, routes=False)
        if wanted == self._source:
            return
        if wanted is None or self._source is None or wanted.socket != self._source.socket:
            self._told_lost = False
        self.close()
        self._source = wanted
        if wanted is None:
            return
        # Loaded only where babeld is followed.
        from reconciler.backends.babeld_client import dismiss, hire
        from reconciler.backends.babeld_following import Follower

        try:
            self._client = client = hire(wanted.socket)
        except StellwerkError:
            # The service says so.
            return
        self._since = time.monotonic()
        self._follower = Follower(client.knowledge, wanted, self._notice, lambda: dismiss(client))
        client.start()

    @property
    def due(self) -> float | None:
        """When to `look` next whatever happens (monotonic)."""
        if self._follower is None or self._since is None or self._told_lost:
            return None
        return self._since + PATIENCE_SECONDS

    def look(self) -> None:
        """Say what is to be said."""
        if self._follower is None:
            return
        now = time.monotonic()
        if self._is_fresh():
            self._since = None
            if self._told_lost:
                self._told_lost = False
                log.info("babeld back", extra={"fact": {"babeld": self._address}})
        elif self._since is None:
            self._since = now
        elif not self._told_lost and now >= self._since + PATIENCE_SECONDS:
            # With an answer at this very moment there is no reason any more.
            because = self._follower.state().problem
            if because:
                self._told_lost = True
                log.warning("babeld lost", extra={"fact": {"babeld": self._address, "because": because}})

    def close(self) -> None:
        """Watch no more."""
        follower, self._follower = self._follower, None
        self._client = self._source = self._since = None
        if follower is not None:
            follower.close()

    @property
    def _address(self) -> str:
        return "" if self._source is None else self._source.socket

    def _is_fresh(self) -> bool:
        return self._client is not None and self._client.knowledge.expires_at is not None

    def _notice(self) -> None:
        """Look from babeld's thread, at each change of what it knows: only whether that is known matters here."""
        fresh = self._is_fresh()
        if fresh != self._was_fresh:
            self._was_fresh = fresh
            self._changed()
