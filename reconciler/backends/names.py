"""Host names to addresses (getaddrinfo(3))."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Iterable

from intent.references import HostAddress

TIMEOUT_SECONDS = 5.0
WORKERS = 32


def resolve(references: Iterable[HostAddress]) -> dict[HostAddress, tuple[str, ...]]:
    """Return the addresses of each name, none for one that has none now.

    They are in the same order at each look, whatever turn the name server takes: the family that the system prefers
    comes first (RFC 6724), and within it the lowest number.

    All names are asked for at once; those without an answer within `TIMEOUT_SECONDS` count as unresolved.
    """
    found: dict[HostAddress, tuple[str, ...]] = dict.fromkeys(references, ())
    questions: queue.SimpleQueue[HostAddress] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[HostAddress, tuple[str, ...]]] = queue.SimpleQueue()
    for reference in found:
        questions.put(reference)
    # Daemon threads: a resolver that hangs must not keep the program from ending.
    for _ in range(min(WORKERS, len(found))):
        threading.Thread(target=_work, args=(questions, answers), name="resolve", daemon=True).start()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    for _ in range(len(found)):
        try:
            reference, addresses = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[reference] = addresses
    return found


def _work(
    questions: queue.SimpleQueue[HostAddress], answers: queue.SimpleQueue[tuple[HostAddress, tuple[str, ...]]]
) -> None:
    while True:
        try:
            reference = questions.get_nowait()
        except queue.Empty:
            return
        answers.put((reference, _addresses(reference.name)))


def _addresses(name: str) -> tuple[str, ...]:
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return ()
    found = dict.fromkeys(str(answer[4][0]) for answer in answers)
    families = list(dict.fromkeys(":" in address for address in found))
    return tuple(sorted(found, key=lambda address: (families.index(":" in address), *_number(address))))


def _number(address: str) -> tuple[int, str]:
    plain, _, zone = address.partition("%")
    return int(ipaddress.ip_address(plain)), zone
