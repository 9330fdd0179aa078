"""The cheaper way of following a babeld is chosen by what it costs, and does not go to and fro."""

from __future__ import annotations

import pytest

from intent.statistics import Following
from reconciler.backends.babeld_choice import STAY_SECONDS, WINDOW_SECONDS, Choice


def chosen(lines: int) -> Choice:
    choice = Choice()
    choice.begin(0)
    choice.whole(lines, 0)
    return choice


@pytest.mark.parametrize(("lines", "way"), [(0, "monitor"), (1000, "monitor"), (2000, "dump"), (10_000, "dump")])
def test_the_first_snapshot_decides(lines: int, way: str) -> None:
    assert chosen(lines).mode == way


def test_dumps_are_rarer_the_larger_they_are_and_cost_at_most_three_milliseconds_a_second() -> None:
    assert chosen(100).every_seconds == 10
    for lines in (5_000, 10_000, 100_000):
        assert lines * 4e-6 / chosen(lines).every_seconds <= 0.003


def test_a_stream_that_stays_wild_is_left_and_a_short_burst_is_not() -> None:
    choice = chosen(1000)
    choice.heard(2000, 1)
    choice.heard(300, WINDOW_SECONDS)
    assert choice.mode == str(Following.MONITOR)
    for second in range(1, int(WINDOW_SECONDS) + 1):
        choice.heard(600, WINDOW_SECONDS + second)
    assert choice.mode == str(Following.DUMP)


def test_the_stream_is_taken_up_again_when_the_mesh_is_much_smaller_and_not_before_long() -> None:
    choice = chosen(2000)
    choice.whole(100, 20)
    assert choice.mode == str(Following.DUMP)
    choice.whole(1000, STAY_SECONDS + 1)
    assert choice.mode == str(Following.DUMP)
    choice.whole(700, STAY_SECONDS + 2)
    assert choice.mode == str(Following.MONITOR)
