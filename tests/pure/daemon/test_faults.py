"""A fault of our own ends the daemon in words and with a failure, so that it is started again; nothing hides it."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reconciler.backends.bell import Bell
from reconciler.backends.service_manager import ServiceManager
from reconciler.core.errors import StellwerkError
from reconciler.core.loop import Loop
from reconciler.services.control_client import Control
from tests.pure.daemon.conftest import ADDRESS, OTHER, PATIENCE_SECONDS, Stage, answers, node_text, request


@pytest.mark.parametrize("fault", [KeyError("a bug"), ValueError("a bug"), TypeError("a bug"), RuntimeError("a bug")])
@pytest.mark.parametrize("command", ["reconcile", "apply"])
def test_a_fault_in_a_command_ends_the_daemon(
    stage: Stage, command: str, fault: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running = stage.start()
    other = stage.write(node_text(ADDRESS, OTHER))

    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(Loop, command, fail)
    code, said = stage.cli("reconcile" if command == "reconcile" else f"apply {other}")
    assert code == 1, said
    running.thread.join(PATIENCE_SECONDS)
    assert not running.thread.is_alive()
    assert isinstance(running.error, StellwerkError)
    assert type(fault).__name__ in str(running.error)
    (record,) = [one for one in caplog.records if one.getMessage() == "crashed"]
    assert record.levelno == logging.CRITICAL
    assert "a bug" in record.fact["traceback"]  # type: ignore[attr-defined]
    assert not stage.socket.exists()


def test_a_fault_in_a_turn_answers_who_waits(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    running = stage.start()
    with stage.connect() as waiting:
        waiting.sendall(request("watch"))
        waiting.recv(10)
        monkeypatch.setattr(Loop, "turn", lambda _: 1 / 0)
        stage.cli("reconcile")
        running.thread.join(PATIENCE_SECONDS)
        assert not running.thread.is_alive()
        while waiting.recv(1 << 16):
            pass


def test_what_is_on_trial_survives_a_fault(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    running = stage.start()
    other = stage.write(node_text(ADDRESS, OTHER))
    assert stage.cli(f"apply {other} --confirm 1m")[0] == 0
    with monkeypatch.context() as broken:
        broken.setattr(Loop, "turn", lambda _: 1 / 0)
        stage.cli("reconcile")
        running.thread.join(PATIENCE_SECONDS)
    stage.start()
    assert stage.status()["trial"] is not None
    assert stage.cli("confirm")[0] == 0


def test_all_threads_let_the_process_end(stage: Stage) -> None:
    before = set(threading.enumerate())
    stage.start()
    with stage.connect() as watching:
        watching.sendall(request("watch"))
        watching.recv(10)
        new = set(threading.enumerate()) - before - {stage.running[0].thread}
        assert {one.name for one in new} >= {"control", "client"}
        assert [one.name for one in new if not one.daemon] == []


PROGRAM = """
import sys
from pathlib import Path
from reconciler import cli
from reconciler.core.loop import Loop
from tests.pure.docs.conftest import CommandLine

line = CommandLine(Path(sys.argv[1]) / "state")
import reconciler.services.daemon as daemon
daemon.this_node = line.this_node

def reconcile(loop):
    raise KeyError("a bug")

Loop.reconcile = reconcile
cli.main(["run", sys.argv[1] + "/node.yaml", "--state-dir", sys.argv[1] + "/state"])
"""


def test_the_process_ends_with_a_failure_and_the_fault_in_one_line_of_the_log(stage: Stage) -> None:
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(stage.folder)], cwd=root, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            ready(stage, process)
            with stage.connect() as asking:
                asking.sendall(request("reconcile"))
                answers(asking)
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 1
    (line,) = [one for one in said.splitlines() if "crashed" in one]
    assert "KeyError" in line
    assert "in reconcile" in line
    assert said.splitlines()[-1].startswith("stellwerk: the daemon ends for a fault of its own (KeyError)")
    assert "Traceback" not in said.replace(line, "")


def ready(stage: Stage, process: subprocess.Popen[str]) -> None:
    from tests.pure.daemon.conftest import wait_for

    def answered() -> bool:
        assert process.poll() is None, process.communicate()
        try:
            return bool(Control(stage.socket).ask("status")["status"]["sync"]["since"])
        except StellwerkError:
            return False

    wait_for(answered, "the daemon answers")


def test_a_signal_may_come_while_the_bell_is_hushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler runs in the thread that hushes it, between any two steps of that."""
    bell = Bell()
    real = os.eventfd_read

    def interrupted(number: int) -> int:
        bell.ring()
        return real(number)

    monkeypatch.setattr(os, "eventfd_read", interrupted)
    thread = threading.Thread(target=bell.hush, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive(), "it waits for itself"
    bell.close()


# The service manager.


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(tmp_path / "notify"))
    made.settimeout(PATIENCE_SECONDS)
    return made


def test_it_is_told_when_the_daemon_is_ready_alive_and_ends(
    stage: Stage, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    with manager:
        running = stage.start()
        assert manager.recv(1000) == b"READY=1\nSTATUS=synced and healthy"
        for _ in range(3):
            assert manager.recv(1000) == b"WATCHDOG=1\nSTATUS=synced and healthy"
        running.stop()
        told = [manager.recv(1000)]
        while told[-1] != b"STOPPING=1":
            told.append(manager.recv(1000))


def test_one_that_hangs_is_not_alive(stage: Stage, manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    go_on, hangs = threading.Event(), threading.Event()

    def hang(_: Loop) -> bool:
        hangs.set()
        go_on.wait(PATIENCE_SECONDS)
        return False

    with manager:
        stage.start()
        with monkeypatch.context() as hung:
            hung.setattr(Loop, "turn", hang)
            threading.Thread(target=stage.cli, args=("reconcile",)).start()
            assert hangs.wait(PATIENCE_SECONDS)
            manager.setblocking(False)
            while True:
                try:
                    manager.recv(1000)
                except BlockingIOError:
                    break
            manager.settimeout(0.5)
            with pytest.raises(TimeoutError):
                manager.recv(1000)
        go_on.set()


@pytest.mark.parametrize("value", ["", "0", "-1", "soon", "²", "1e6", " "])
def test_a_watchdog_that_is_none(value: str) -> None:
    assert ServiceManager({"WATCHDOG_USEC": value}).watchdog_seconds is None


def test_the_watchdog_of_another_process() -> None:
    mine = {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}
    assert ServiceManager(mine).watchdog_seconds == 1.0
    assert ServiceManager({**mine, "WATCHDOG_PID": "1"}).watchdog_seconds is None


def test_a_manager_that_is_gone_is_no_fault(tmp_path: Path) -> None:
    for address in (str(tmp_path / "nobody"), "@nobody-listens-here", "x" * 300, ""):
        ServiceManager({"NOTIFY_SOCKET": address}).ready("well")
