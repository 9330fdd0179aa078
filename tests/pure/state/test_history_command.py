"""``stellwerk history``: what people, scripts and auditors are shown of what was done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler import cli
from reconciler.backends import history_file
from reconciler.backends.history_file import HistoryFile
from reconciler.core.history import chained, head_of, line

WALL = 1795438931.25
CHANGED: dict[str, Any] = {
    "event": "changed",
    "node": "roof-1",
    "digest": "3f2a9c10" * 8,
    "commit": None,
    "because": "the node file changed",
    "operations": [
        {"action": "create", "description": "route a", "result": "done", "error": None},
        {"action": "create", "description": "route b", "result": "done"},
        {"action": "delete", "description": "route c", "result": "failed", "error": "route c: not permitted"},
    ],
    "more_operations": 7,
    "outcome": "1 to delete",
    "seconds": 1.26,
}


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HistoryFile:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setenv("STELLWERK_STATE_DIR", str(tmp_path / "state"))
    time.tzset()
    return HistoryFile(tmp_path / "state")


@pytest.fixture(autouse=True)
def time_zone() -> Any:
    yield
    time.tzset()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.jsonl"


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], history: HistoryFile) -> Run:
    def runs(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(["history", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return runs


def test_an_entry_is_a_line_and_what_failed_is_below(history: HistoryFile, run: Run) -> None:
    history.append(CHANGED, WALL)
    history.append({"event": "rolled back", "because": "not confirmed"}, WALL + 60)
    assert run() == (
        0,
        "2026-11-23T14:02:11+01:00  changed      3f2a9c10  the node file changed: "
        "2 created, 1 failed, 7 more; 1 to delete (1.3 s)\n"
        "  ! route c: route c: not permitted\n"
        "2026-11-23T14:03:11+01:00  rolled back  -         not confirmed\n",
        "",
    )


def test_the_newest_are_last_and_as_many_as_were_asked_for(history: HistoryFile, run: Run) -> None:
    for number in range(30):
        history.append({"event": "changed", "because": f"reason {number}"}, WALL)

    def reasons(*arguments: str) -> list[int]:
        return [int(one.split()[-1]) for one in run(*arguments)[1].splitlines()]

    assert reasons() == list(range(10, 30))
    assert reasons("--last", "3") == [27, 28, 29]
    assert reasons("--last", "0") == list(range(30))


def test_json_is_what_is_on_disk(history: HistoryFile, run: Run, path: Path) -> None:
    history.append(CHANGED, WALL)
    history.append({"event": "failed", "because": "Dach-Süd \x1b[31m"}, WALL)
    assert run("--json") == (0, path.read_text(), "")
    assert run("--json", "--last", "0") == (0, path.read_text(), "")
    assert json.loads(run("--json", "--last", "1")[1])["because"] == "Dach-Süd \x1b[31m"


@pytest.mark.parametrize(
    "fact",
    [
        {},
        {"event": None, "operations": 7, "seconds": "long", "digest": 3, "because": ["x"], "outcome": {}},
        {"event": "changed", "operations": [None, 3, {}, {"error": 7}, {"action": 1, "result": []}], "seconds": True},
        {"event": "changed", "seconds": float("inf"), "more_operations": -1},
        {"event": "\x1b]0;x\x07" * 50, "because": "\u202e\x00\r\n" * 500, "digest": "\x1b[2J" * 9},
        {"operations": [{"error": "\x1b[31m", "description": "\x9b"}] * 9},
    ],
)
def test_whatever_an_entry_holds_it_is_shown_safely(history: HistoryFile, run: Run, fact: dict[str, Any]) -> None:
    history.append(fact, WALL)
    history.append(fact, 1e300)
    code, said, errors = run()
    assert (code, errors) == (0, "")
    assert all(one.isprintable() for one in said.splitlines())
    assert len(said.splitlines()) <= 10


def test_lines_that_are_none_are_named_and_do_not_reach_the_terminal(
    history: HistoryFile, run: Run, path: Path
) -> None:
    history.append(CHANGED, WALL)
    path.write_bytes(b"\x1b[31m\xff\n" + path.read_bytes())
    code, said, _ = run()
    assert code == 0
    assert said.splitlines()[0] == "a line that is no entry; see `stellwerk history --verify`"
    said = run("--json")[1]
    assert said.splitlines()[0] == "\\x1b[31m\\xff"


def test_without_a_history_there_is_nothing_to_show_and_nothing_is_proven(run: Run, path: Path) -> None:
    assert run() == (0, "", "nothing was done here yet\n")
    code, said, errors = run("--verify")
    assert (code, said) == (1, "")
    assert f"no history in {path.parent}" in errors
    assert not path.parent.exists()


def test_a_whole_history_is_verified(history: HistoryFile, run: Run) -> None:
    for number in range(3):
        history.append(CHANGED, WALL + number)
    code, said, errors = run("--verify")
    assert (code, errors) == (0, "")
    assert said == f"3 entries, 1 to 3\nhead {history.head()}\nverified: no entry was altered, dropped or put in\n"


def test_a_bounded_history_says_what_is_gone(history: HistoryFile, run: Run, path: Path) -> None:
    small = HistoryFile(path.parent, largest_bytes=1000, keep=8)
    for number in range(60):
        small.append({"event": "changed"}, WALL + number)
    first = json.loads(next(small.lines()))["number"]
    assert first > 1
    code, said, _ = run("--verify")
    assert code == 0
    assert f"{first} to 60 (those before {first} are not kept any more)" in said


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for an append that may be under way."""
    monkeypatch.setattr(history_file, "_PAUSE_SECONDS", 0.0)


@pytest.mark.usefixtures("impatient")
def test_what_was_altered_is_named(history: HistoryFile, run: Run, path: Path) -> None:
    for number in range(40):
        history.append(CHANGED, WALL + number)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"roof-1", b"roof-2", 1))
    code, said, errors = run("--verify")
    assert code == 1
    assert said.splitlines()[:3] == ["40 entries, 1 to 40", f"head {history.head()}", "  ! entry 1 was altered"]
    assert "verified" not in said
    assert "not as it was written" in errors
    path.write_bytes(content.replace(b"roof-1", b"roof-2"))
    said = run("--verify")[1]
    assert said.splitlines()[-1] == "    and 20 more"


@pytest.mark.usefixtures("impatient")
def test_a_head_noted_elsewhere_shows_a_forged_history(history: HistoryFile, run: Run, path: Path) -> None:
    for number in range(3):
        history.append(CHANGED, WALL + number)
    noted = str(history.head())
    history.append(CHANGED, WALL + 3)
    code, said, _ = run("--verify", "--head", noted)
    assert code == 0
    assert "it runs through entry 3 as it was noted" in said
    assert run("--verify", "--head", f"head {noted}")[0] == 0

    path.unlink()
    path.with_name("history.head").unlink()
    for number in range(4):
        history.append({"event": "forged"}, WALL + number)
    assert run("--verify")[0] == 0
    code, said, _ = run("--verify", "--head", noted)
    assert code == 1
    assert "! entry 3 is another one than that which was noted" in said
    code, said, _ = run("--verify", "--head", noted.replace("3:", "9:"))
    assert code == 1
    assert "! entry 9 was noted, but is not there: the end was cut" in said


def test_an_entry_whose_head_is_being_written_is_waited_for(
    history: HistoryFile, run: Run, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.append(CHANGED, WALL)
    head = history.head()
    assert head is not None
    entry = chained(CHANGED, head, WALL)
    with open(path, "ab") as file:
        file.write(line(entry))

    def meanwhile(_: float) -> None:
        path.with_name("history.head").write_text(f"{head_of(entry)}\n")

    monkeypatch.setattr("time.sleep", meanwhile)
    assert run("--verify")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--verify", "--head", "3"),
        ("--verify", "--head", "0:" + "0" * 64),
        ("--head", "3:" + "0" * 64),
        ("--verify", "--json"),
        ("--last", "-1"),
    ],
)
def test_what_makes_no_sense_is_said(run: Run, arguments: tuple[str, ...]) -> None:
    code, said, errors = run(*arguments)
    assert (code, said) == (64, "")
    assert errors
