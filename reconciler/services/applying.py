"""One document given by hand: the same words about it whoever carries it out, this process or the daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core import facts
from reconciler.core.apply import Outcome
from reconciler.core.intents import Document
from reconciler.core.loop import Loop
from reconciler.core.plan_document import check_still_fits, steps, to_json
from reconciler.core.reconcile import Look

Say = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: the document, how long it may stand unconfirmed, and the plan it was decided by, if any."""

    document: Document
    confirm_seconds: float | None = None
    allow_deletes: bool = False
    plan: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the order as arguments of a request."""
        document = self.document
        return {
            "document": {"name": document.name, "text": document.text, "digest": document.digest},
            "confirm_seconds": self.confirm_seconds,
            "allow_deletes": self.allow_deletes,
            "plan": self.plan,
        }


def order(request: Mapping[str, Any]) -> Order:
    """Return the order in a request. Raises LookupError, TypeError and ValueError for what is none."""
    told = request["document"]
    seconds = request["confirm_seconds"]
    return Order(
        Document(str(told["name"]), str(told["text"]), str(told["digest"])),
        None if seconds is None else float(seconds),
        bool(request["allow_deletes"]),
        request["plan"],
    )


def apply(loop: Loop, order: Order, say: Say) -> dict[str, Any]:
    """Carry out an order, telling the plan before the first change and each outcome; return how it ended.

    Raises IntentError and StellwerkError; nothing was changed then.
    """

    def check(seen: Look) -> None:
        if order.plan is not None:
            check_still_fits(steps(order.plan), seen.plan)
        say({"event": "plan", "plan": to_json(seen.plan, seen.lacks)})

    def watch(outcome: Outcome) -> None:
        say({"event": "outcome", "outcome": facts.of_outcome(outcome)})

    done = loop.apply(order.document, order.confirm_seconds, order.allow_deletes, check, watch)
    trial = loop.custody.intents.trial
    return {
        "failed": done.failed,
        "remaining": to_json(done.remaining.plan, done.remaining.lacks),
        "notes": [] if loop.wanted is None else list(loop.wanted.notes),
        "seconds_to_confirm": None if trial is None else trial.seconds_left(loop.clock),
        "checks": loop.wanted is not None and bool(loop.wanted.checks),
    }


def verdict(loop: Loop, document: Document) -> dict[str, Any]:
    """Return what became of a document that was on trial: whether the node is held at it, and else why not."""
    known = loop.custody.intents.quarantined(document.digest)
    held = loop.custody.held()
    return {
        "confirmed": held is not None and held.digest == document.digest,
        "reason": None if known is None else known.reason,
    }


def each(events: Iterator[dict[str, Any]], say: Say) -> dict[str, Any]:
    """Say each event of an answer and return its end."""
    for told in events:
        if "end" in told:
            return told
        say(told)
    return {}
