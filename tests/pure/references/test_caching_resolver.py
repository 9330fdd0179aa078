"""A name server that hangs, dies or lies changes nothing about what is known, and holds nobody up."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from intent.references import HostAddress
from reconciler.backends.names import BACKGROUND_WORKERS, CachingResolver

LONGEST_SECONDS = 20.0
ONE, TWO = HostAddress("one.example.org"), HostAddress("two.example.org")


class Time:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.seconds

    def boot(self) -> str:
        return "this one"


class NameServer:
    """Answers what it was told, notes what it was asked, and hangs at the names it was told to."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, ...]] = {ONE.name: ("192.0.2.1",), TWO.name: ("192.0.2.2",)}
        self.hanging: set[str] = set()
        self.asked: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.released = threading.Event()

    def look_up(self, name: str) -> tuple[str, ...]:
        self.asked.put(name)
        if name in self.hanging:
            self.released.wait(LONGEST_SECONDS)
        return self.answers.get(name, ())

    def next_asked(self) -> str:
        return self.asked.get(timeout=LONGEST_SECONDS)


class Bed:
    def __init__(self) -> None:
        self.time = Time()
        self.server = NameServer()
        self.random = 0.5
        self.bell = threading.Event()
        self.names = CachingResolver(self.time, self.bell.set, self.server.look_up, lambda: self.random)

    def learn(self, *references: HostAddress) -> dict[HostAddress, tuple[str, ...]]:
        """Ask for the names and return what is known once all have been looked up."""
        self.names.addresses(references)
        self.rest()
        self.bell.clear()
        return self.names.addresses(references)

    def rest(self) -> None:
        """Wait until no name is due and none is being looked up."""
        until(lambda: not any(thread.name == "resolve" for thread in threading.enumerate()))

    def told(self) -> bool:
        """Return whether it rang, and says that what is known has changed."""
        rang, at_once = self.bell.is_set(), self.names.due() <= self.time.now()
        self.bell.clear()
        return rang and at_once and self.names.refresh()

    def wait_until_due(self) -> float:
        """Turn the clock to when the next name is due and return the seconds that took."""
        due = self.names.due()
        assert due < math.inf
        before, self.time.seconds = self.time.seconds, due
        return due - before

    def refresh(self) -> None:
        assert not self.names.refresh()
        self.rest()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def bed() -> Iterator[Bed]:
    made = Bed()
    yield made
    made.names.close()
    made.server.released.set()
    made.rest()


def test_what_is_not_known_yet_is_told_when_it_is(bed: Bed) -> None:
    assert bed.names.addresses([ONE, TWO]) == {ONE: (), TWO: ()}
    assert bed.bell.wait(LONGEST_SECONDS)
    bed.rest()
    assert bed.told()
    assert not bed.told()
    assert bed.names.addresses([ONE, TWO]) == {ONE: ("192.0.2.1",), TWO: ("192.0.2.2",)}


def test_a_name_server_that_hangs_holds_up_neither_the_caller_nor_other_names(bed: Bed) -> None:
    bed.server.hanging = {ONE.name}
    assert bed.names.addresses([ONE, TWO])[ONE] == ()
    assert bed.bell.wait(LONGEST_SECONDS)
    for _ in range(3):
        assert bed.names.addresses([ONE, TWO]) == {ONE: (), TWO: ("192.0.2.2",)}
    bed.time.seconds += 10_000
    bed.names.refresh()
    until(lambda: bed.server.asked.qsize() == 3)
    # The one that hangs is not asked for a second time meanwhile.
    assert sorted(bed.server.next_asked() for _ in range(3)) == [ONE.name, TWO.name, TWO.name]


def test_however_many_names_hang_there_are_only_so_many_threads(bed: Bed) -> None:
    many = [HostAddress(f"{number}.example.org") for number in range(50)]
    bed.server.hanging = {reference.name for reference in many}
    for _ in range(3):
        assert not any(bed.names.addresses(many).values())
    until(lambda: bed.server.asked.qsize() == BACKGROUND_WORKERS)
    assert sum(thread.name == "resolve" for thread in threading.enumerate()) == BACKGROUND_WORKERS
    bed.server.released.set()
    bed.rest()
    assert bed.server.asked.qsize() == len(many)


def test_a_name_is_looked_up_again_after_five_minutes(bed: Bed) -> None:
    bed.learn(ONE)
    for bed.random, seconds in ((0.0, 300.0), (1.0, 270.0), (0.5, 330.0)):
        assert bed.wait_until_due() == pytest.approx(seconds)
        bed.refresh()
    assert bed.server.asked.qsize() == 4


def test_what_is_not_due_is_not_looked_up(bed: Bed) -> None:
    bed.learn(ONE)
    bed.time.seconds += 200
    bed.learn(ONE)
    assert bed.server.asked.qsize() == 1


def test_other_addresses_are_told_and_the_same_are_not(bed: Bed) -> None:
    bed.learn(ONE)
    # What was asked for since it changed is no news.
    assert not bed.told()
    bed.wait_until_due()
    bed.refresh()
    assert not bed.told()
    bed.server.answers[ONE.name] = ("192.0.2.7",)
    bed.wait_until_due()
    bed.refresh()
    assert bed.told()
    assert bed.names.addresses([ONE]) == {ONE: ("192.0.2.7",)}


def test_a_dead_name_server_takes_no_address_away(bed: Bed) -> None:
    bed.learn(ONE)
    assert not bed.told()
    bed.server.answers.clear()
    for _ in range(5):
        bed.wait_until_due()
        bed.refresh()
        assert bed.names.addresses([ONE]) == {ONE: ("192.0.2.1",)}
    assert not bed.told()


def test_a_name_without_an_answer_is_tried_again_sooner_at_first(bed: Bed) -> None:
    bed.server.answers.clear()
    bed.learn(ONE)
    delays = []
    for _ in range(9):
        delays.append(bed.wait_until_due())
        bed.refresh()
    assert delays == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert not bed.told()
    bed.server.answers[ONE.name] = ("192.0.2.1",)
    bed.wait_until_due()
    bed.refresh()
    assert bed.told()
    assert bed.wait_until_due() == 300
    bed.server.answers.clear()
    bed.refresh()
    assert bed.wait_until_due() == 5


def test_a_name_that_is_not_asked_for_is_not_looked_up(bed: Bed) -> None:
    bed.learn(ONE, TWO)
    bed.names.addresses([TWO])
    bed.wait_until_due()
    bed.refresh()
    assert sorted(bed.server.next_asked() for _ in range(3)) == [ONE.name, TWO.name, TWO.name]
    bed.names.addresses([])
    assert bed.names.due() == math.inf


def test_a_change_that_is_rolled_back_finds_its_names_without_a_name_server(bed: Bed) -> None:
    bed.learn(ONE)
    bed.names.addresses([])
    bed.server.answers.clear()
    bed.time.seconds += 3600
    assert bed.learn(ONE) == {ONE: ("192.0.2.1",)}
    bed.names.addresses([])
    bed.time.seconds += 100_000
    bed.names.addresses([])
    assert bed.learn(ONE) == {ONE: ()}


def test_a_look_up_that_fails_in_an_unknown_way_is_a_failed_one(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: queue.SimpleQueue[object] = queue.SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", failed.put)

    def fail(name: str) -> tuple[str, ...]:
        raise MemoryError

    names = CachingResolver(bed.time, bed.bell.set, fail, lambda: 0.5)
    for seconds in (5, 10):
        assert names.addresses([ONE, TWO]) == {ONE: (), TWO: ()}
        failed.get(timeout=LONGEST_SECONDS)
        bed.rest()
        names.refresh()
        bed.rest()
        assert names.due() == bed.time.seconds + seconds
        bed.time.seconds += seconds
    names.close()


def test_without_a_thread_to_be_had_the_names_wait(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert bed.names.addresses([ONE, TWO]) == {ONE: (), TWO: ()}
    assert bed.wait_until_due() == 5
    bed.refresh()
    assert bed.names.addresses([ONE, TWO]) == {ONE: ("192.0.2.1",), TWO: ("192.0.2.2",)}


def test_an_answer_after_the_end_changes_nothing(bed: Bed) -> None:
    bed.server.hanging = {ONE.name}
    bed.names.addresses([ONE])
    assert bed.server.next_asked() == ONE.name
    bed.names.close()
    bed.server.released.set()
    bed.rest()
