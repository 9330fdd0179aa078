"""What following a babeld costs it and us, and how soon what it tells is answered."""

from __future__ import annotations

import socket
import time
import zlib
from collections.abc import Iterator

from tests.bench.asking import NEIGHBOURS, Asker
from tests.bench.babel_mesh import BabelMesh, answer, babel_mesh, connected, dump, written_bytes
from tests.bench.case import STATISTICS_ROUTES, Case
from tests.bench.findings import Finding, Measured
from tests.bench.place import PATIENCE_SECONDS, Place
from tests.bench.provider import provider, used_seconds
from tests.bench.timing import cpu_seconds, peak_mebibytes, resident_mebibytes

FOLLOW = {"monitor": "following babeld, monitor", "dump": "following babeld, dump"}
MEMORY = "memory of stellwerk stats"
MEMORY_ROUTES = "memory of stellwerk stats that keeps routes"
NEIGHBOUR = "a neighbour lost or gained"
ROUNDS = 2
WATCHED_SECONDS = 45.0
EVERY_SECONDS = 15
"""The time between two dumps: three in what is watched."""
PER_SECOND = 20.0
LOSSES = 3
HELLO_SECONDS = 1
"""A neighbour is lost when so many hellos are."""
ASKED_EVERY_SECONDS = 0.002


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield what following costs with so many routes, what it takes of memory, and how fresh the answers are."""
    with babel_mesh(place, size) as mesh:
        yield from _costs(place, mesh, size)
        yield from _memory(place, mesh, size, MEMORY, routes=False)
        yield from _memory(place, mesh, size, MEMORY_ROUTES, routes=True)
    if size == min(CASE.sizes):
        with babel_mesh(place, size, HELLO_SECONDS) as mesh, provider(place, mesh, "monitor"):
            lost, gained = _freshness(mesh)
        yield Finding(NEIGHBOUR, size, "lost", "s", Measured.of(lost))
        yield Finding(NEIGHBOUR, size, "gained", "s", Measured.of(gained))


def _costs(place: Place, mesh: BabelMesh, size: int) -> Iterator[Finding]:
    alone: list[float] = []
    theirs: dict[str, list[float]] = {way: [] for way in FOLLOW}
    ours: dict[str, list[float]] = {way: [] for way in FOLLOW}
    asked: dict[str, list[float]] = {way: [] for way in FOLLOW}
    dumps: list[float] = []
    for _ in range(ROUNDS):
        before = cpu_seconds(mesh.pid)
        time.sleep(WATCHED_SECONDS)
        alone.append((cpu_seconds(mesh.pid) - before) / WATCHED_SECONDS)
        for way in FOLLOW:
            every = EVERY_SECONDS if way == "dump" else None
            with provider(place, mesh, way, every_seconds=every) as pid, Asker(mesh) as asker:
                # What comes with the connection is over.
                time.sleep(2)
                before, used = cpu_seconds(mesh.pid), used_seconds(pid)
                time.sleep(WATCHED_SECONDS)
                theirs[way].append((cpu_seconds(mesh.pid) - before) / WATCHED_SECONDS)
                ours[way].append((used_seconds(pid) - used) / WATCHED_SECONDS)
                before, written = cpu_seconds(mesh.pid), written_bytes(mesh.pid)
                flood = asker.at_pace(PER_SECOND, int(PER_SECOND * WATCHED_SECONDS))
                assert len(flood.seconds) == flood.asked
                asked[way].append((cpu_seconds(mesh.pid) - before) / WATCHED_SECONDS)
                if way == "dump":
                    dumps.append((written_bytes(mesh.pid) - written) * EVERY_SECONDS / WATCHED_SECONDS)
    length = len(dump())
    for way, case in FOLLOW.items():
        name, beside = "nobody follows", Measured.of(alone)
        yield Finding(case, size, "CPU of babeld a second", "s", Measured.of(theirs[way]), beside, name)
        yield Finding(case, size, "CPU of babeld a second, asked", "s", Measured.of(asked[way]), beside, name)
        yield Finding(case, size, "CPU of ours a second", "s", Measured.of(ours[way]))
    case, quantity = FOLLOW["dump"], f"dumps in {EVERY_SECONDS} s"
    yield Finding(case, size, quantity, "dumps", Measured.of(one / length for one in dumps))


def _memory(place: Place, mesh: BabelMesh, size: int, case: str, *, routes: bool) -> Iterator[Finding]:
    with provider(place, mesh, "monitor", routes=routes) as pid, Asker(mesh) as asker:
        asker.at_pace(100.0, 500)
        time.sleep(10)
        yield Finding(case, size, "at rest", "MiB", Measured((resident_mebibytes(pid),)))
        yield Finding(case, size, "peak", "MiB", Measured((peak_mebibytes(pid),)))


def _freshness(mesh: BabelMesh) -> tuple[list[float], list[float]]:
    """Take a neighbour away and give it back; return the seconds from each of babeld's lines to the answer."""
    found: dict[bytes, list[float]] = {b"flush": [], b"add": []}
    with connected() as news, Asker(mesh) as asker:
        news.sendall(b"monitor\n")
        answer(news)
        for _ in range(LOSSES):
            mesh.kill_silent()
            told_at = _told(news, b"flush neighbour ")
            found[b"flush"].append(_answered(asker, 1) - told_at)
            mesh.start_silent()
            told_at = _told(news, b"add neighbour ")
            found[b"add"].append(_answered(asker, 2) - told_at)
    return found[b"flush"], found[b"add"]


def _told(news: socket.socket, words: bytes) -> float:
    """Return when babeld tells a line that begins so."""
    said = b"\n"
    while b"\n" + words not in said:
        said = said[-200:] + news.recv(1 << 16)
    return time.monotonic()


def _answered(asker: Asker, neighbours: int) -> float:
    """Return when an answer with so many neighbours came."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        said = zlib.decompress(asker.ask(NEIGHBOURS), -zlib.MAX_WBITS)
        if said.count(b'"rxcost"') == neighbours:
            return time.monotonic()
        assert time.monotonic() < deadline, said
        time.sleep(ASKED_EVERY_SECONDS)


CASE = Case(
    "statistics-following",
    measure,
    {
        FOLLOW["monitor"]: "`stellwerk stats` follows a babeld in which nothing changes, with `monitor`: what babeld"
        " uses of a core, at rest and asked 20 times a second, beside what it uses when nobody follows; and what ours"
        " uses",
        FOLLOW["dump"]: f"the same with a dump every {EVERY_SECONDS} s, and how many there were, by the bytes that"
        " babeld wrote",
        MEMORY: "resident memory of the process that answers respondd and knows neighbours, interfaces and"
        " announcements (VmRSS, VmHWM)",
        MEMORY_ROUTES: "the same with the routes, and with the server for Prometheus that asks for them",
        NEIGHBOUR: "a neighbour ends and comes back; from babeld's line to the first answer that says so, asked every"
        f" {1000 * ASKED_EVERY_SECONDS:.0f} ms",
    },
    sizes=STATISTICS_ROUTES,
    limit_seconds=600.0,
)
