"""Python's collector of circular garbage, told what to expect here."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 100_000
"""How many new objects there may be before they are searched for circles: a table of routes makes more, and none."""


def expect_many_objects() -> None:
    """Have the whole process searched for circular garbage less often than at every few hundred rows of a table."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
