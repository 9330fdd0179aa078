"""An audit of a fleet, by a snapshot of each node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from intent.document import Node
from intent.expansion import expand, references
from intent.fleet.repository import read_fleet
from intent.references import assumed
from intent.resources import kinds
from reconciler.core.observe import Observation, TableView
from reconciler.core.snapshot import Snapshot, lines
from reconciler.services.snapshot_references import spelled, told
from tests.bench.case import Case
from tests.bench.findings import Finding
from tests.bench.place import Place
from tests.bench.timing import compared, of_command
from tests.fleets import write_fleet
from tests.kernel.daemon.running import STELLWERK

AUDIT = "a fleet audited"
SIZES = (1_000,)
RUNS = 3
SOME_DIFFER = 2
LEAVES_OUT = 10
"""Of each so many nodes one lacks an object."""


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield what an audit of all nodes costs, a tenth of which are not as they should be."""
    folder, snapshots = place.folder / "fleet", place.folder / "snapshots"
    write_fleet(folder, size)
    snapshots.mkdir()
    fleet = read_fleet(str(folder))
    for number, name in enumerate(fleet.nodes):
        write(snapshots / f"{name}.json", fleet.render(name).node, lacks=number % LEAVES_OUT == 0)
    audit = (*STELLWERK, "audit", "--fleet", str(folder), "--snapshots", str(snapshots), "--format", "json")
    yield from compared(AUDIT, size, [of_command(audit, allowed=(SOME_DIFFER,)) for _ in range(RUNS)])


def write(path: Path, node: Node, lacks: bool) -> None:
    """Write the snapshot of a node that is as it should be, but for its last object where it lacks one."""
    values = assumed(references(node))
    made = expand(node, values).by_key
    if lacks:
        made.popitem()
    tables = {name: {key: one for key, one in made.items() if one.table == name} for name in kinds()}
    views = [TableView(name, set(), set(), there) for name, there in tables.items() if there]
    snapshot = Snapshot(
        node=node.name,
        host=node.name,
        taken=0.0,
        stellwerk="bench",
        observation=Observation(made, frozenset(made), tables=views),
        looked_at=dict.fromkeys(kinds()),
        references={spelled(one): told(one, values[one]) for one in references(node)},
    )
    path.write_text("".join(lines(snapshot)))


CASE = Case(
    "audit",
    measure,
    {AUDIT: "`stellwerk audit --fleet`, from start to end, with a snapshot of each node, a tenth of which differ"},
    sizes=SIZES,
)
