"""``stellwerk run`` as a process: repairs, a changed file, rounds without a difference, memory."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from reconciler.services.control_client import Control
from tests.bench.case import Case
from tests.bench.findings import Finding, Measured
from tests.bench.inputs import METRIC, TABLE, node_file, packed, prefixes
from tests.bench.place import RTM_DELROUTE, RTM_NEWROUTE, Place, RouteNews, idle, in_sync
from tests.bench.timing import Cost, compared, cpu_seconds, in_turns, of_command, peak_mebibytes, resident_mebibytes
from tests.kernel.daemon.running import Daemon

REPAIR = "one route deleted"
FILE = "one route changed"
EVENT = "no-op round after an event"
RECONCILE = "stellwerk reconcile"
MEMORY = "memory of the daemon"
REPAIRS = 40
CHANGES = 5
ROUNDS = 20
RECONCILES = 7


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield what a daemon does with so many routes."""
    sources = prefixes(size + CHANGES)
    file = place.write("node.yaml", node_file(sources[:size]))
    with place.daemon(file, place.state_folder) as daemon:
        yield Finding(MEMORY, size, "peak after the first apply", "MiB", Measured((peak_mebibytes(daemon.pid),)))
        yield Finding(REPAIR, size, "wall", "s", Measured.of(repairs(daemon, sources[:size], REPAIRS)))
        rounds, shows = _event_rounds(daemon)
        yield Finding(EVENT, size, "CPU", "s", Measured.of(rounds), Measured.of(shows), "ip -6 route show")
        yield from compared(RECONCILE, size, [reconcile(daemon) for _ in range(RECONCILES)])
        yield Finding(FILE, size, "wall", "s", Measured.of(_changes(daemon, file, sources, size)))
        yield Finding(MEMORY, size, "at rest", "MiB", Measured((resident_mebibytes(daemon.pid),)))
        yield Finding(MEMORY, size, "peak", "MiB", Measured((peak_mebibytes(daemon.pid),)))


def repairs(daemon: Daemon, sources: list[str], count: int) -> list[float]:
    """Delete routes all over the table; return the seconds from each notification of that to that of its return."""
    found = []
    batch = subprocess.Popen(["ip", "-6", "-batch", "-"], stdin=subprocess.PIPE)
    with batch, RouteNews() as news:
        assert batch.stdin is not None
        for number in range(count):
            source = sources[number * len(sources) // count]
            batch.stdin.write(f"route delete default from {source} table {TABLE} metric {METRIC}\n".encode())
            batch.stdin.flush()
            gone = news.await_one(RTM_DELROUTE, packed(source))
            found.append(news.await_one(RTM_NEWROUTE, packed(source)) - gone)
            idle(daemon, cpu_seconds)
    return found


def _event_rounds(daemon: Daemon) -> tuple[list[float], list[float]]:
    """Add and delete a foreign route in the table; return the CPU seconds of each round, and of each print.

    When a round ends cannot be told from outside, so there are no wall seconds.
    """
    route = f"default from fd00::/48 dev lo table {TABLE} proto 99"

    def event() -> Cost:
        before = idle(daemon, cpu_seconds)
        subprocess.run(
            ["ip", "-6", "-batch", "-"], input=f"route add {route}\nroute delete {route}\n".encode(), check=True
        )
        deadline = time.monotonic() + 10
        while cpu_seconds(daemon.pid) == before and time.monotonic() < deadline:
            time.sleep(0.001)
        return Cost(0.0, idle(daemon, cpu_seconds) - before)

    show = ("ip", "-6", "route", "show", "table", str(TABLE))
    rounds, shows = in_turns(ROUNDS, event, lambda: of_command(show))
    return [one.cpu for one in rounds], [one.cpu for one in shows]


def reconcile(daemon: Daemon) -> Cost:
    """Have the daemon read its file and look at everything; return what that costs the daemon."""
    before, begun = idle(daemon, cpu_seconds), time.perf_counter()
    status = Control(daemon.socket).ask("reconcile", allow_deletes=False)["status"]
    wall = time.perf_counter() - begun
    assert status["sync"]["state"] == "synced"
    return Cost(wall, idle(daemon, cpu_seconds) - before)


def _changes(daemon: Daemon, file: Path, sources: list[str], size: int) -> list[float]:
    """Put files over the node file, and return the seconds from each until the kernel is told of the new route."""
    found = []
    for change in range(CHANGES):
        new = sources[size + change]
        changed = sources[:size]
        changed[size // 2] = new
        other = file.with_name("new.yaml")
        other.write_text(node_file(changed))
        idle(daemon, cpu_seconds)
        with RouteNews() as news:
            begun = time.monotonic()
            other.rename(file)
            found.append(news.await_one(RTM_NEWROUTE, packed(new)) - begun)
        idle(daemon, cpu_seconds)
        in_sync(daemon)
    return found


CASE = Case(
    "daemon",
    measure,
    {
        REPAIR: "one route is deleted; from the kernel's notification of that to the one that it is there again",
        EVENT: "a foreign route comes and goes in the table: CPU of the whole daemon until it rests, reading the"
        " notifications included, beside the CPU of printing the same table",
        RECONCILE: "`stellwerk reconcile`: the daemon reads its node file again, and everything from nothing, and finds"
        " nothing to do; until it answers, and CPU until it rests",
        FILE: "the node file is replaced by one with another prefix in the middle, until the kernel tells of the route",
        MEMORY: "resident memory of the process, its peak (VmHWM) and at the end of all the above (VmRSS)",
    },
    limit_seconds=400.0,
)
