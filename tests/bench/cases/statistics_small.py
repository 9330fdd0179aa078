"""What a query costs, in seconds instead of minutes, for the tests; of no size, so ``make bench`` leaves it out."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.asking import Asker
from tests.bench.babel_mesh import babel_mesh
from tests.bench.case import Case
from tests.bench.cases.statistics_queries import QUANTITIES, SELDOM_SECONDS, queries
from tests.bench.findings import Finding, Measured
from tests.bench.place import Place
from tests.bench.provider import PEER_PORT, dump_on_query, provider

SMALL = "some respondd queries"
ROUNDS = 3


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield what a query costs, ours and theirs, by few."""
    with babel_mesh(place, size) as mesh:
        with provider(place, mesh, "dump", every_seconds=SELDOM_SECONDS) as pid, Asker(mesh) as asker:
            ours = queries(mesh, pid, asker, 200, 100.0, ROUNDS)
        with dump_on_query(place, mesh) as pid, Asker(mesh, PEER_PORT) as asker:
            theirs = queries(mesh, pid, asker, 20, 10.0, ROUNDS)
    for quantity, unit, value in QUANTITIES:
        peer = Measured.of(map(value, theirs))
        yield Finding(SMALL, size, quantity, unit, Measured.of(map(value, ours)), peer, "dump on query")


CASE = Case("statistics-small", measure, {SMALL: "a few queries"}, sizes=(), limit_seconds=120.0)
