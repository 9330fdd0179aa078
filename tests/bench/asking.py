"""Queries of respondd from many nodes at once."""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field

from tests.bench.babel_mesh import BabelMesh, link_local
from tests.bench.place import PATIENCE_SECONDS, until

RESPONDD_PORT = 1001
ALL = b"GET nodeinfo statistics neighbours"
NEIGHBOURS = b"GET neighbours"
SOURCES = 20
"""From one address a provider answers only so often; and the kernel knows 1,024 neighbours in all namespaces together
(gc_thresh3 of ip-sysctl)."""
ANSWER_SECONDS = 2.0
LARGEST_ANSWER_BYTES = 1 << 16


@dataclass(slots=True)
class Flood:
    """What became of queries at a steady pace: how many, how many answered, and the seconds to each answer."""

    asked: int = 0
    seconds: list[float] = field(default_factory=list)


class Asker:
    """Sockets with an address each, on the link of the asker; in use until `close`."""

    def __init__(self, mesh: BabelMesh, port: int = RESPONDD_PORT) -> None:
        addresses = [f"fe80::a5:{number:x}" for number in range(1, SOURCES + 1)]
        batch = mesh.folder / "sources"
        batch.write_text("".join(f"address replace {one}/64 dev asked0 nodad\n" for one in addresses))
        mesh.asker.ip("-6", "-batch", str(batch))
        node = link_local("asked0")

        def opened() -> list[socket.socket]:
            scope = socket.if_nametoindex("asked0")
            found = []
            for one in addresses:
                endpoint = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
                endpoint.bind((one, 0, 0, scope))
                endpoint.connect((node, port, 0, scope))
                endpoint.settimeout(ANSWER_SECONDS)
                found.append(endpoint)
            return found

        self._sockets = mesh.asker.run(opened)
        self._turn = 0

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            one.close()

    def ask(self, request: bytes = ALL) -> bytes:
        """Return one answer. Raises OSError where none comes."""
        endpoint = self._next()
        endpoint.send(request)
        return endpoint.recv(LARGEST_ANSWER_BYTES)

    def until_answered(self) -> None:
        """Wait until somebody answers. Raises TimeoutError."""

        def answered() -> bool:
            try:
                return bool(self.ask())
            except OSError:
                return False

        until(answered, "an answer to a query", 0.1)

    def at_pace(self, per_second: float, count: int, request: bytes = ALL) -> Flood:
        """Ask at a steady pace, and wait for what is unanswered in the end for `ANSWER_SECONDS`."""
        flood = Flood()
        asked_at: dict[int, deque[float]] = {one.fileno(): deque() for one in self._sockets}
        poll = select.epoll()
        by_number = {one.fileno(): one for one in self._sockets}
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        begun = time.monotonic()
        ends = begun + count / per_second + PATIENCE_SECONDS
        while flood.asked < count or len(flood.seconds) < flood.asked:
            now = time.monotonic()
            due = begun + flood.asked / per_second
            if flood.asked < count and now >= due:
                endpoint = self._next()
                asked_at[endpoint.fileno()].append(now)
                endpoint.send(request)
                flood.asked += 1
                continue
            wait = due - now if flood.asked < count else ANSWER_SECONDS
            ready = poll.poll(max(0.0, wait))
            for number, _ in ready:
                by_number[number].recv(LARGEST_ANSWER_BYTES)
                flood.seconds.append(time.monotonic() - asked_at[number].popleft())
            if (not ready and flood.asked == count) or now > ends:
                break
        poll.close()
        return flood

    def _next(self) -> socket.socket:
        self._turn = (self._turn + 1) % len(self._sockets)
        return self._sockets[self._turn]
