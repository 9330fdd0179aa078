"""Numbers and times as people read them, and text of the network as a page can show it."""

from __future__ import annotations

import time
from typing import Any

from markupsafe import Markup

from intent.display import printable

LONGEST_TEXT = 300
_SHORT_KEY = 8
_DECIMAL = ("", "k", "M", "G", "T", "P")


def shown(value: Any) -> Any:
    """Return what a template is to write for a value: nothing invisible, nothing endless, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, Markup | int | float):
        return value
    text = str(value)
    return printable(text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…")


def lines(text: str) -> list[str]:
    """Return the first lines of a text."""
    return [line for line in str(text).split("\n")[:12] if line.strip()]


def amount(count: float, unit: str = "B") -> str:
    """Return a number of bytes, or of what ``unit`` says, with a prefix of the SI: ``1.2 MB``."""
    step = 0
    while count >= 999.5 and step < len(_DECIMAL) - 1:
        count /= 1000
        step += 1
    return f"{count:.0f} {unit}" if step == 0 else f"{count:.3g} {_DECIMAL[step]}{unit}"


def rate(bytes_a_second: float) -> str:
    """Return a speed in bits a second."""
    return amount(bytes_a_second * 8, "bit/s")


def ago(seconds: float) -> str:
    """Return a time span in its largest unit, coarse enough not to change all the time: ``17 s``, ``3 h``."""
    if seconds < 60:
        return f"{max(0, int(seconds))} s"
    for limit, unit, name in ((3600, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds // 86400)} days"


def moment(wall: float) -> str:
    """Return a time of day (seconds since 1970) in the node's time zone."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(wall))


def machine_moment(wall: float) -> str:
    """Return it as the ``datetime`` of HTML's ``time``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall))


def short_key(key: str) -> str:
    """Return the beginning of a public key, which is enough to tell a few apart."""
    return key[:_SHORT_KEY] + "…" if len(key) > _SHORT_KEY else key


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its word."""
    return f"{count} {one if count == 1 else many or one + 's'}"
