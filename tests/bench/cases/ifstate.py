"""ifstate, the closest program in Python: one file for a machine, compared with the kernel by pyroute2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bench.case import Case
from tests.bench.findings import Finding
from tests.bench.inputs import ifstate_configuration, node_file, prefixes
from tests.bench.place import Place, environment
from tests.bench.timing import compared, of_command
from tests.kernel.daemon.running import STELLWERK

APPLY = "a file applied by a process"
CHECK = "nothing to change, by a process"
RUNS = {1_000: 3, 10_000: 1}
VARIABLE = "STELLWERK_BENCH_IFSTATE"
"""The path of ifstate's command."""


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield processes of both that apply a file, and that find nothing to change.

    ifstate removes network namespaces that it does not know: this place has a /run of its own, without any.
    """
    ifstate = environment(VARIABLE)
    if not ifstate or not Path(ifstate).exists():
        raise FileNotFoundError("ifstate is not installed: `make bench` installs it")
    file = place.write("node.yaml", node_file(prefixes(size)))
    other = place.write("ifstate.yaml", ifstate_configuration(prefixes(size)))
    state = ("--state-dir", str(place.state_folder))
    said = place.folder / "said"
    ours = [of_command((*STELLWERK, word, str(file), *state), said=said) for word in _words("apply", "plan", size)]
    # It removes routes that it does not know, so the two cannot take turns.
    place.fresh_links()
    theirs = [of_command((ifstate, "-q", "-c", str(other), word), said=said) for word in _words("apply", "check", size)]
    yield from compared(APPLY, size, ours[:1], theirs[:1], "ifstate")
    yield from compared(CHECK, size, ours[1:], theirs[1:], "ifstate")


def _words(apply: str, check: str, size: int) -> list[str]:
    return [apply, *[check] * RUNS[size]]


CASE = Case(
    "ifstate",
    measure,
    {
        APPLY: "`stellwerk apply`, which looks again, and `ifstatecli apply`; ifstate has no source-specific routes, so"
        " its are as many by destination",
        CHECK: "`stellwerk plan` and `ifstatecli check`, which prints all that it compared",
    },
    sizes=tuple(RUNS),
    limit_seconds=180.0,
)
