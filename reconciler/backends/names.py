"""Host names to addresses (getaddrinfo(3))."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTimeError

from intent.references import HostAddress

TIMEOUT_SECONDS = 5.0


def resolve(references: list[HostAddress]) -> dict[HostAddress, str | None]:
    """Return an address for each name, IPv6 before IPv4 as the system prefers, ``None`` for one that has none now.

    All names are asked for at once, and those without an answer within `TIMEOUT_SECONDS` count as unresolved.
    """
    if not references:
        return {}
    pool = ThreadPoolExecutor(max_workers=min(32, len(references)), thread_name_prefix="resolve")
    futures = {reference: pool.submit(_first_address, reference.name) for reference in references}
    found: dict[HostAddress, str | None] = {}
    for reference, future in futures.items():
        try:
            found[reference] = future.result(TIMEOUT_SECONDS)
        except NotInTimeError:
            found[reference] = None
    pool.shutdown(wait=False, cancel_futures=True)
    return found


def _first_address(name: str) -> str | None:
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    return str(answers[0][4][0]) if answers else None
