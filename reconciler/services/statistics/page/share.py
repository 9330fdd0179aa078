"""An event loop that takes no more than a small share of a core, whatever is asked of it."""

from __future__ import annotations

import asyncio
import selectors
import threading
import time

SHARE = 0.1
"""The share of a core that the event loop may take for long, and that drawing may take beside it."""
BURST_SECONDS = 0.25
"""The processor time that it may take at once after it was idle."""


class RestingSelector(selectors.DefaultSelector):
    """Waits for connections, and longer than for them where the loop of this thread has used up its share.

    So all that clients can cause is bounded at one place: connections, requests, right or wrong, and answers. What
    comes meanwhile waits in the kernel, which slows those down who send.
    """

    def __init__(self) -> None:
        super().__init__()
        self._left = BURST_SECONDS
        self._looked_at, self._used = time.monotonic(), 0.0
        self._begun = False
        self._hurry = threading.Event()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, after a rest where one is due."""
        rest = self._rest()
        if rest > 0:
            self._hurry.wait(rest)
        return super().select(timeout)

    def hurry(self) -> None:
        """Rest no more: the end is wanted. For any thread."""
        self._hurry.set()

    def _rest(self) -> float:
        """Return how many seconds have to pass until what was used is within the share again."""
        now, used = time.monotonic(), time.thread_time()
        if self._begun:
            self._left = min(BURST_SECONDS, self._left + (now - self._looked_at) * SHARE - (used - self._used))
        self._begun, self._looked_at, self._used = True, now, used
        return -self._left / SHARE


class RestingLoop(asyncio.SelectorEventLoop):
    """An event loop with such a selector."""

    def __init__(self) -> None:
        self.selector = RestingSelector()
        super().__init__(self.selector)
