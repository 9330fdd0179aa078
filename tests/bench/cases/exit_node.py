"""The memory of a daemon that keeps a plain exit."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.case import Case
from tests.bench.findings import Finding, Measured
from tests.bench.place import Place, idle
from tests.bench.timing import cpu_seconds, peak_mebibytes, resident_mebibytes
from tests.host import host
from tests.kernel.daemon.running import exit_of, programs

MEMORY = "memory of the daemon of a plain exit"
PREFIXES = 1


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield the memory after the first apply and a changed file, with a babeld beside it."""
    with host(place.folder) as node, programs(node) as start:
        daemon = start.synced(node.node_file(exit_of(size)))
        node.node_file(exit_of(size + 1), "new.yaml").rename(node.folder / "node.yaml")
        daemon.until(lambda status: len(status["recent"]) > 1, "the changed file")
        daemon.until_synced()
        idle(daemon, cpu_seconds)
        yield Finding(MEMORY, size, "at rest", "MiB", Measured((resident_mebibytes(daemon.pid),)))
        yield Finding(MEMORY, size, "peak", "MiB", Measured((peak_mebibytes(daemon.pid),)))


CASE = Case(
    "exit",
    measure,
    {MEMORY: "an exit with a mesh, a babeld and one prefix, and another one added: resident memory of the daemon"},
    sizes=(PREFIXES,),
)
