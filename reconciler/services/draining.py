"""Draining: what an operator does not want to be offered for now is withdrawn, and stays so over restarts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from intent.offers import Cause, Offer
from reconciler.core import facts
from reconciler.core.clock import Clock
from reconciler.core.drains import DrainStore
from reconciler.core.errors import RefusedError
from reconciler.core.loop import Loop
from reconciler.core.offers import state
from reconciler.core.permission import Mode
from reconciler.services.applying import seconds_in

LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class DrainRequest:
    """What to drain, or to take back, by name, none for all; why, and for how long, ``None`` for until it is undone."""

    names: tuple[str, ...] = ()
    reason: str = ""
    seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as arguments of a request."""
        return {"names": list(self.names), "reason": self.reason, "seconds": self.seconds}


def requested(request: Mapping[str, Any]) -> DrainRequest:
    """Return what a request asks for. Raises RefusedError for what is none."""
    try:
        names, reason = request["names"], str(request["reason"])[:LONGEST_REASON]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError("names are texts")
        return DrainRequest(tuple(names), reason, seconds_in(request["seconds"]))
    except (LookupError, TypeError, ValueError) as exc:
        raise RefusedError(f"the request is not complete: {exc!r:.200}") from exc


def drain(loop: Loop, store: DrainStore, request: DrainRequest) -> tuple[str, ...]:
    """Write down that things are drained, and have that carried out; return their names.

    Raises RefusedError, and then nothing was changed; StellwerkError.
    """
    _check(loop)
    offers = loop.holding.offered()
    if not offers:
        raise RefusedError("this node has no exit that could be drained")
    names = _chosen(request.names, [one.name for one in offers], "is no exit of this node")
    drains = store.load_drains().holding(loop.clock)
    store.save_drains(drains.adding(names, request.reason, request.seconds, loop.clock))
    loop.references_changed()
    return names


def undrain(loop: Loop, store: DrainStore, request: DrainRequest) -> tuple[str, ...]:
    """Write down that things are not drained any more, and have that carried out; return their names.

    Raises RefusedError, and then nothing was changed; StellwerkError.
    """
    _check(loop)
    drains = store.load_drains().holding(loop.clock)
    if not drains.orders:
        raise RefusedError("nothing is drained")
    names = _chosen(request.names, [one.name for one in drains.orders], "is not drained")
    # How it was before is known then, and what changes is told. Nothing held is no reason to keep an order.
    with suppress(RefusedError):
        loop.holding.offered()
    store.save_drains(drains.without(names))
    loop.references_changed()
    return names


def told(loop: Loop, names: Sequence[str]) -> dict[str, Any]:
    """Return what became of the things of those names, which the loop has had its turns for.

    ``left`` are those that are not yet as they are to be, and why.
    """
    by_name = {} if loop.wanted is None else {one.name: one for one in loop.wanted.offers}
    shown = {one["name"]: one for one in loop.holding.offers.shown(loop.seen)}
    left = {name: _why_left(loop, by_name[name]) for name in names if name in by_name}
    return {
        "names": list(names),
        "offers": [shown[name] for name in names if name in shown],
        "left": {name: why for name, why in left.items() if why},
    }


def kept_on_disk(store: DrainStore, clock: Clock) -> list[dict[str, Any]]:
    """Return the orders that hold, as the status shows things that are offered. Raises StellwerkError."""
    return [
        {
            **{"kind": "exit", "name": one.name, "state": "unknown", "since": round(one.since, 3)},
            **{
                "cause": str(Cause.DRAINED),
                "reason": f"drained by hand: {one.reason}".rstrip(": "),
                "until": one.until,
            },
        }
        for one in store.load_drains().holding(clock).orders
    ]


def _check(loop: Loop) -> None:
    if loop.permission.mode is Mode.REPORT:
        raise RefusedError("this node is only reported on; to have it changed, run it without --report")


def _chosen(asked: Sequence[str], known: Sequence[str], otherwise: str) -> tuple[str, ...]:
    """Return the names that are asked for, in their one spelling, all where none is. Raises RefusedError."""
    names = tuple(dict.fromkeys(map(_normal, asked))) or tuple(known)
    for name in names:
        if name not in known:
            raise RefusedError(f"{name} {otherwise}; there is {', '.join(known[:20])}{' …' if len(known) > 20 else ''}")
    return names


def _normal(name: str) -> str:
    try:
        return str(ip_network(name.strip()))
    except ValueError:
        return name.strip()


def _why_left(loop: Loop, offer: Offer) -> str:
    """Return why something is not yet as it is to be, nothing where it is."""
    if state(offer, loop.seen) in ("announced", "withdrawn"):
        return ""
    if loop.permission.suspension is not None:
        return f"changes are suspended ({loop.permission.suspension.reason})"
    if (rests := loop.troubles.get("round")) is not None:
        return rests
    for key in offer.keys:
        if (failure := loop.rounds.retries.failures.get(key)) is not None:
            return failure.error
    return "" if loop.seen is None else facts.difference(loop.seen.plan)
