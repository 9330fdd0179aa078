"""Values that are looked up no more often than they are worth, however many ask."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.core.errors import BusyError
from reconciler.services.statistics.kept import PATIENCE_SECONDS, Kept


def test_a_thousand_questions_are_one_look() -> None:
    kept = Kept(lambda: 7, 0, 60.0)
    with ThreadPoolExecutor(8) as askers:
        assert set(askers.map(lambda _: kept.get(), range(1000))) == {7}
    assert kept.looks_total == 1


def test_it_is_looked_up_again_when_its_time_is_over() -> None:
    kept = Kept(time.monotonic, 0.0, 0.001)
    first = kept.get()
    while kept.get() == first:
        assert time.monotonic() < first + 10
    assert kept.looks_total >= 2


def test_a_look_that_takes_long_is_made_less_often() -> None:
    def look() -> int:
        time.sleep(0.05)
        return 7

    kept = Kept(look, 0, 0.001)
    ended = time.monotonic() + 0.5
    while time.monotonic() < ended:
        kept.get()
    # Each may be followed by twenty times its own time.
    assert kept.looks_total == 1


@pytest.mark.parametrize("apart", [False, True])
def test_a_look_that_fails_leaves_nothing_and_says_why(apart: bool) -> None:
    failing = True

    def look() -> int:
        if failing:
            raise BusyError("not now")
        return 7

    kept = Kept(look, 0, 0.001, apart=apart)
    assert (kept.get(), kept.problem) == (0, "not now")
    failing = False
    began = time.monotonic()
    while kept.get() != 7:
        assert time.monotonic() < began + 10
    assert kept.problem == ""


def test_an_old_value_is_not_given_for_a_new_one_that_fails() -> None:
    values = iter([7])

    def look() -> int:
        for value in values:
            return value
        raise OSError("gone")

    kept = Kept(look, 0, 0.001)
    assert kept.get() == 7
    began = time.monotonic()
    while kept.get() == 7:
        assert time.monotonic() < began + 10
    assert kept.problem == "gone"


def test_who_asks_waits_for_a_look_that_hangs_no_longer_than_that() -> None:
    released = threading.Event()
    kept = Kept(lambda: released.wait() and 7, 0, 60.0, apart=True)
    began = time.monotonic()
    assert kept.get() == 0
    assert time.monotonic() - began < PATIENCE_SECONDS + 5
    assert not kept.close(0.0)
    released.set()
    assert kept.close(10)
    assert kept.get() == 0


def test_while_one_looks_the_others_have_the_last_value() -> None:
    looking, released, first = threading.Event(), threading.Event(), threading.Event()

    def look() -> int:
        if not first.is_set():
            first.set()
            return 1
        looking.set()
        released.wait(30)
        return 2

    kept = Kept(look, 0, 5.0)
    assert kept.get() == 1
    kept._held = kept._held._replace(due=0.0)
    with ThreadPoolExecutor(1) as other:
        answer = other.submit(kept.get)
        assert looking.wait(10)
        assert kept.get() == 1
        released.set()
        assert answer.result(10) == 2


def test_after_the_end_nothing_is_looked_up() -> None:
    kept = Kept(lambda: 7, 0, 60.0)
    assert kept.get() == 7
    assert kept.close(1)
    assert (kept.get(), kept.looks_total) == (0, 1)
