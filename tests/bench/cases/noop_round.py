"""A round that finds nothing to do."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.case import Case
from tests.bench.findings import Finding
from tests.bench.inputs import PEER_TABLE, TABLE, node_file, prefixes
from tests.bench.kept_node import kept_node
from tests.bench.place import Place, run
from tests.bench.timing import compared, in_turns, of_call, of_command

NOOP = "no-op round"
LOOK = "no-op look"
START = "no-op round beside a table of one route"
RUNS = 9


def measure(place: Place, size: int) -> Iterator[Finding]:
    """Yield full rounds beside the same table printed."""
    run("ip", "-6", "route", "add", "unreachable", "fd00::/64", "table", str(PEER_TABLE))
    with kept_node(place.state_folder) as node:
        node.give(node_file(prefixes(size)))
        for _ in range(2):
            node.full_round()

        def look() -> None:
            wanted = node.loop.wanted
            assert wanted is not None
            node.loop.rounds.look(wanted.desired)

        rounds, looks, shows, nothing = in_turns(
            RUNS,
            lambda: of_call(node.full_round),
            lambda: of_call(look),
            lambda: of_command(("ip", "-6", "route", "show", "table", str(TABLE))),
            lambda: of_command(("ip", "-6", "route", "show", "table", str(PEER_TABLE))),
        )
        node.check()
    yield from compared(NOOP, size, rounds, shows, "ip -6 route show")
    yield from compared(LOOK, size, looks, shows, "ip -6 route show")
    yield from compared(START, size, rounds, nothing, "ip -6 route show of one route")


CASE = Case(
    "noop-round",
    measure,
    {
        NOOP: "the daemon's loop in a process of its own looks at everything and finds nothing to do (`Loop.hear`"
        " of lost news and `Loop.settle`); the peer prints the same table to /dev/null, its start included",
        LOOK: "of that, the look and the comparison alone (`Rounds.look`)",
        START: "the same rounds beside `ip` with nearly nothing to print: what its start costs, subtracted nowhere",
    },
)
