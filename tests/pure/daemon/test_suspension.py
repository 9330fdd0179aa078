"""A suspension: until it is lifted, its time is over, or the machine is started anew; a damaged file suspends too."""

from __future__ import annotations

import pytest

from reconciler.backends.machine_clock import MachineClock
from tests.pure.daemon.conftest import ADDRESS, OTHER, Stage, node_text, wait_for


def test_it_holds_over_a_restart_of_the_daemon(stage: Stage) -> None:
    running = stage.start()
    assert stage.cli("suspend --reason painting") == (0, "suspended: nothing is changed until `stellwerk resume`\n")
    assert "suspended" in stage.cli("status")[1]
    running.stop()
    stage.file.write_text(node_text(ADDRESS, OTHER))
    stage.start()
    assert "painting" in stage.cli("status")[1]
    assert len(stage.addresses()) == 1
    assert stage.cli("resume") == (0, "resumed\n")
    wait_for(lambda: any(OTHER in line for line in stage.addresses()), "the new file is taken on")


def test_it_ends_when_the_machine_starts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    running = stage.start()
    stage.cli("suspend --reason painting")
    running.stop()
    stage.file.write_text(node_text(ADDRESS, OTHER))
    monkeypatch.setattr(MachineClock, "boot", lambda _: "another boot")
    stage.start()
    wait_for(lambda: any(OTHER in line for line in stage.addresses()), "the new file is taken on")
    assert stage.status()["mode"]["mode"] == "enforce"
    assert not (stage.state / "suspension.json").exists()
    assert "the machine was started anew" in stage.cli("history")[1]


def test_what_is_shown_is_there_at_once(stage: Stage) -> None:
    stage.start()
    for _ in range(5):
        stage.cli("suspend --reason painting")
        assert stage.status()["mode"]["mode"] == "suspended"
        stage.cli("resume")
        assert stage.status()["mode"]["mode"] == "enforce"


@pytest.mark.parametrize("name", ["inventory.json", "intents.json", "suspension.json"])
def test_a_damaged_file_is_set_aside_and_told(stage: Stage, name: str) -> None:
    running = stage.start()
    if name == "suspension.json":
        stage.cli("suspend --reason painting")
    running.stop()
    (stage.state / name).write_text("{")
    stage.start()
    assert (stage.state / f"{name}.damaged-1").read_text() == "{"
    code, said = stage.cli("history")
    assert code == 0
    assert "damaged" in said
    assert f"{name}.damaged-1" in said
    if name == "suspension.json":
        assert stage.status()["mode"]["mode"] == "suspended"
        code, said = stage.cli("status")
        assert f"{name}.damaged-1" in said
        assert stage.cli("resume")[0] == 0
        assert stage.cli("status")[0] == 0


def test_a_suspension_has_a_reason(stage: Stage) -> None:
    code, said = stage.cli("suspend --reason ' '")
    assert code == 64
    assert "--reason is empty" in said
