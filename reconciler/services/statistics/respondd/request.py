"""What is asked for in a datagram: ``GET`` and names, or a single name as the first version had it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

MOST_BYTES = 255
"""The longest request that gluon's respondd reads."""
_GET = b"GET "


class Request(NamedTuple):
    """The sections that are asked for, in the order of their names, and whether the answer is to be compressed."""

    names: tuple[str, ...]
    compressed: bool


def read(data: bytes, known: Collection[str]) -> Request | None:
    """Return what is asked for, None where there is nothing to answer.

    Names are parted by spaces alone, and end at a zero byte: a line end is part of a name, as in gluon's respondd. Of
    a ``GET`` unknown names are left out, so the object may be empty; a single unknown name has no answer.
    """
    text, _, _ = data.partition(b"\0")
    if text.startswith(_GET):
        asked = text[len(_GET) :].split(b" ")
        return Request(tuple(sorted(name for name in known if name.encode() in asked)), True)
    for name in known:
        if text == name.encode():
            return Request((name,), False)
    return None
