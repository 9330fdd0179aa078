"""A regression to a wrong order of magnitude fails here; what exactly is promised is measured by ``make bench``.

Processor seconds, the least of some runs, in turns with the peer: others use this machine too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bench.cases.first_apply import apply_in_a_process
from tests.bench.inputs import TABLE, ip_batch, node_file, prefixes
from tests.bench.kept_node import kept_node
from tests.bench.place import Place, route_entries
from tests.bench.timing import Cost, in_turns, of_call, of_command
from tests.namespaces import namespaces

pytestmark = pytest.mark.alone
FEW, MANY = 1_000, 8_000
RUNS = 3
ROUNDS = 7
MOST_GROWTH = 2.5
"""Of the time per row from few to many."""
NOOP_RATIO = 3 * 0.6
FIRST_RATIO = 3 * 1.2
RunHere = Callable[[Callable[[], None]], None]


@pytest.fixture
def here() -> Iterator[RunHere]:
    """A way to run something in a new network namespace."""
    with namespaces(1) as (namespace,):
        yield namespace.run


def least(costs: list[Cost]) -> float:
    return min(one.cpu for one in costs)


def test_a_first_apply_grows_with_the_routes_and_stands_beside_ip(here: RunHere, tmp_path: Path) -> None:
    place = Place(tmp_path)

    def applied(size: int) -> dict[str, Cost]:
        place.fresh_links()
        file = place.write(f"{size}.yaml", node_file(prefixes(size)))
        costs = apply_in_a_process(file, place.fresh_state("apply"))
        assert route_entries() >= size
        return costs

    def added(size: int) -> Cost:
        place.fresh_links()
        return of_command(("ip", "-6", "-batch", str(place.write("batch", ip_batch(prefixes(size))))))

    few: list[dict[str, Cost]] = []
    many: list[dict[str, Cost]] = []
    peer: list[Cost] = []

    def measure() -> None:
        for _ in range(RUNS):
            few.append(applied(FEW))
            peer.append(added(MANY))
            many.append(applied(MANY))

    here(measure)
    ratio = least([one["all"] for one in many]) / least(peer)
    growth = {
        phase: least([one[phase] for one in many]) / least([one[phase] for one in few]) * FEW / MANY for phase in few[0]
    }
    print(f"beside ip -batch: {ratio:.2f}; growth per row: {growth}")
    assert {phase: factor for phase, factor in growth.items() if factor > MOST_GROWTH} == {}
    assert ratio < FIRST_RATIO


def test_a_round_without_a_difference_grows_with_the_routes_and_stands_beside_ip(here: RunHere, tmp_path: Path) -> None:
    place = Place(tmp_path)
    found: dict[int, tuple[float, float]] = {}

    def measure() -> None:
        for size in (FEW, MANY):
            place.fresh_links()
            with kept_node(place.fresh_state("rounds")) as node:
                node.give(node_file(prefixes(size)))
                node.full_round()
                show = ("ip", "-6", "route", "show", "table", str(TABLE))
                rounds, shows = in_turns(ROUNDS, lambda: of_call(node.full_round), lambda: of_command(show))  # noqa: B023
                node.check()
            found[size] = least(rounds), least(shows)

    here(measure)
    (few, _), (many, shown) = found[FEW], found[MANY]
    print(f"beside ip route show: {many / shown:.2f}; growth per row: {many / few * FEW / MANY:.2f}")
    assert many / few * FEW / MANY < MOST_GROWTH
    assert many / shown < NOOP_RATIO
