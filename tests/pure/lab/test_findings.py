"""For how long nobody answered a probe."""

import pytest

from reconciler.lab.probe import Findings


def test_the_longest_time_begins_with_the_last_answer_before_it() -> None:
    found = Findings(started=10.0, ended=20.0, sent=10, answered=4, answers=[10.1, 10.2, 15.2, 19.9])
    told = found.as_json(every=0.1)
    assert told["lost"] == 6
    assert told["longest_gap"] == pytest.approx(5.0)
    assert told["longest_gap_from"] == 10.2
    assert told["gaps"] == [[10.2, 15.2], [15.2, 19.9]]


def test_without_any_answer_it_is_all_of_the_time() -> None:
    told = Findings(started=10.0, ended=12.0, sent=3).as_json(every=0.5)
    assert (told["longest_gap"], told["gaps"], told["round_trip_seconds"]) == (2.0, [[10.0, 12.0]], None)


def test_an_answer_that_came_after_the_end_makes_no_time_longer() -> None:
    told = Findings(started=10.0, ended=11.0, sent=2, answered=2, answers=[10.5, 11.2]).as_json(every=0.5)
    assert told["longest_gap"] == pytest.approx(0.7)
    assert told["lost"] == 0
