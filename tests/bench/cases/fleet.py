"""A fleet: all of its nodes rendered and checked, and again after a change of one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.bench.case import Case
from tests.bench.findings import Finding
from tests.bench.place import Place
from tests.bench.timing import Cost, compared, of_command
from tests.fleets import node_name, node_text, write_fleet
from tests.kernel.daemon.running import STELLWERK

SIZES = (1_000, 10_000)
ALL = "a fleet checked"
WRITTEN = "a fleet rendered"
ONE_CHECKED = "a fleet checked, one node changed"
ONE_WRITTEN = "a fleet rendered, one node changed"
RUNS = 3


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield what rendering and checking all nodes costs, and what it costs when one of them has changed."""
    fleet = place.folder / "fleet"
    write_fleet(fleet, size)
    cache = place.folder / "cache"
    command = ("env", f"XDG_CACHE_HOME={cache}", *STELLWERK)
    check = (*command, "check", "--fleet", str(fleet))
    render = (*command, "render", "--fleet", str(fleet))
    costs: dict[str, list[Cost]] = {ALL: [], WRITTEN: [], ONE_CHECKED: [], ONE_WRITTEN: []}
    for run in range(RUNS):
        # Nothing is known of the fleet, and nothing of it written.
        shutil.rmtree(cache, ignore_errors=True)
        costs[ALL].append(of_command(check))
        shutil.rmtree(cache, ignore_errors=True)
        shutil.rmtree(fleet / "rendered", ignore_errors=True)
        costs[WRITTEN].append(of_command(render))
        _change(fleet, size, 2 * run)
        costs[ONE_CHECKED].append(of_command(check))
        _change(fleet, size, 2 * run + 1)
        costs[ONE_WRITTEN].append(of_command(render))
    for name, values in costs.items():
        yield from compared(name, size, values)


def _change(fleet: Path, size: int, run: int) -> None:
    number = size // 2 + run
    text = node_text(number, f"mesh: {{interfaces: [{{name: mesh0, rxcost: {100 + run}}}]}}\n")
    (fleet / "nodes" / f"{node_name(number)}.yaml").write_text(text)


CASE = Case(
    "fleet",
    measure,
    {
        ALL: "`stellwerk check --fleet` of a fleet that nothing is known of: each node rendered and validated, then all"
        " of them held beside each other",
        WRITTEN: "`stellwerk render` of such a fleet, which writes the documents of all nodes",
        ONE_CHECKED: "`stellwerk check --fleet` when the file of one node has changed since",
        ONE_WRITTEN: "`stellwerk render` when the file of one node has changed since",
    },
    sizes=SIZES,
)
