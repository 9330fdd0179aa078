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
from reconciler.core.drains import DrainStore, Order
from reconciler.core.errors import RefusedError
from reconciler.core.loop import Loop
from reconciler.core.offers import state
from reconciler.core.permission import Mode
from reconciler.services.applying import seconds_in

LONGEST_REASON = 200
MOST_NAMES = 10
"""How many things are named in a refusal."""
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class DrainRequest:
    """What to drain, or to take back, by name, none for all; why, and for how long, ``None`` for until it is undone."""

    names: tuple[str, ...] = ()
    reason: str = ""
    seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as arguments of a request."""
        return {"names": list(self.names), "reason": self.reason, "seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Deed:
    """What was written down: for which names, until when (seconds since 1970), and in place of which orders."""

    names: tuple[str, ...]
    until: float | None = None
    replaced: tuple[Order, ...] = ()


def requested(request: Mapping[str, Any]) -> DrainRequest:
    """Return what a request asks for. Raises RefusedError for what is none."""
    try:
        names, reason = request["names"], str(request["reason"])
        if len(reason) > LONGEST_REASON:
            raise ValueError(f"the reason has {len(reason)} characters, at most {LONGEST_REASON} are kept")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError("names are texts")
        return DrainRequest(tuple(names), reason, seconds_in(request["seconds"]))
    except (LookupError, TypeError, ValueError) as exc:
        raise RefusedError(f"the request is not complete: {exc!r:.200}") from exc


def drain(loop: Loop, store: DrainStore, request: DrainRequest, stays: bool) -> Deed:
    """Write down that things are drained, and have that carried out; return what was written.

    ``stays`` says whether whoever drives the loop is still there when the time is over, and takes them back. Raises
    RefusedError, and then nothing was changed; StellwerkError.
    """
    _check(loop)
    if request.seconds is not None and not stays:
        raise RefusedError(
            "no daemon runs here that would end it: leave --for out and say `stellwerk undrain` when done, or start "
            "`stellwerk run` first"
        )
    offers = loop.holding.offered()
    if not offers:
        raise RefusedError("this node has no exit that could be drained")
    names = _chosen(request.names, [one.name for one in offers], "is no exit of this node", "the exits here are")
    before = store.load_drains().holding(loop.clock)
    drains = before.adding(names, request.reason, request.seconds, loop.clock)
    store.save_drains(drains)
    loop.references_changed()
    until = None if request.seconds is None else drains.orders[-1].until
    return Deed(names, until, tuple(one for one in before.orders if one.name in names))


def undrain(loop: Loop, store: DrainStore, request: DrainRequest, stays: bool) -> Deed:
    """Write down that things are not drained any more, and have that carried out; return what was written.

    Without a daemon, which ``stays``, what is left drained after its time is over can be taken back, too. Raises
    RefusedError, and then nothing was changed; StellwerkError.
    """
    _check(loop)
    drains = store.load_drains()
    drains = drains.holding(loop.clock) if stays else drains
    if not drains.orders:
        raise RefusedError("nothing is drained")
    names = _chosen(request.names, [one.name for one in drains.orders], "is not drained", "drained here is")
    # How it was before is known then, and what changes is told. Nothing held is no reason to keep an order.
    with suppress(RefusedError):
        loop.holding.offered()
    store.save_drains(drains.without(names))
    loop.references_changed()
    return Deed(names)


def forget_what_is_over(loop: Loop, store: DrainStore) -> None:
    """Forget the orders whose time is over: what they withdrew is taken back. Raises StellwerkError."""
    drains = store.load_drains()
    if loop.permission.granted and loop.in_sync and drains.over(loop.clock):
        store.save_drains(drains.holding(loop.clock))


def told(loop: Loop, deed: Deed) -> dict[str, Any]:
    """Return what became of what was written down, which the loop has had its turns for.

    ``left`` are the things that are not yet as they are to be, and why. The times are in seconds since 1970.
    """
    names = deed.names
    by_name = {} if loop.wanted is None else {one.name: one for one in loop.wanted.offers}
    shown = {one["name"]: one for one in loop.holding.offers.shown(loop.seen)}
    left = {name: _why_left(loop, by_name[name]) for name in names if name in by_name}
    return {
        "names": list(names),
        "offers": [shown[name] for name in names if name in shown],
        "left": {name: why for name, why in left.items() if why},
        "until": deed.until,
        "replaced": [{"name": one.name, "reason": one.reason, "until": one.until} for one in deed.replaced],
    }


def kept_on_disk(store: DrainStore, clock: Clock) -> list[dict[str, Any]]:
    """Return the orders, as the status shows things that are offered where no daemon runs. Raises StellwerkError.

    One whose time is over is there until somebody takes back what it withdrew.
    """
    drains = store.load_drains()
    over = drains.over(clock)
    return [
        {
            **{"kind": "exit", "name": one.name, "prefix": None, "state": "unknown", "since": round(one.since, 3)},
            **{"cause": str(Cause.DRAINED), "reason": _kept_reason(one, one in over), "until": one.until},
        }
        for one in drains.orders
    ]


def _kept_reason(order: Order, over: bool) -> str:
    reason = f"drained by hand: {order.reason}" if order.reason else "drained by hand"
    after = "; its time is over, and no daemon runs that would take it back: `stellwerk undrain` does"
    return reason + (after if over else "")


def _check(loop: Loop) -> None:
    if loop.permission.mode is Mode.REPORT:
        raise RefusedError("this node is only reported on; to have it changed, run it without --report")


def _chosen(asked: Sequence[str], known: Sequence[str], otherwise: str, there: str) -> tuple[str, ...]:
    """Return the names that are asked for, in their one spelling, all where none is. Raises RefusedError."""
    names = tuple(dict.fromkeys(_normal(name) or name.strip() for name in asked)) or tuple(known)
    for name in names:
        if name not in known:
            wrong = f"`{name[:_LONGEST_NAME]}` is no prefix" if _normal(name) is None else f"{name} {otherwise}"
            more = f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else ""
            raise RefusedError(f"{wrong}; {there} {', '.join(known[:MOST_NAMES])}{more}")
    return names


def _normal(name: str) -> str | None:
    """Return the one spelling of a prefix, ``None`` for what is none."""
    try:
        return str(ip_network(name.strip()))
    except ValueError:
        return None


def _why_left(loop: Loop, offer: Offer) -> str:
    """Return why something is not yet as it is to be, nothing where it is."""
    if state(offer, loop.seen) in ("announced", "withdrawn"):
        return ""
    if loop.permission.suspension is not None:
        return f"it waits for the end of a suspension ({loop.permission.suspension.reason})"
    if (rests := loop.troubles.get("round")) is not None:
        return rests
    for key in offer.keys:
        if (failure := loop.rounds.retries.failures.get(key)) is not None:
            return failure.error
    return "" if loop.seen is None else facts.difference(loop.seen.plan)
