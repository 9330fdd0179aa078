"""Scenarios that wait most of their time, each on a host of its own, several at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.host import Host, host
from tests.kernel.daemon import lock_out, rest, trials, two_at_once
from tests.kernel.daemon.running import Programs, programs

AT_ONCE = 6
Scenario = Callable[[Host, Programs], None]
# The longest first: none is waited for alone.
SCENARIOS: dict[str, Scenario] = {
    one.__name__: one for module in (rest, lock_out, two_at_once, trials) for one in module.SCENARIOS
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BaseException | None]:
    """What became of each scenario."""
    folders = [tmp_path_factory.mktemp("node") for _ in SCENARIOS]

    def play(scenario: Scenario, folder: Path) -> BaseException | None:
        try:
            with host(folder) as node, programs(node) as start:
                try:
                    scenario(node, start)
                except BaseException as exc:
                    exc.add_note(start.all_said())
                    raise
        except BaseException as exc:  # noqa: BLE001 - it is raised by the test of the scenario
            return exc
        return None

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return dict(zip(SCENARIOS, threads.map(play, SCENARIOS.values(), folders), strict=True))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, played: dict[str, BaseException | None]) -> None:
    if (error := played[scenario]) is not None:
        raise error
