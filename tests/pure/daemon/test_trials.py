"""Trials through the daemon: who waits is told the end, who goes is told how to go on, and no holder is left over."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from intent.checks import Check
from reconciler.backends.machine_clock import MachineClock
from reconciler.backends.state_folder import StateFolder
from reconciler.core.checks import CheckResult
from reconciler.core.errors import RejectedError
from reconciler.services import daemon as daemon_module
from reconciler.services.control_client import Control
from tests.pure.daemon.conftest import ADDRESS, OTHER, PATIENCE_SECONDS, Stage, node_text, wait_for

CHECKS = 'checks: [{ping: "2001:db8::1"}]\n'
THIRD = "fd00:6d65:7368:1::3/128"


class Checks:
    """What the checks come to."""

    def __init__(self) -> None:
        self.passed = True

    def carry_out(self, checks: Sequence[Check]) -> tuple[CheckResult, ...]:
        return tuple(CheckResult(check, self.passed, "as the test says") for check in checks)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    made = Checks()
    monkeypatch.setattr("reconciler.services.checking.carry_out", made.carry_out)
    return made


class Waiting:
    """A command in a thread, since only one can be waited for at a time."""

    def __init__(self, stage: Stage, seconds: float, *addresses: str, more: str = CHECKS) -> None:
        text = node_text(*addresses, more=more)
        self.told: list[dict[str, Any]] = []
        self._arguments = {
            "document": {"name": "other.yaml", "text": text},
            "confirm_seconds": seconds,
            "allow_deletes": True,
            "plan": None,
        }
        self._stage = stage
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        wait_for(lambda: any(one.get("event") == "applied" for one in self.told) or not self.thread.is_alive())

    def _run(self) -> None:
        for told in Control(self._stage.socket).request("apply", **self._arguments):
            self.told.append(told)

    def end(self) -> dict[str, Any]:
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive(), "nobody tells it the end"
        return self.told[-1]


@pytest.mark.parametrize("daemon", [True, False])
def test_checks_that_pass_confirm(daemon: bool, stage: Stage, checks: Checks) -> None:
    other = stage.write(node_text(ADDRESS, OTHER, more=CHECKS))
    if daemon:
        stage.start()
    code, said = stage.cli(f"apply {other} --confirm 4s")
    assert (code, said.splitlines()[-1]) == (0, "confirmed: the change stays")
    assert "the checks have to pass within 4 s" in said


@pytest.mark.parametrize("daemon", [True, False])
def test_checks_that_fail_roll_back(daemon: bool, stage: Stage, checks: Checks) -> None:
    assert stage.cli("apply FILE")[0] == 0
    checks.passed = False
    other = stage.write(node_text(ADDRESS, OTHER, more=CHECKS))
    if daemon:
        stage.start()
    code, said = stage.cli(f"apply {other} --confirm 1s")
    assert code == 5
    assert "rolled back, the node is as it was before: not confirmed in time; these checks failed: ping" in said
    assert len(stage.addresses()) == 1


def test_who_waits_is_told_of_a_roll_back_that_is_stuck(stage: Stage, checks: Checks) -> None:
    stage.start()
    checks.passed = False
    waiting = Waiting(stage, 60, ADDRESS, OTHER, THIRD)
    refusal = RejectedError("delete address: Operation not permitted")
    for nth in range(1, 50):
        stage.node.fail(nth, refusal)
    stage.cli("rollback")
    end = waiting.end()
    assert (end["confirmed"], end["in_sync"]) == (False, False)
    assert "by hand" in end["reason"]


def test_who_waits_is_told_when_another_is_tried_instead(stage: Stage, checks: Checks) -> None:
    stage.start()
    checks.passed = False
    first = Waiting(stage, 60, ADDRESS, OTHER)
    second = Waiting(stage, 60, ADDRESS, THIRD)
    assert first.end()["confirmed"] is False
    assert second.thread.is_alive()
    stage.cli("confirm")
    assert second.end()["confirmed"] is True


def test_two_can_wait_for_one(stage: Stage, checks: Checks) -> None:
    stage.start()
    checks.passed = False
    both = [Waiting(stage, 60, ADDRESS, OTHER) for _ in range(2)]
    stage.cli("confirm")
    assert [one.end()["confirmed"] for one in both] == [True, True]


def test_who_waits_is_told_the_end_of_the_daemon(stage: Stage, checks: Checks) -> None:
    running = stage.start()
    checks.passed = False
    waiting = Waiting(stage, 60, ADDRESS, OTHER)
    running.stop()
    end = waiting.end()
    assert end["confirmed"] is False
    assert "the daemon was ended" in end["reason"]


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Press Ctrl-C in this process once it was told something of a kind."""
    real = Control.request

    def after(kind: str) -> None:
        def request(self: Control, command: str, **arguments: Any) -> Iterator[dict[str, Any]]:
            for told in real(self, command, **arguments):
                yield told
                if told.get("event") == kind:
                    signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(Control, "request", request)

    yield after
    monkeypatch.undo()


def test_ctrl_c_while_it_is_on_trial(stage: Stage, checks: Checks, interrupted: Callable[[str], None]) -> None:
    stage.start()
    checks.passed = False
    other = stage.write(node_text(ADDRESS, OTHER, more=CHECKS))
    interrupted("applied")
    code, said = stage.cli(f"apply {other} --confirm 1m")
    assert code == 130
    assert "still on trial: `stellwerk confirm` keeps it" in said
    assert "run it again" not in said
    assert stage.cli("confirm") == (0, "confirmed: the change stays\n")


def test_ctrl_c_while_it_is_applied(stage: Stage, interrupted: Callable[[str], None]) -> None:
    stage.start()
    interrupted("plan")
    other = stage.write(node_text(ADDRESS, OTHER, THIRD))
    code, said = stage.cli(f"apply {other}")
    assert code == 130
    assert "the change goes on; `stellwerk status`" in said
    wait_for(lambda: len(stage.addresses()) == 3, "it goes on")


# A daemon that only sees a trial through.


def test_a_holder_that_nobody_speaks_to_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_module, "BEGIN_SECONDS", 0.2)
    assert stage.cli("apply FILE")[0] == 0
    before = len(stage.node.requests_seen)
    running = stage.begin(file=False)
    running.thread.join(PATIENCE_SECONDS)
    assert not running.thread.is_alive()
    assert len(stage.node.requests_seen) == before


def test_a_holder_waits_for_the_checks_after_a_roll_back(stage: Stage, checks: Checks) -> None:
    """They say whether the change was to blame."""
    stage.file.write_text(node_text(ADDRESS, more=CHECKS))
    assert stage.cli("apply FILE")[0] == 0
    checks.passed = False
    other = stage.write(node_text(ADDRESS, OTHER, more=CHECKS))
    assert stage.cli(f"apply {other} --confirm 1s")[0] != 0
    for running in stage.running:
        running.thread.join(PATIENCE_SECONDS)
        assert not running.thread.is_alive()
    assert "these checks fail now as well" in stage.cli("history")[1]


def test_a_holder_changes_nothing_unasked(stage: Stage) -> None:
    """What has drifted is part of the plan that is shown, and not mended before."""
    assert stage.cli("apply FILE")[0] == 0
    mesh = stage.node.kernel.links.find("mesh0")
    assert mesh is not None
    stage.node.kernel.addresses.drop([mesh.index])
    assert stage.addresses() == []
    other = stage.write(node_text(ADDRESS, OTHER))
    plan = stage.cli(f"plan {other} --out {stage.folder}/plan.json")
    assert plan[0] == 2
    code, said = stage.cli(f"apply {stage.folder}/plan.json --confirm 1m")
    assert code == 0, said
    assert stage.cli("rollback")[0] == 0


def test_a_holder_that_refused_ends_and_changed_nothing(stage: Stage) -> None:
    assert stage.cli("apply FILE")[0] == 0
    other = stage.write(node_text(OTHER))
    code, _ = stage.cli(f"apply {other} --confirm 1m")
    assert code == 4
    (running,) = stage.running
    running.thread.join(PATIENCE_SECONDS)
    assert not running.thread.is_alive()


def test_a_trial_whose_holder_is_gone_is_confirmed_or_undone_by_hand(stage: Stage) -> None:
    assert stage.cli("apply FILE")[0] == 0
    other = stage.write(node_text(ADDRESS, OTHER))
    stage.cli(f"apply {other} --confirm 1m")
    leave_alone(stage)
    assert stage.cli("confirm") == (0, "confirmed: the change stays\n")
    assert len(stage.addresses()) == 2


@pytest.mark.parametrize("command", ["confirm", "rollback"])
def test_a_trial_whose_holder_is_gone_is_undone_by_whoever_comes_too_late(stage: Stage, command: str) -> None:
    assert stage.cli("apply FILE")[0] == 0
    other = stage.write(node_text(ADDRESS, OTHER))
    stage.cli(f"apply {other} --confirm 1s")
    leave_alone(stage)
    trial = StateFolder(stage.state).load_intents().trial
    assert trial is not None
    wait_for(lambda: not trial.seconds_left(MachineClock()), "its time is over")
    code, said = stage.cli(command)
    assert code == {"confirm": 5, "rollback": 0}[command]
    assert "refused" not in said
    assert len(stage.addresses()) == 1
    assert "not confirmed in time" in stage.cli("history")[1]


def leave_alone(stage: Stage) -> None:
    """Kill the holder, as far as a thread can be killed: it ends and leaves the trial as it is."""
    running = stage.running[-1]
    running.daemon._leave_no_trial = lambda: None  # type: ignore[method-assign]
    running.stop()


def test_who_ends_the_trial_of_another_is_told(stage: Stage) -> None:
    stage.start()
    other = stage.write(node_text(ADDRESS, OTHER))
    stage.cli(f"apply {other} --confirm 1m")
    other.write_text(node_text(OTHER))
    code, said = stage.cli(f"apply {other} --allow-deletes")
    assert code == 0
    assert "this ends the trial of intent" in said


def test_the_own_file_given_by_hand_is_the_way_back_to_it(stage: Stage) -> None:
    stage.start()
    other = stage.write(node_text(ADDRESS, OTHER))
    assert stage.cli(f"apply {other}")[0] == 0
    assert "says something else" in stage.cli("status")[1]
    assert stage.cli("apply FILE")[0] == 0
    assert stage.status()["intent"]["by_hand"] is False
    assert "says something else" not in stage.cli("status")[1]
