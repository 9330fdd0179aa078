"""What happened, told: in the history, in the log, and for the status."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core import facts
from reconciler.core.apply import Result
from reconciler.core.clock import Clock
from reconciler.core.errors import StellwerkError
from reconciler.core.history import History, fact_of
from reconciler.core.intents import Document
from reconciler.core.reconcile import Round, Rounds

MOST_RECENT = 20
"""How many of the latest facts the status shows."""

_WORRYING = frozenset(
    {
        *("failed", "refused", "rolled back", "fight", "damaged", "stopped", "offender"),
        *("withdrawn", "to be withdrawn"),
    }
)

log = logging.getLogger("stellwerk")
# Commands say by themselves what they do: nothing is written down but where somebody asks for a log.
log.addHandler(logging.NullHandler())


def commit_facts(document: Document | None) -> dict[str, Any]:
    """Return what is told of the commit that a document was read of, nothing where it was read of a file."""
    return {} if document is None or document.commit is None else document.commit.facts(document.name)


class Telling:
    """Tells facts: an ``event``, the node, the digest of what it is held at, and what belongs to the event.

    Where that was read of a commit, it is told too: who asked for what. An event of another digest tells its own.

    A history that cannot be written keeps nothing from being done: ``problem`` is why, ``None`` when it could last.
    """

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._failures: set[tuple[Any, str]] = set()
        self._node = ""
        self._digest: str | None = None
        self._commit: dict[str, Any] = {}
        self.recent: deque[dict[str, Any]] = deque(maxlen=MOST_RECENT)
        self.problem: str | None = None
        self.recent.extend(map(fact_of, self.recall(MOST_RECENT)))

    def recall(self, count: int) -> Sequence[Mapping[str, Any]]:
        """Return the latest entries of the history, the oldest first; none where it cannot be read."""
        try:
            return self._history.recent(count)
        except StellwerkError as exc:
            self.problem = str(exc)
            return ()

    def begin(self) -> None:
        """Begin with another intent: what fails in the same way as under the last one is told again."""
        self._failures.clear()

    def concern(self, node: str, document: Document | None) -> None:
        """Tell of this node, held at this document, from now on."""
        self._node, self._digest = node, None if document is None else document.digest
        self._commit = commit_facts(document)

    def tell(self, event: str, **told: Any) -> None:
        """Write down what happened."""
        commit = {} if {"digest", "commit"} & told.keys() else self._commit
        fact = {"event": event, "node": self._node, "digest": self._digest, **commit, **told}
        wall = self._clock.wall()
        level = logging.WARNING if event in _WORRYING else logging.INFO
        log.log(level, "%s", event, extra={"fact": fact})
        self.recent.append({"time": round(wall, 3), **fact})
        try:
            self._history.append(fact, wall)
        except StellwerkError as exc:
            self.problem = str(exc)
        else:
            self.problem = None

    def of_round(self, done: Round, rounds: Rounds, seconds: float) -> list[dict[str, Any]]:
        """Return what is to be told of a round: each an event with what belongs to it.

        What keeps failing in the same way is told once, and again after it was in order in between.
        """
        told: list[dict[str, Any]] = []
        failures = {(one.operation.key, str(one.error)) for one in done.outcomes if one.result is Result.FAILED}
        changed = any(one.result is Result.DONE for one in done.outcomes)
        if changed or not failures <= self._failures:
            told.append(
                {
                    "event": "failed" if failures else "changed",
                    **facts.operations(done.outcomes),
                    "outcome": facts.outcome(done),
                    "seconds": round(seconds, 4),
                }
            )
        self._failures = {one for one in self._failures if one[0] in rounds.retries.failures} | failures
        if done.fought:
            fights = {key: fight for key, fight in rounds.fights.all().items() if key in done.fought}
            for because in facts.fights(fights):
                told.append({"event": "fight", "because": because, "outcome": "repairs are slowed down"})
        return told
