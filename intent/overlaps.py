"""Prefixes that have addresses in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv6Network


def overlaps(prefixes: Sequence[IPv6Network]) -> Iterator[tuple[int, int]]:
    """Yield the indices of prefixes that overlap, the lower first: each prefix with one that comes before it in order.

    In the order of addresses only neighbours can overlap, so many prefixes are no matter. One that is everything is
    left out: that it overlaps all others says nothing more.
    """
    indices = (index for index, prefix in enumerate(prefixes) if prefix.prefixlen)
    wide: int | None = None
    for index in sorted(indices, key=lambda index: (prefixes[index], index)):
        if wide is not None and prefixes[index].subnet_of(prefixes[wide]):
            yield min(wide, index), max(wide, index)
        else:
            wide = index
