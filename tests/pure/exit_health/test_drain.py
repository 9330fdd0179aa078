"""`stellwerk drain` and `undrain`: by the daemon or, where none runs, by the command, in the same words."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.permission import Mode
from tests.pure.daemon.conftest import Stage, stage_in, wait_for

FIRST, SECOND = "2001:db8:42::/56", "2001:db8:43::/56"
NODE = """
version: 1
node: exit-1
mesh: {interfaces: [{name: mesh0, type: wired}], babeld: {restart_command: [restart-babeld]}}
exit:
  allow_special_purpose: true
  prefixes:
"""
EXIT = '    - {prefix: "%s", via: {interface: wan, gateway: "fe80::1"}}\n'
BOTH = NODE + EXIT % FIRST + EXIT % SECOND
DRAINED = "".join(f"{name}: drained until `stellwerk undrain`\n" for name in (FIRST, SECOND))
UNDRAINED = f"{FIRST}: announced\n{SECOND}: announced\n"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = stage_in(tmp_path, monkeypatch)
    made.file.write_text(BOTH)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=["daemon", "command"])
def held(request: pytest.FixtureRequest, stage: Stage) -> Stage:
    """A node that is held at the file with two exits, with a daemon and without one."""
    if request.param == "daemon":
        stage.start()
    else:
        code, said = stage.cli("apply FILE")
        assert code == 0, said
    assert ways_out(stage) == {FIRST, SECOND}
    return stage


def ways_out(stage: Stage) -> set[str]:
    """Return the prefixes that the node has a way out for."""
    lines = [line.split() for line in stage.node.describe()]
    return {line[4] for line in lines if line[:4] == ["route", "unicast", "::/0", "from"]}


def offers(stage: Stage) -> dict[str, dict[str, Any]]:
    told = json.loads(stage.cli("status --json")[1])["offers"]
    return {one["name"]: one for one in told}


def test_all_exits_and_back(held: Stage) -> None:
    assert held.cli("drain --reason painting") == (0, DRAINED)
    assert not ways_out(held)
    assert "drained by hand: painting" in held.cli("status")[1]
    assert held.cli("undrain") == (0, UNDRAINED)
    assert ways_out(held) == {FIRST, SECOND}


def test_one_of_them_however_it_is_spelt(held: Stage) -> None:
    assert held.cli("drain 2001:0DB8:42:0::/56") == (0, f"{FIRST}: drained until `stellwerk undrain`\n")
    assert ways_out(held) == {SECOND}
    assert held.cli(f"undrain {FIRST}") == (0, f"{FIRST}: announced\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("drain 2001:db8:44::/56", f"is no exit of this node; the exits here are {FIRST}, {SECOND}"),
        (f"drain {FIRST} wan", f"`wan` is no prefix; the exits here are {FIRST}, {SECOND}"),
        ("drain ''", f"`` is no prefix; the exits here are {FIRST}, {SECOND}"),
        ("undrain", "nothing is drained"),
        (f"undrain {FIRST}", "nothing is drained"),
    ],
)
def test_what_is_refused_changes_nothing(held: Stage, words: str, why: str) -> None:
    code, said = held.cli(words)
    assert (code, why in said) == (4, True), said
    assert ways_out(held) == {FIRST, SECOND}


def test_undrain_names_what_is_drained(held: Stage) -> None:
    held.cli(f"drain {FIRST}")
    code, said = held.cli(f"undrain {SECOND}")
    assert (code, f"{SECOND} is not drained; drained here is {FIRST}" in said) == (4, True), said


def test_json_says_what_became_of_each(stage: Stage) -> None:
    stage.start()
    code, said = stage.cli(f"drain {FIRST} --json --for 1h")
    told = json.loads(said)
    assert (code, told["names"], told["left"]) == (0, [FIRST], {})
    (one,) = told["offers"]
    assert (one["state"], one["cause"]) == ("withdrawn", "drained")
    assert one["until"] - one["since"] == pytest.approx(3600, abs=1)


def test_while_changes_are_suspended_it_is_written_down_and_said(held: Stage) -> None:
    held.cli("suspend --reason painting")
    code, said = held.cli(f"drain {FIRST}")
    assert (code, said) == (1, f"{FIRST}: not drained yet: it waits for the end of a suspension (painting)\n")
    assert ways_out(held) == {FIRST, SECOND}
    held.cli("resume")
    held.cli("apply FILE")
    assert ways_out(held) == {SECOND}


def test_plan_and_apply_keep_it_and_say_so(held: Stage) -> None:
    held.cli("drain --reason painting")
    for words in ("plan FILE", "apply FILE"):
        code, said = held.cli(words)
        assert (code, f"exit {FIRST}, {SECOND} are withdrawn: drained by hand: painting" in said) == (0, True), said
    assert not ways_out(held)


def test_it_is_told_in_the_history(held: Stage) -> None:
    held.cli("drain --reason painting")
    held.cli("undrain")
    said = held.cli("history")[1]
    for words in ("withdrawn", "drained by hand: painting", "taken back", "it is not drained any more"):
        assert words in said, said


@pytest.mark.parametrize("reboot", [False, True])
def test_it_holds_over_restarts(stage: Stage, reboot: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    running = stage.start()
    stage.cli("drain")
    running.stop()
    if reboot:
        monkeypatch.setattr("reconciler.backends.machine_clock.MachineClock.boot", lambda _: "another boot")
    stage.start()
    assert not ways_out(stage)
    assert {one["state"] for one in offers(stage).values()} == {"withdrawn"}


def test_where_no_daemon_runs_the_status_shows_what_is_drained(stage: Stage) -> None:
    stage.cli("apply FILE")
    stage.cli(f"drain {FIRST} --reason painting")
    assert offers(stage)[FIRST]["reason"] == "drained by hand: painting"


def test_a_node_that_is_held_at_nothing_has_no_exits(stage: Stage) -> None:
    code, said = stage.cli("drain")
    assert (code, "held at nothing" in said) == (4, True), said


def test_a_node_without_exits(stage: Stage) -> None:
    stage.file.write_text("version: 1\nnode: roof-1\n")
    stage.start()
    code, said = stage.cli("drain")
    assert (code, "no exit that could be drained" in said) == (4, True), said


def test_a_node_that_is_only_reported_on_is_not_drained(stage: Stage) -> None:
    stage.start(mode=Mode.REPORT)
    code, said = stage.cli("drain")
    assert (code, "only reported on" in said) == (4, True), said


def test_an_exit_that_comes_into_the_file_is_not_drained_with_the_others(stage: Stage) -> None:
    stage.file.write_text(NODE + EXIT % FIRST)
    stage.start()
    stage.cli("drain")
    stage.file.write_text(BOTH)
    wait_for(lambda: ways_out(stage) == {SECOND}, "the new exit")


def test_what_is_no_request_is_refused(stage: Stage) -> None:
    from reconciler.core.errors import StellwerkError
    from reconciler.services.control_client import Control

    stage.start()
    for arguments in ({}, {"names": "x"}, {"names": [1], "reason": "", "seconds": None}, {"names": [], "reason": ""}):
        with pytest.raises(StellwerkError, match="not complete"):
            Control(stage.socket).ask("drain", **arguments)


def test_damaged_orders_are_set_aside_and_told(stage: Stage) -> None:
    running = stage.start()
    stage.cli("drain")
    running.stop()
    (stage.state / "drains.json").write_text("{")
    stage.start()
    assert "drains.json was damaged" in stage.cli("history")[1]
    assert (stage.state / "drains.json.damaged-1").exists()


def test_without_a_daemon_nobody_would_end_it(stage: Stage) -> None:
    stage.cli("apply FILE")
    code, said = stage.cli("drain --for 2h")
    assert code == 4, said
    for words in ("no daemon", "--for", "`stellwerk undrain`", "`stellwerk run`"):
        assert words in said
    assert ways_out(stage) == {FIRST, SECOND}
    assert not offers(stage)


def test_what_is_left_drained_after_its_time_is_shown_and_undone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon that would have ended it is gone."""
    running = stage.start()
    assert stage.cli(f"drain {FIRST} --for 2h --reason painting")[0] == 0
    running.stop()
    later = time.time() + 3 * 3600
    monkeypatch.setattr("reconciler.backends.machine_clock.MachineClock.boot", lambda _: "another boot")
    monkeypatch.setattr("reconciler.backends.machine_clock.MachineClock.wall", lambda _: later)
    said = stage.cli("status")[1]
    for words in (FIRST, "painting", "its time is over", "`stellwerk undrain`"):
        assert words in said
    assert stage.cli("undrain") == (0, f"{FIRST}: announced\n")
    assert ways_out(stage) == {FIRST, SECOND}
    assert not offers(stage)


@pytest.mark.parametrize("command", ["undrain", "apply FILE", "daemon"])
def test_what_was_taken_back_is_shown_no_more(stage: Stage, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    running = stage.start()
    stage.cli(f"drain {FIRST} --for 2h")
    running.stop()
    later = time.time() + 3 * 3600
    monkeypatch.setattr("reconciler.backends.machine_clock.MachineClock.boot", lambda _: "another boot")
    monkeypatch.setattr("reconciler.backends.machine_clock.MachineClock.wall", lambda _: later)
    if command == "daemon":
        stage.start().stop()
    else:
        assert stage.cli(command)[0] == 0
    assert ways_out(stage) == {FIRST, SECOND}
    assert not offers(stage)


def test_how_long_it_holds_is_said_and_what_it_replaces(stage: Stage) -> None:
    stage.start()
    code, said = stage.cli(f"drain {FIRST} --for 2h --reason kernel")
    assert code == 0, said
    until = re.fullmatch(rf"{FIRST}: drained until (\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d), or `stellwerk undrain`\n", said)
    assert until is not None, said
    code, said = stage.cli("drain --reason painting")
    assert (code, said) == (
        0,
        f"{FIRST}: drained until `stellwerk undrain`; this replaces the order that held until {until[1]}: kernel\n"
        f"{SECOND}: drained until `stellwerk undrain`\n",
    )


@pytest.mark.parametrize("time", ["99999h", "9999999999h", "1h99999999999999999999s"])
@pytest.mark.parametrize("command", ["drain", "suspend --reason painting"])
def test_too_long_a_time_is_refused_with_the_longest(held: Stage, command: str, time: str) -> None:
    code, said = held.cli(f"{command} --for {time}")
    assert (code, f"'{time}' is longer than 87840h, the longest time" in said) == (64, True), said
    assert ways_out(held) == {FIRST, SECOND}


def test_too_long_a_reason_is_refused(held: Stage) -> None:
    code, said = held.cli(f"drain --reason {'x' * 201}")
    assert (code, "--reason has 201 characters; at most 200 are shown" in said) == (64, True), said
    assert ways_out(held) == {FIRST, SECOND}
    assert held.cli(f"drain --reason {'x' * 200}")[0] == 0


def test_of_many_exits_the_first_are_named(stage: Stage) -> None:
    stage.file.write_text(NODE + "".join(EXIT % f"2001:db8:42:{number:x}00::/56" for number in range(30)))
    stage.cli("apply FILE")
    code, said = stage.cli("drain 2001:db8:43::/56")
    assert code == 4
    assert "2001:db8:42:900::/56 and 20 more" in said
    assert "2001:db8:42:a00::/56" not in said


def test_while_changes_are_suspended_nothing_is_told_to_be_withdrawn(stage: Stage) -> None:
    stage.start()
    stage.cli("suspend --reason painting")
    stage.cli(f"drain {FIRST} --reason kernel")
    said = stage.cli("status")[1]
    assert f"exit {FIRST}: to be withdrawn once the suspension ends: drained by hand: kernel" in said
    assert "being withdrawn" not in said
    said = stage.cli("history")[1]
    assert f"exit {FIRST}, once the suspension ends" in said
    assert "to be withdrawn" in said
    assert not re.search(r"(?<!to be )withdrawn", said), said
    stage.cli("resume")
    wait_for(lambda: offers(stage)[FIRST]["state"] == "withdrawn", "the end of the exit")


def test_a_daemon_that_only_sees_a_trial_through_would_not_end_it_either(stage: Stage) -> None:
    stage.start(file=False)
    assert stage.cli("apply FILE")[0] == 0
    code, said = stage.cli("drain --for 2h")
    assert (code, "no daemon runs here" in said) == (4, True), said
