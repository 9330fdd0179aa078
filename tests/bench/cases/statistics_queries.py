"""Queries of respondd: what one costs beside a provider that dumps at each, and a thousand a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.asking import Asker
from tests.bench.babel_mesh import BABELD_SOCKET, BabelMesh, babel_mesh, written_bytes
from tests.bench.case import STATISTICS_ROUTES, Case
from tests.bench.findings import Finding, Measured
from tests.bench.place import Place
from tests.bench.provider import PEER_PORT, Relay, dump_on_query, provider, used_seconds
from tests.bench.timing import cpu_seconds, of_command

QUERY = "one respondd query"
QUERY_NC = "one respondd query, beside nc"
FLOOD = "a thousand queries a second"
ROUNDS = 4
QUERIES = 2_000
PEER_QUERIES = 20
PEER_PER_SECOND = 2.0
PER_SECOND = 250.0
FLOOD_PER_SECOND = 1_000.0
FLOOD_SECONDS = 10.0
SELDOM_SECONDS = 3600
"""A time between two dumps in which none falls into a measurement: what babeld then writes is caused by queries."""


@dataclass(frozen=True, slots=True)
class Used:
    """What something took: processor seconds of the provider and of babeld, and bytes that babeld wrote."""

    provider: float
    babeld: float
    babeld_bytes: float


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield what a query costs, ours and theirs."""
    with babel_mesh(place, size) as mesh:
        with provider(place, mesh, "dump", every_seconds=SELDOM_SECONDS) as pid, Asker(mesh) as asker:
            ours = queries(mesh, pid, asker, QUERIES // ROUNDS, PER_SECOND)
        with dump_on_query(place, mesh) as pid, Asker(mesh, PEER_PORT) as asker:
            theirs = queries(mesh, pid, asker, PEER_QUERIES // ROUNDS, PEER_PER_SECOND)
        nc = [_nc(place, mesh) for _ in range(PEER_QUERIES)]
        for case, peer, name in ((QUERY, theirs, "dump on query"), (QUERY_NC, nc, "nc")):
            for quantity, unit, value in QUANTITIES:
                peers = Measured.of(map(value, peer))
                yield Finding(case, size, quantity, unit, Measured.of(map(value, ours)), peers, name)
        yield from _flood(place, mesh, size)


QUANTITIES: tuple[tuple[str, str, Callable[[Used], float]], ...] = (
    ("CPU", "s", lambda used: used.provider + used.babeld),
    ("CPU of babeld", "s", lambda used: used.babeld),
    ("from babeld", "bytes", lambda used: used.babeld_bytes),
)


def queries(mesh: BabelMesh, pid: int, asker: Asker, count: int, per_second: float, rounds: int = ROUNDS) -> list[Used]:
    """Ask at a pace; return what each query took on average, a value a round. What both use at rest is taken off."""
    found = []
    seconds = count / per_second
    for _ in range(rounds):
        rest = _used(mesh, pid, lambda: time.sleep(seconds))
        answered: list[int] = []
        busy = _used(mesh, pid, lambda: answered.append(len(asker.at_pace(per_second, count).seconds)))  # noqa: B023
        assert answered == [count], f"{answered} of {count} queries were answered"
        found.append(
            Used(
                (busy.provider - rest.provider) / count,
                (busy.babeld - rest.babeld) / count,
                (busy.babeld_bytes - rest.babeld_bytes) / count,
            )
        )
    return found


def _used(mesh: BabelMesh, pid: int, work: Callable[[], object]) -> Used:
    before = used_seconds(pid), cpu_seconds(mesh.pid), written_bytes(mesh.pid)
    work()
    return Used(
        used_seconds(pid) - before[0], cpu_seconds(mesh.pid) - before[1], float(written_bytes(mesh.pid) - before[2])
    )


def _nc(place: Place, mesh: BabelMesh) -> Used:
    """Have nc print what babeld knows, which is only the beginning of an answer."""
    command = place.write("dump.sh", f"printf 'dump\\n' | exec nc -U -N {BABELD_SOCKET}\n")
    before = cpu_seconds(mesh.pid), written_bytes(mesh.pid)
    cost = of_command(("sh", str(command)))
    return Used(cost.cpu, cpu_seconds(mesh.pid) - before[0], float(written_bytes(mesh.pid) - before[1]))


def _flood(place: Place, mesh: BabelMesh, size: int) -> Iterator[Finding]:
    """Ask a thousand times a second, while babeld tells every change and repeats what it knows."""
    with (
        Relay(place.folder) as relay,
        provider(place, mesh, "monitor", babeld=relay.path) as pid,
        Asker(mesh) as asker,
    ):
        time.sleep(FLOOD_SECONDS)
        rest = _used(mesh, pid, lambda: time.sleep(3 * FLOOD_SECONDS))
        relay.reset()
        begun, before = time.monotonic(), cpu_seconds(mesh.pid)
        # babeld repeats what it knows every few seconds: its share is seen over a longer time.
        seconds = [
            asker.at_pace(FLOOD_PER_SECOND, int(FLOOD_PER_SECOND)).seconds for _ in range(int(3 * FLOOD_SECONDS))
        ]
        took = time.monotonic() - begun
        busy, longest = cpu_seconds(mesh.pid) - before, relay.longest_seconds()
    missing = [FLOOD_PER_SECOND - len(one) for one in seconds]
    yield Finding(FLOOD, size, "unanswered", "queries", Measured((sum(missing),)))
    yield Finding(FLOOD, size, "until the answer, longest of each second", "s", Measured.of(map(max, seconds)))
    yield Finding(FLOOD, size, "longest wait of babeld", "s", Measured((longest,)))
    yield Finding(
        FLOOD,
        size,
        "CPU of babeld a second",
        "s",
        Measured((busy / took,)),
        Measured((rest.babeld / (3 * FLOOD_SECONDS),)),
        "without queries",
    )


CASE = Case(
    "statistics-queries",
    measure,
    {
        QUERY: "nodeinfo, statistics and neighbours in one query over a cable, asked by 20 addresses at a steady pace:"
        " CPU of the provider and of babeld together, and of babeld alone, what both use at rest taken off; and the"
        " bytes that babeld writes for it. The peer is a provider in Python that connects to babeld at each query, has"
        " it dump, and makes its answer of that (tests/bench/peers/dump_on_query.py)",
        QUERY_NC: "the same, beside the least that a provider of shell and C can do: `nc` prints babeld's dump. It"
        " makes no answer of it",
        FLOOD: "half a minute of a thousand queries a second, while babeld is followed with `monitor`: the time to each"
        " answer, the longest that anything babeld wrote was left unread, and babeld's own processor time beside that"
        " without any query",
    },
    sizes=STATISTICS_ROUTES,
    limit_seconds=400.0,
)
