"""What became of draining and undraining, for people."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from intent.display import printable
from reconciler.cli import exit_codes

Json = Mapping[str, Any]


def drained(told: Json) -> Iterator[str]:
    """Yield what became of each thing that is to be drained."""
    replaced = {one["name"]: one for one in told["replaced"]}
    for name in told["names"]:
        why, before = told["left"].get(name), replaced.get(name)
        words = f"drained {_until(told['until'])}" if why is None else f"not drained yet: {why}"
        if before is not None:
            reason = f": {before['reason']}" if before["reason"] else ""
            words += f"; this replaces the order that held {_until(before['until'], short=True)}{reason}"
        yield f"{printable(name)}: {printable(words)}"


def undrained(told: Json) -> Iterator[str]:
    """Yield what became of each thing that is not to be drained any more."""
    offers = {one["name"]: one for one in told["offers"]}
    for name in told["names"]:
        why, one = told["left"].get(name), offers.get(name)
        if why is not None:
            words = f"not announced yet: {why}"
        elif one is None:
            words = "not drained any more; it is no exit of this node"
        else:
            words = f"{one['state']}: {one['reason']}" if one.get("reason") else one["state"]
        yield f"{printable(name)}: {printable(words)}"


def _until(wall: float | None, *, short: bool = False) -> str:
    """Return how an order ends that has a time, in seconds since 1970, or none."""
    if wall is None:
        return "until `stellwerk undrain`"
    words = "until " + time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))
    return words if short else f"{words}, or `stellwerk undrain`"


def exit_code(told: Json) -> int:
    """Return the exit code: it failed where something is not as it is to be."""
    return exit_codes.FAILED if told["left"] else exit_codes.DONE
