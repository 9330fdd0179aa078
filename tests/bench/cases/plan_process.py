"""``stellwerk plan`` as a process, where nothing is to change."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.bench.case import Case
from tests.bench.findings import Finding
from tests.bench.inputs import node_file, prefixes
from tests.bench.place import Place
from tests.bench.timing import compared, in_turns, of_command
from tests.kernel.daemon.running import STELLWERK

PLAN = "stellwerk plan"
RUNS = 7
IMPORTS = (sys.executable, "-c", "import pydantic, pyroute2, ruamel.yaml")


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield plans beside the imports that any such program in Python makes."""
    file = place.write("node.yaml", node_file(prefixes(size)))
    state = ("--state-dir", str(place.state_folder))
    of_command((*STELLWERK, "apply", str(file), *state), said=place.folder / "said")
    plan = (*STELLWERK, "plan", str(file), *state)
    plans, imports = in_turns(RUNS, lambda: of_command(plan), lambda: of_command(IMPORTS))
    yield from compared(PLAN, size, plans, imports, "importing pydantic, pyroute2 and ruamel.yaml")


CASE = Case(
    "plan",
    measure,
    {
        PLAN: "`stellwerk plan` from start to end, nothing to change; the peer is"
        " `python -c 'import pydantic, pyroute2, ruamel.yaml'`"
    },
)
