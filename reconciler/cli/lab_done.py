"""What was done to a lab, for people: how it is now, and how it is undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from intent.display import printable

_STATES = {
    "no power": "has no power; `stellwerk lab heal {name}` starts it",
    "no carrier": "has no carrier; `stellwerk lab heal {name}` undoes that",
    "silent": "is silent: frames are lost; `stellwerk lab heal {name}` undoes that",
    "power": "has power again, and starts",
    "daemon started": "has its daemon started again",
    "healed": "is healed",
}


def changed(now: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is so after `lab break` or `lab heal`."""
    if not now:
        yield "nothing is broken"
    for one in now:
        name = printable(one["target"])
        words = f"{name} {_STATES[one['state']].format(name=name)}"
        if one["state"] in ("power", "healed") and one["not_up"]:
            words += "; for another break " + ", ".join(
                f"{printable(end)} {'is silent' if state == 'silent' else 'has no carrier'}"
                for end, state in one["not_up"].items()
            )
        yield words


def ended(name: str) -> str:
    """Return what is so after `lab down`."""
    return f"{printable(name)} has ended; nothing is left of it"
