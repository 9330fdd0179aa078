"""What two versions of a long sequence have in common at their ends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress, count
from operator import ne


def common_ends(old: Sequence[object], new: Sequence[object]) -> tuple[int, int]:
    """Return how many items are equal at the beginning and, of the others, at the end."""
    shorter = min(len(old), len(new))
    start = next(compress(count(), map(ne, old, new)), shorter)
    backwards = map(ne, reversed(old), reversed(new))
    return start, min(next(compress(count(), backwards), shorter), shorter - start)


def shared(old: Sequence[str], new: list[str]) -> None:
    """Put the very objects of ``old`` into ``new`` for texts that are equal, so that they are kept once."""
    start, end = common_ends(old, new)
    between = {text: text for text in old[start : len(old) - end]}
    last = len(new) - end
    new[:start] = old[:start]
    new[start:last] = [between.get(text, text) for text in new[start:last]]
    new[last:] = old[len(old) - end :]
