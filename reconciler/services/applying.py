"""One document given by hand: the same words about it whoever carries it out, this process or the daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from intent.loading import loads
from reconciler.core import facts, offers
from reconciler.core.apply import Outcome
from reconciler.core.errors import RefusedError
from reconciler.core.intents import Document
from reconciler.core.loop import Loop
from reconciler.core.plan_document import check_still_fits, steps, to_json
from reconciler.core.reconcile import Look
from reconciler.services.interpretation import document

Say = Callable[[dict[str, Any]], None]

LONGEST_SECONDS = 10 * 366 * 86400
"""Of a trial and of a suspension."""


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
            "document": {"name": document.name, "text": document.text},
            "confirm_seconds": self.confirm_seconds,
            "allow_deletes": self.allow_deletes,
            "plan": self.plan,
        }


def order(request: Mapping[str, Any]) -> Order:
    """Return the order in a request. Raises IntentError for its document, RefusedError for what is no order."""
    try:
        told, plan = request["document"], request["plan"]
        text, name = str(told["text"]).encode(), str(told["name"])
        seconds, allow_deletes = seconds_in(request["confirm_seconds"]), bool(request["allow_deletes"])
    except (LookupError, TypeError, ValueError) as exc:
        raise _incomplete(exc) from exc
    # Read here and not told by the client: what is in quarantine is known by what it means.
    return Order(document(loads(text, name)), seconds, allow_deletes, plan)


def suspension(request: Mapping[str, Any]) -> tuple[str, float | None]:
    """Return the reason and the seconds in a request to suspend. Raises RefusedError for what is none."""
    try:
        return str(request["reason"]), seconds_in(request["seconds"])
    except (LookupError, TypeError, ValueError) as exc:
        raise _incomplete(exc) from exc


def seconds_in(value: Any) -> float | None:
    """Return a time, ``None`` for none. Raises ValueError for what is no time that somebody could mean."""
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value <= LONGEST_SECONDS:
        raise ValueError(f"{value!r:.40} is no number of seconds")
    return float(value)


def _incomplete(exc: Exception) -> RefusedError:
    return RefusedError(f"the request is not complete: {exc!r:.200}")


def apply(loop: Loop, order: Order, say: Say) -> dict[str, Any]:
    """Carry out an order, telling the plan before the first change and each outcome; return how it ended.

    Raises IntentError and StellwerkError; nothing was changed then.
    """
    earlier = loop.custody.intents.trial

    def check(seen: Look) -> None:
        if earlier is not None and earlier.document.digest != order.document.digest:
            left = f"{earlier.seconds_left(loop.clock):.0f} s before its time"
            say({"event": "note", "text": f"this ends the trial of intent {earlier.document.digest[:12]}, {left}"})
        if order.plan is not None:
            check_still_fits(steps(order.plan), seen.plan)
        say({"event": "plan", "plan": to_json(seen.plan, seen.lacks)})

    def watch(outcome: Outcome) -> None:
        say({"event": "outcome", "outcome": facts.of_outcome(outcome)})

    recent = loop.telling.recent
    last = recent[-1] if recent else None
    try:
        done = loop.apply(order.document, order.confirm_seconds, order.allow_deletes, check, watch)
    except KeyboardInterrupt:
        if recent and recent[-1] is not last and recent[-1]["event"] == "stopped":
            say({"event": "note", "text": recent[-1]["outcome"]})
        raise
    trial = loop.custody.intents.trial
    return {
        "failed": done.failed,
        "remaining": to_json(done.remaining.plan, done.remaining.lacks),
        "notes": [] if loop.wanted is None else [*loop.wanted.notes, *offers.notes(loop.wanted.offers)],
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
        "in_sync": loop.in_sync,
    }
