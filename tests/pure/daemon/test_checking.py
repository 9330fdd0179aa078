"""Checks in the background: each lot that is begun has its results, whatever the system refuses."""

from __future__ import annotations

import select
import threading
from collections.abc import Sequence

import pytest

from intent.checks import Check, Ping
from reconciler.backends.bell import Bell
from reconciler.core.checks import CheckResult
from reconciler.services import checking
from reconciler.services.checking import BackgroundChecker, Results
from tests.pure.daemon.conftest import PATIENCE_SECONDS, Stage, node_text, wait_for

CHECK = Ping(address="2001:db8::1", timeout_seconds=1)


def waited(bell: Bell, checker: BackgroundChecker) -> Results:
    assert select.select([bell], [], [], PATIENCE_SECONDS)[0], "the checks have no results"
    bell.hush()
    results = checker.take()
    assert results is not None
    return results


def test_the_next_lot_begins_as_soon_as_results_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread of the last lot rings before it has ended."""
    bell, go_on = Bell(), threading.Event()

    def ring() -> None:
        bell.ring()
        go_on.wait(PATIENCE_SECONDS)

    checker = BackgroundChecker(ring)
    monkeypatch.setattr(checking, "carry_out", lambda _: ())
    try:
        for turn in (1, 2, 3):
            checker.start([CHECK], turn)
            assert waited(bell, checker) == ((), turn)
    finally:
        go_on.set()


def test_one_lot_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    bell, go_on = Bell(), threading.Event()

    def carry_out(checks: Sequence[Check]) -> tuple[CheckResult, ...]:
        assert go_on.wait(PATIENCE_SECONDS)
        return ()

    monkeypatch.setattr(checking, "carry_out", carry_out)
    checker = BackgroundChecker(bell.ring)
    checker.start([CHECK], 1)
    checker.start([CHECK], 2)
    assert checker.take() is None
    go_on.set()
    assert waited(bell, checker) == ((), 1)
    assert checker.take() is None


def without_threads_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)


def test_without_a_thread_the_checks_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell()
    checker = BackgroundChecker(bell.ring)
    with monkeypatch.context() as patch:
        without_threads_named("checks", patch)
        checker.start([CHECK], 7)
        (result,), turn = waited(bell, checker)
    assert (result.check, result.passed, turn) == (CHECK, False, 7)
    assert "no thread could be started" in result.reason
    monkeypatch.setattr(checking, "carry_out", lambda _: ())
    checker.start([CHECK], 8)
    assert waited(bell, checker) == ((), 8)


def test_without_a_thread_the_daemon_goes_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.file.write_text(node_text("fd00:6d65:7368:1::1/128", more='checks: [{ping: "2001:db8::1"}]\n'))
    without_threads_named("checks", monkeypatch)
    running = stage.start()
    wait_for(lambda: "no thread could be started" in stage.cli("status")[1], "the trouble is shown")
    assert running.thread.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_in_a_check_is_no_end_of_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Sequence[Check]) -> tuple[CheckResult, ...]:
        raise KeyError("a bug")

    bell = Bell()
    checker = BackgroundChecker(bell.ring)
    with monkeypatch.context() as patch:
        patch.setattr(checking, "carry_out", fail)
        checker.start([CHECK], 1)
        (result,), _ = waited(bell, checker)
        wait_for(lambda: all(one.name != "checks" for one in threading.enumerate()), "its thread ends")
    assert not result.passed
    monkeypatch.setattr(checking, "carry_out", lambda _: ())
    checker.start([CHECK], 2)
    assert waited(bell, checker) == ((), 2)
