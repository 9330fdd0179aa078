"""What a babeld that is followed tells of that makes another look worth while."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from intent.resources.babel_learned import Watch

LEAST_SECONDS = 0.5
"""The least time between two such news of one babeld, however much happens in a mesh."""

MOST_SECONDS = 10.0
"""The same for routes of others that come and go all the time, however far away: each such news is a look."""

_CALM_SECONDS = 2 * MOST_SECONDS
"""After so long without such news the next one is told at once again."""

_OWN = tuple(b"%b %b " % (verb, kind) for verb in (b"add", b"change", b"flush") for kind in (b"interface", b"xroute"))
_MOST_REMEMBERED = 1 << 16


class Concern:
    """Tells when an interface or an announcement of babeld has changed, or a route that touches those.

    What is told once more without a change is no news. `watch` may be called from any thread, the others from one.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._watch: Watch | None = None
        self._said: dict[bytes, bytes] = {}
        self._words = ""
        self._own = False
        self._told_at = -math.inf
        self._pause_seconds = LEAST_SECONDS

    def watch(self, watch: Watch | None) -> None:
        """Tell of the routes that are of concern to this from now on, of nothing at all with None."""
        self._watch = watch

    def hear(self, lines: Iterable[bytes]) -> None:
        """Note what is new in lines that babeld told."""
        watch = self._watch
        for line in lines:
            if line.startswith(_OWN):
                if self._is_new(line) and watch is not None:
                    self._own = True
                    self._words = f"its {line.split(b' ', 2)[1].decode()}s changed"
            elif watch is not None and watch.hear(line) and not self._own:
                self._words = "the routes that others announce changed"

    def begin(self) -> None:
        """Forget what was said: another connection tells all anew."""
        self._said.clear()
        self.settle()

    def settle(self) -> None:
        """Note that all that was told so far is part of a snapshot, and no news."""
        self._words, self._own = "", False

    def tell(self, now: float) -> None:
        """Tell what is new, if it is time again."""
        if self._words and now >= self.due():
            words, own = self._words, self._own
            self.settle()
            if not own:
                calm = now >= self._told_at + _CALM_SECONDS
                self._pause_seconds = LEAST_SECONDS if calm else min(MOST_SECONDS, 2 * self._pause_seconds)
            self._told_at = now
            self._tell(words)

    def due(self) -> float:
        """Return when (monotonic) to tell what was held back."""
        if not self._words:
            return math.inf
        return self._told_at + (LEAST_SECONDS if self._own else self._pause_seconds)

    def _is_new(self, line: bytes) -> bool:
        verb, _, thing = line.partition(b" ")
        kind, identifier, said = thing.split(b" ", 2) if thing.count(b" ") > 1 else (thing, b"", b"")
        place = kind + b" " + identifier
        if verb == b"flush":
            return self._said.pop(place, None) is not None
        if self._said.get(place) == said:
            return False
        if len(self._said) > _MOST_REMEMBERED:
            self._said.clear()
        self._said[place] = said
        return True
