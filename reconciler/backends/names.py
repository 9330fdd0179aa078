"""Host names to addresses (getaddrinfo(3))."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterable

from intent.references import HostAddress

TIMEOUT_SECONDS = 5.0
WORKERS = 32


def resolve(references: Iterable[HostAddress]) -> dict[HostAddress, str | None]:
    """Return an address for each name, in the system's order of preference, ``None`` for one that has none now.

    All names are asked for at once; those without an answer within `TIMEOUT_SECONDS` count as unresolved.
    """
    found: dict[HostAddress, str | None] = dict.fromkeys(references)
    questions: queue.SimpleQueue[HostAddress] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[HostAddress, str | None]] = queue.SimpleQueue()
    for reference in found:
        questions.put(reference)
    # Daemon threads: a resolver that hangs must not keep the program from ending.
    for _ in range(min(WORKERS, len(found))):
        threading.Thread(target=_work, args=(questions, answers), name="resolve", daemon=True).start()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    for _ in range(len(found)):
        try:
            reference, address = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[reference] = address
    return found


def _work(
    questions: queue.SimpleQueue[HostAddress], answers: queue.SimpleQueue[tuple[HostAddress, str | None]]
) -> None:
    while True:
        try:
            reference = questions.get_nowait()
        except queue.Empty:
            return
        answers.put((reference, _first_address(reference.name)))


def _first_address(name: str) -> str | None:
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    return str(answers[0][4][0]) if answers else None
