from __future__ import annotations

from itertools import pairwise

import pytest

from intent.statistics import Following
from reconciler.backends.babel_cost import LASTING_SECONDS, SHORTEST_SECONDS, STAY_SECONDS, Choice

BABELD_SECONDS_PER_LINE = 4e-6


def dump(choice: Choice, lines: int, now: float, per_line: float = BABELD_SECONDS_PER_LINE) -> None:
    choice.whole(lines, lines * per_line, now)


def stream(choice: Choice, lines_per_second: float, since: float, seconds: float) -> float:
    """Give it a stream in bursts of 5 s, until the mode changes or the time is over; return when that is."""
    now, end, mode = since, since + seconds, choice.mode
    while now < end and choice.mode is mode:
        now += 5
        choice.heard(round(lines_per_second * 5), now)
    return now


@pytest.mark.parametrize(
    ("lines", "mode"),
    [(3, Following.MONITOR), (1000, Following.MONITOR), (2000, Following.MONITOR), (4000, Following.DUMP)],
)
def test_the_first_look_decides_by_the_size(lines: int, mode: Following) -> None:
    choice = Choice()
    dump(choice, lines, 100)
    assert choice.mode is mode


@pytest.mark.parametrize("lines", [0, 10, 1000, 10_000, 50_000])
@pytest.mark.parametrize("per_line", [2e-6, 4.3e-6, 9e-6])
def test_dumps_cost_babeld_three_milliseconds_a_second_at_most(lines: int, per_line: float) -> None:
    choice = Choice()
    dump(choice, lines, 0, per_line)
    assert choice.every_seconds >= SHORTEST_SECONDS
    assert lines * per_line / choice.every_seconds <= 0.003 or choice.every_seconds == 120


def test_ten_thousand_routes_are_dumped_every_fifteen_seconds() -> None:
    choice = Choice()
    dump(choice, 10_000, 0)
    assert choice.mode is Following.DUMP
    assert choice.every_seconds == pytest.approx(15)


def test_monitor_is_left_before_it_costs_ten_milliseconds_a_second() -> None:
    """A mesh of 10,000 routes, that was small when it was first looked at."""
    choice = Choice()
    dump(choice, 100, 0)
    changed = stream(choice, 2400, 0, 3600)
    assert choice.mode is Following.DUMP
    assert LASTING_SECONDS <= changed <= 2 * LASTING_SECONDS


def test_one_busy_minute_changes_nothing() -> None:
    choice = Choice()
    dump(choice, 1500, 0)
    now = 0.0
    for _ in range(10):
        now = stream(choice, 5000, now, 65)
        now = stream(choice, 525, now, 120)
        assert choice.mode is Following.MONITOR


def test_a_mesh_between_the_thresholds_keeps_its_mode() -> None:
    small, large = Choice(), Choice()
    dump(small, 1000, 0)
    dump(large, 5000, 0)
    for now in range(10, 3600, 10):
        dump(large, 2800, now)
    stream(small, 2800 * 0.35, 0, 3600)
    assert small.mode is Following.MONITOR
    assert large.mode is Following.DUMP


def test_dumps_are_left_when_the_mesh_has_been_small_for_minutes() -> None:
    choice = Choice()
    dump(choice, 5000, 0)
    now = 0.0
    while choice.mode is Following.DUMP:
        now += choice.every_seconds
        assert now < 1000
        dump(choice, 500, now)
    assert now >= STAY_SECONDS
    # And then it is small only for a moment.
    choice = Choice()
    dump(choice, 5000, 0)
    for now in range(20, 7200, 20):
        dump(choice, 500 if now % 200 < 100 else 5000, now)
        assert choice.mode is Following.DUMP


def test_it_never_changes_twice_within_minutes() -> None:
    """Whatever comes: the worst is what is always the opposite."""
    choice, changes, mode = Choice(), [], Following.MONITOR
    for now in range(0, 36_000, 5):
        if choice.mode is Following.MONITOR:
            choice.heard(100_000, now)
        elif now % 10 == 0:
            dump(choice, 10, now)
        if choice.mode is not mode:
            changes.append(now)
            mode = choice.mode
    assert len(changes) > 10
    assert min(later - former for former, later in pairwise(changes)) >= STAY_SECONDS


def test_a_slow_machine_is_found_out() -> None:
    choice = Choice()
    dump(choice, 1000, 0, per_line=60e-6)
    assert choice.mode is Following.DUMP
    assert choice.every_seconds == pytest.approx(20)


def test_one_slow_dump_is_no_slow_machine() -> None:
    choice = Choice()
    dump(choice, 1000, 0)
    dump(choice, 1000, 10, per_line=500e-6)
    assert (choice.mode, choice.every_seconds) == (Following.MONITOR, SHORTEST_SECONDS)
    # Nor is one that answers only after a while with a few lines.
    choice = Choice()
    choice.whole(5, 0.5, 0)
    assert (choice.mode, choice.every_seconds) == (Following.MONITOR, SHORTEST_SECONDS)


def test_a_new_connection_keeps_the_mode() -> None:
    choice = Choice()
    dump(choice, 10_000, 0)
    for now in range(1, 100):
        choice.begin(now)
        dump(choice, 0, now)
        assert choice.mode is Following.DUMP
