"""What became of draining and undraining, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from intent.display import printable
from reconciler.cli import exit_codes

Json = Mapping[str, Any]


def drained(told: Json) -> Iterator[str]:
    """Yield what became of each thing that is to be drained."""
    for name in told["names"]:
        why = told["left"].get(name)
        yield f"{printable(name)}: " + ("drained" if why is None else f"not drained yet: {printable(why)}")


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


def exit_code(told: Json) -> int:
    """Return the exit code: it failed where something is not as it is to be."""
    return exit_codes.FAILED if told["left"] else exit_codes.DONE
