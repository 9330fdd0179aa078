"""Work in several processes: all of it is done, and no process is left, whatever becomes of them."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.services.fleet_workers import AT_ONCE, WorkerDiedError, in_processes

NAMES = [f"name-{number}" for number in range(10 * AT_ONCE + 1)]
PATIENCE_SECONDS = 60.0
# Tests may run beside a thread that drives them, which later versions of Python warn of.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

INTERRUPTED = """
import os, sys, time
from pathlib import Path
from reconciler.services.fleet_workers import in_processes

def work(name):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(600)

for _ in in_processes(work, [str(number) for number in range(1_000_000)], 2):
    pass
"""


def children() -> set[int]:
    """Return the processes that this one has started and not collected."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return set(map(int, found.split()))


@pytest.fixture(autouse=True)
def _none_is_left() -> object:
    before = children()
    yield
    assert children() <= before


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_name_is_worked_on_once(count: int) -> None:
    found = list(in_processes(lambda name: (name.upper(), os.getpid()), NAMES, count))
    assert sorted(name for name, _ in found) == sorted(NAMES)
    assert all(upper == name.upper() for name, (upper, _) in found)
    assert os.getpid() not in {pid for _, (_, pid) in found}


def test_nothing_to_do_needs_no_process() -> None:
    assert list(in_processes(str, [], 2)) == []


def test_a_process_that_is_killed_is_replaced(tmp_path: Path) -> None:
    def work(name: str) -> str:
        if name == "name-40" and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return name

    found = [result for _, result in in_processes(work, NAMES, 2)]
    assert sorted(found) == sorted(NAMES)
    assert (tmp_path / "died").exists()


def test_a_name_that_kills_every_process_is_named() -> None:
    def work(name: str) -> str:
        if name == "name-40":
            os.kill(os.getpid(), signal.SIGKILL)
        return name

    with pytest.raises(WorkerDiedError, match=r"on name-40 ended with signal 9; is there enough memory"):
        list(in_processes(work, NAMES, 2))


def test_a_mistake_in_the_work_is_no_reason_to_try_again(capfd: pytest.CaptureFixture[str]) -> None:
    def work(name: str) -> str:
        raise ZeroDivisionError(name)

    with pytest.raises(WorkerDiedError, match="ended with exit code 1"):
        list(in_processes(work, NAMES[:2], 2))
    assert "ZeroDivisionError: name-0" in capfd.readouterr().err


def test_where_no_process_can_be_made_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refused)
    found = list(in_processes(lambda _: os.getpid(), NAMES, 2))
    assert {pid for _, pid in found} == {os.getpid()}
    assert len(found) == len(NAMES)


def test_who_takes_no_more_leaves_no_process() -> None:
    results = in_processes(str, NAMES, 2)
    next(results)
    assert children()
    results.close()  # type: ignore[attr-defined]
    assert not children()


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whoever_is_stopped_leaves_no_process(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C reaches all of them; a kill only the first, whose others see that it is gone when they have worked."""
    program = INTERRUPTED if number == signal.SIGINT else INTERRUPTED.replace("600", "0.01")
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    )
    try:
        until(lambda: len(list(tmp_path.iterdir())) == 2, "two processes work")
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        process.wait(PATIENCE_SECONDS)
        pids = [int(path.name) for path in tmp_path.iterdir()]
        until(lambda: not any(_runs(pid) for pid in pids), "the processes are gone")
    finally:
        process.kill()
        process.wait()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
