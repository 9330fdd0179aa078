"""What documents ask for, and when to ask again: what they refer to changes while they stay the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from intent.problems import IntentError
from reconciler.core.backend import News, Partitions
from reconciler.core.clock import Clock
from reconciler.core.errors import StellwerkError
from reconciler.core.intents import Document
from reconciler.core.reconcile import Rounds
from reconciler.core.wanted import Interpreter, Wanted

SHORTEST_PAUSE_SECONDS = 1.0


class LiveReferences:
    """Interprets documents, and has the news tell of what they refer to.

    ``stale`` says that something has changed that they refer to, or may have; ``problem`` why that could not be looked
    up last, ``None`` when it could.
    """

    def __init__(self, interpreter: Interpreter, rounds: Rounds, clock: Clock) -> None:
        self.stale = False
        self.problem: str | None = None
        self._interpreter, self._rounds, self._clock = interpreter, rounds, clock
        self._listened: Mapping[str, Partitions] = {}
        self._ask_from = 0.0

    def hear(self, news: News) -> None:
        """Take note of news of what the documents refer to."""
        whole = {table for table, parts in self._listened.items() if parts is None}
        if news.tables is None or news.heard or not whole.isdisjoint(news.tables | news.rows.keys()):
            self.stale = True

    def doubt(self, tables: Set[str]) -> None:
        """Take note that tables may have changed of which there are no news."""
        self.stale |= not tables.isdisjoint(self._listened)

    def due(self) -> float:
        """Return when `refresh` is to be called, by the clock's `now`."""
        return max(self._ask_from, self._interpreter.due())

    def refresh(self, now: float) -> None:
        """Take note of what has changed by the time itself."""
        if now >= self.due():
            self.stale |= self._interpreter.refresh(now)

    def release(self) -> None:
        """Follow nothing: the node is held at no document."""
        self._interpreter.release()
        self.stale, self.problem = False, None

    def interpret(self, document: Document, held: bool = False) -> Wanted:
        """Return what a document asks for, and listen to what that depends on. Raises IntentError, BackendError.

        For one that the node is ``held`` at, what cannot be looked up counts as it was.
        """
        try:
            return self._interpreter.interpret(document, held)
        finally:
            if self._interpreter.lives_on != self._listened:
                self._listened = self._interpreter.lives_on
                self._rounds.listen(self._listened)
                # What changed before that was not told.
                self.stale = bool(self._listened)

    def interpret_or_recall(self, document: Document, known: Iterable[Wanted | None]) -> Wanted:
        """Return what a held document asks for; what it asked for last, if known, where that cannot be said now."""
        try:
            wanted = self.interpret(document, held=True)
        except (StellwerkError, IntentError) as exc:
            for one in known:
                if one is not None and one.document is not None and one.document.digest == document.digest:
                    self._take_note(str(exc))
                    return one
            raise
        self._take_note("; ".join(wanted.problems) or None)
        return wanted

    def _take_note(self, problem: str | None) -> None:
        self.problem = problem
        if problem is not None:
            self._ask_from = self._clock.now() + SHORTEST_PAUSE_SECONDS
