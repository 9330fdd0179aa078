"""All that babeld knows told at once, while the program that follows it is busy with something else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from intent.statistics import BabelSource, Following
from reconciler.backends.babeld_client import follow
from reconciler.backends.babeld_following import Follower
from tests.bench.babel_mesh import babel_mesh
from tests.bench.case import STATISTICS_ROUTES, Case
from tests.bench.findings import Finding, Measured
from tests.bench.place import Place, run, until
from tests.bench.provider import Relay

BURST = "a burst of lines, the main thread blocked"
BLOCKED_SECONDS = 1.0
ROUNDS = 3
MOST_ROUTES = 0.9
"""After the link was down babeld itself does not always get the last of 10,000 again."""
HELLO_SECONDS = 1
"""Neighbours find each other again soon."""


def wait() -> None:
    """Block as a system call does."""
    time.sleep(BLOCKED_SECONDS)


def compute() -> None:
    """Block as Python code does that has much to do: other threads get their turn every 5 ms only."""
    ends = time.monotonic() + BLOCKED_SECONDS
    while time.monotonic() < ends:
        pass


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield what becomes of bursts."""
    with babel_mesh(place, size, HELLO_SECONDS), Relay(place.folder) as relay:
        until(relay.path.is_socket, "the relay")
        follower = follow(BabelSource(socket=str(relay.path), following=Following.MONITOR, routes=True))
        try:
            for way in (wait, compute):
                yield from _bursts(relay, follower, way, size)
        finally:
            follower.close()


def _bursts(relay: Relay, follower: Follower, block: Callable[[], None], size: int) -> Iterator[Finding]:
    lines: list[float] = []
    lost: list[float] = []
    waits: list[float] = []
    for _ in range(ROUNDS):
        until(lambda: _routes(follower) >= MOST_ROUTES * size, "the routes", 0.5)
        before = follower.state()
        relay.reset()
        # The neighbour goes, and with it all routes.
        run("ip", "link", "set", "mesh0", "down")
        block()
        until(lambda: _routes(follower) == 0, "the end of the routes")
        after = follower.state()
        waits.append(relay.longest_seconds())
        lines.append(after.lines_total - before.lines_total)
        lost.append(after.lost_total - before.lost_total)
        run("ip", "link", "set", "mesh0", "up")
    quantity = f"{block.__name__}: "
    yield Finding(BURST, size, f"{quantity}lines", "lines", Measured.of(lines))
    yield Finding(BURST, size, f"{quantity}connections lost", "connections", Measured.of(lost))
    yield Finding(BURST, size, f"{quantity}longest wait of babeld", "s", Measured.of(waits))


def _routes(follower: Follower) -> int:
    """Return how many routes are known, -1 where nothing is."""
    known = follower.known()
    return -1 if known is None or known.counts is None else known.counts.installed + known.counts.fallback


CASE = Case(
    "statistics-burst",
    measure,
    {
        BURST: "the link to the neighbour goes down, and babeld tells at once what becomes of each route, while the"
        f" main thread of the process that follows it is blocked for {BLOCKED_SECONDS:.0f} s: by waiting, and by"
        " computing in Python. How many lines came, how many connections were lost, and the longest that anything"
        " babeld wrote was left unread",
    },
    sizes=STATISTICS_ROUTES,
    limit_seconds=300.0,
)
