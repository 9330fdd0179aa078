"""Rendering and checking a fleet grows with its nodes, and a change of one costs little beside all of them.

Processor seconds, the least of some runs, compared with one another: others use this machine too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.timing import of_command
from tests.fleets import node_name, node_text, write_fleet
from tests.kernel.daemon.running import STELLWERK

pytestmark = pytest.mark.alone
FEW, MANY = 400, 2_000
RUNS = 2
MOST_GROWTH = 1.6
"""Of what a node costs, from few to many; the start of the program weighs most among few."""
MOST_FOR_ONE = 0.6
"""Of what all of many nodes cost, for one that has changed. The start of the program is in both."""


def least_cpu(command: str, fleet: Path, cache: Path, fresh: bool) -> float:
    """Return the processor seconds of a command, when nothing is known of the fleet or all but one node is."""
    found = []
    for run in range(RUNS):
        name = f"{command}-{fleet.name}-{run if fresh else 0}"
        number = 5 + 2 * run + fresh
        text = node_text(number, f"mesh: {{interfaces: [{{name: mesh0, rxcost: {100 + run}}}]}}\n")
        (fleet / "nodes" / f"{node_name(number)}.yaml").write_text(text)
        variables = ("env", f"XDG_CACHE_HOME={cache / name}")
        found.append(of_command((*variables, *STELLWERK, command, "--fleet", str(fleet))).cpu)
    return min(found)


@pytest.mark.parametrize("command", ["check", "render"])
def test_a_fleet_costs_as_its_nodes_and_one_change_little(command: str, tmp_path: Path) -> None:
    fleets = {size: tmp_path / f"fleet-{size}" for size in (FEW, MANY)}
    for size, folder in fleets.items():
        write_fleet(folder, size)
    few, many = (least_cpu(command, fleets[size], tmp_path / "cache", True) for size in (FEW, MANY))
    one = least_cpu(command, fleets[MANY], tmp_path / "cache", False)
    print(f"{command}: {few:.2f} s for {FEW}, {many:.2f} s for {MANY}, {one:.2f} s for one of them changed")
    assert many / few * FEW / MANY < MOST_GROWTH
    assert one < MOST_FOR_ONE * many
