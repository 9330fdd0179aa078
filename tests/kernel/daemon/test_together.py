"""Scenarios that wait most of their time, each on a host of its own."""

from collections.abc import Callable

import pytest

from tests.host import Host
from tests.kernel.daemon import lock_out, rest, trials, two_at_once
from tests.kernel.daemon.running import Programs

Scenario = Callable[[Host, Programs], None]
# The longest first: of several processes none waits for it alone.
SCENARIOS: dict[str, Scenario] = {
    one.__name__: one for module in (rest, lock_out, two_at_once, trials) for one in module.SCENARIOS
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, node: Host, start: Programs) -> None:
    try:
        SCENARIOS[scenario](node, start)
    except BaseException as exc:
        exc.add_note(start.all_said())
        raise
