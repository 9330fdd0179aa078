"""All routes of a node file added to an empty table.

``python -m tests.bench.cases.first_apply FILE STATE`` does it once, in a process that has done nothing before, and
prints what it took.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from reconciler.services.collector import expect_many_objects
from tests.bench.case import Case
from tests.bench.findings import Finding, Measured
from tests.bench.inputs import ip_batch, node_file, prefixes
from tests.bench.kept_node import apply_once
from tests.bench.place import Place, route_entries
from tests.bench.timing import Cost, compared, of_command

FIRST = "first apply"
RUNS = 5


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield first applies beside ``ip -batch``, each into fresh links and tables."""
    file = place.write("node.yaml", node_file(prefixes(size)))
    batch = place.write("batch", ip_batch(prefixes(size)))
    ours: list[dict[str, Cost]] = []
    theirs: list[Cost] = []
    for _ in range(RUNS):
        place.fresh_links()
        theirs.append(of_command(("ip", "-6", "-batch", str(batch))))
        assert route_entries() >= size
        place.fresh_links()
        ours.append(apply_in_a_process(file, place.fresh_state("apply")))
        assert route_entries() >= size
    yield from compared(FIRST, size, [one["all"] for one in ours], theirs, "ip -6 -batch")
    for phase in ("load", "expand", "look and diff", "apply and verify"):
        yield Finding(FIRST, size, phase, "s", Measured.of(one[phase].wall for one in ours))


def apply_in_a_process(file: Path, state: Path) -> dict[str, Cost]:
    """Return the costs that `apply_once` told."""
    command = [sys.executable, "-m", "tests.bench.cases.first_apply", str(file), str(state)]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {phase: Cost(**cost) for phase, cost in told.items()}


CASE = Case(
    "first-apply",
    measure,
    {
        FIRST: "from the parsed node file to the verified table: expanded, looked at, compared, sent, looked at and"
        " compared again, in a process of its own each time; to `load` the file comes before that. The peer adds the"
        " same routes to a table as empty",
    },
    limit_seconds=400.0,
)

if __name__ == "__main__":
    expect_many_objects()
    costs = apply_once(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]))
    print(json.dumps({phase: asdict(cost) for phase, cost in costs.items()}))
