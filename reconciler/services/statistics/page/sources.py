"""Who has places that are few, and who gives one up for a newcomer."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Iterable


def source(transport: asyncio.BaseTransport) -> str:
    """Return whose connection it is: of IPv6 the first 64 bits, since any host has all the addresses behind them."""
    try:
        found = ipaddress.ip_address(transport.get_extra_info("peername")[0])
    except (TypeError, IndexError, ValueError):
        # It was gone before its address was asked for.
        return ""
    if found.version == 4 or found.is_link_local or found.is_loopback:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))


def gives_way(newcomer: str, holders: Iterable[str]) -> str | None:
    """Return the source that has most places where it has more than the newcomer would have even after it gave one up.

    ``holders`` are the sources of all places that are taken. None where nobody has more than a fair share: then whoever
    comes again and again would only push out others, who come again, too.
    """
    places = Counter(holders)
    most = max(places, key=lambda one: places[one], default=None)
    return most if most is not None and places[most] > places[newcomer] + 1 else None
