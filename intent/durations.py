"""Times as people write them: ``90s``, ``2m``, ``1m30s``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from intent.field_types import Checked, described, wrong

_PARTS = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_PATTERN = "^(?=[0-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?$"


@dataclass(frozen=True, eq=False)
class Duration(Checked):
    """A time of whole seconds with its unit, from ``low_seconds`` to ``high_seconds``; the models hold the seconds."""

    low_seconds: int
    high_seconds: int

    def check(self, value: object) -> int:
        """Return the seconds."""
        right = f"must be a time from {spelled(self.low_seconds)} to {spelled(self.high_seconds)}"
        if isinstance(value, int) and not isinstance(value, bool):
            fits = self.low_seconds <= value <= self.high_seconds
            wrong(f"{right} with its unit, not {described(value)}", f"write `{value}s`" if fits else self._advice())
        if not isinstance(value, str):
            wrong(f"{right}, not {described(value)}", self._advice())
        total = seconds(value)
        if total is None:
            wrong(f"{right}, not {described(value)}", self._advice())
        if not self.low_seconds <= total <= self.high_seconds:
            wrong(f"{right}, not {described(value)}")
        return total

    def _advice(self) -> str:
        example = min(max(self.low_seconds, 90), self.high_seconds)
        return f"hours, minutes and seconds, in whole numbers, such as `{spelled(example)}` or `{example}s`"

    def json_schema(self) -> dict[str, Any]:
        """Return a string type with the form; the range is not said in it."""
        return {"type": "string", "pattern": _PATTERN}


def seconds(text: str) -> int | None:
    """Return the seconds of a time as people write it, ``None`` for what is none."""
    match = _PARTS.fullmatch(text)
    if match is None or not text:
        return None
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest


def spelled(seconds: int) -> str:
    """Return the shortest spelling of a time: ``45s``, ``1m30s``, ``1h``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
