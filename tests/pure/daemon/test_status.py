"""The status for people and for programs, with a daemon, with one that ends, and with none."""

from __future__ import annotations

import json
import threading
from typing import Any

import click
import pytest

from reconciler.cli import status_text
from reconciler.services.control_server import Board
from tests.pure.daemon.conftest import ADDRESS, OTHER, PATIENCE_SECONDS, Stage, node_text, wait_for

EVERYTHING: dict[str, Any] = {
    "stellwerk_status": 1,
    "node": "roof-1",
    "mode": {"mode": "suspended", "reason": "painting\x1b[2J", "since": 1.8e9, "until": 1.8e9 + 60},
    "sync": {"state": "drifted", "since": 1.8e9, "reason": "1 to create, 1 in conflict"},
    "health": {
        "state": "degraded",
        "since": 1.8e9,
        "reasons": ["the node file\nhas two lines\x1b[31m", "ping: no answer"],
    },
    "intent": {
        "file": "/etc/stellwerk/n\udcffode.yaml",
        "in_file": "b" * 64,
        "problem": "it is\nbad",
        "refused": None,
        "held": "a" * 64,
        "commit": {
            **{"id": "e" * 40, "author": "Ada\x1b <ada@example.org>", "subject": "Kiel\nmoves", "committed": 1.8e9},
            "signer": "Ada",
        },
        "tried": "b" * 64,
        "by_hand": False,
        "not_undone": None,
        "good": "c" * 64,
        "good_since": 1.8e9,
        "quarantine": [{"digest": "d" * 64, "since": 1.8e9, "reason": "not confirmed\nin time"}],
    },
    "git": {
        **{"url": "https://ada:***@example.org/fleet.git", "branch": "main", "path": "rendered/roof-1.yaml"},
        "newest": {
            **{"id": "f" * 40, "author": "Bob <bob@example.org>", "subject": "A typo", "committed": 1.8e9},
            "signer": None,
        },
        **{"newest_since": 1.8e9, "fetched": 1.8e9, "problem": "no route\nto host", "problem_since": 1.8e9},
        "behind": {"since": 1.8e9, "reason": "rendered/roof-1.yaml:3:1: bad\n  x"},
    },
    "trial": {"digest": "b" * 64, "since": 1.8e9, "seconds_left": 61.2, "confirmed_by": "hand"},
    "objects": [
        {"key": ["link", "x"], "description": "link x", "state": "failed", "reason": "no\nway", "retry_in": 3.4},
        {"key": ["link", "y"], "description": "link y", "state": "failed", "reason": "never", "retry_in": None},
        {"key": ["link", "z"], "description": "link z\x07", "state": "pending", "reason": "no gateway"},
    ],
    "offers": [
        {
            **{"kind": "exit", "name": "2001:db8:42::/56", "prefix": "2001:db8:42::/56"},
            **{"state": "announced", "since": 1.8e9},
        },
        {
            **{"kind": "exit", "name": "2001:db8:43::/56", "prefix": "2001:db8:43::/56"},
            **{"state": "withdrawn", "since": 1.8e9, "until": 1.8e9 + 60},
            **{"cause": "drained", "reason": "drained by hand: new\nkernel\x1b[2J"},
        },
        {
            **{"kind": "exit", "name": "delegated:wan/60", "prefix": "2001:db8:12:f0::/60"},
            **{"state": "announced", "since": 1.8e9},
        },
        {
            **{"kind": "exit", "name": "delegated:lte/60", "prefix": None, "state": "withdrawn", "since": 0},
            **{"cause": "prefix", "reason": "waits for the provider", "until": None},
        },
    ],
    "owned": 12,
    "checks": [
        {"check": "ping ::1", "passed": True, "reason": "1 ms"},
        {"check": "ping ::2", "passed": False, "reason": "no answer\n"},
    ],
    "services": [
        {"name": "respondd", "state": "running", "problem": ""},
        {"name": "page", "state": "waiting", "problem": "taken"},
    ],
    "offenders": [
        {
            **{"kind": "default", "destination": "::/0", "source": "::/0", "router_id": "02:00:00:00:00:00:00:0d"},
            **{"neighbour": "fe80::7", "interface": "mesh0", "metric": 96, "refused": True, "since": 1.8e9},
            "description": "a default route without `from` is announced by router 02:0d, learned from fe80::7 on m\x1b",
            "state": "refused here",
        }
    ],
    "counts": {"offenders": {"default": 1}},
    "notes": ["exit.example has no address now"],
    "recent": [
        {"time": 1.8e9, "event": "refused", "because": "the node file changed", "outcome": "a:1:1: bad\n  x\n  ^"},
        {"time": 1.8e9, "event": "changed", "because": None},
    ],
    "rounds": 7,
    "work": {"changes": 3, "failures": 1, "last_round": {"time": 1767268800.0, "seconds": 0.012}},
}


def test_everything_is_shown_and_nothing_moves_the_cursor() -> None:
    said = "\n".join(click.unstyle(line) for line in status_text.lines(EVERYTHING))
    assert all(line.isprintable() for line in said.split("\n")), said
    for words in (
        *("roof-1: drifted and degraded (1 to create, 1 in conflict)", "painting", "until 2027-01-1", "aaaaaaaaaaaa"),
        *("tried: bbbbbbbbbbbb", "last good: cccccccccccc", "quarantine: dddddddddddd", "not confirmed\n      in time"),
        *("undone in 1m1s unless confirmed by `stellwerk confirm`", "! link x  # failed: no | way; tried again in 3 s"),
        *("! link y  # failed: never", "? link z", "✓ ping ::1", "✗ ping ::2", "note: exit.example", "12 objects"),
        "exit 2001:db8:42::/56: announced since 2027-01-1",
        "exit 2001:db8:43::/56: withdrawn since 2027-01-1",
        "drained by hand: new | kernel",
        "exit delegated:wan/60 (2001:db8:12:f0::/60): announced since 2027-01-1",
        "exit delegated:lte/60: withdrawn: waits for the provider",
        "offender: a default route without `from` is announced by router 02:0d, learned from fe80::7 on m\\x1b, since",
        "; refused here",
        "refused: the node file changed → a:1:1: bad",
    ):
        assert words in said, (words, said)


def test_no_colour_for_who_wants_none(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.start()
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in stage.cli("status")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in stage.cli("status")[1]


def test_the_keys_of_the_json_are_an_interface(stage: Stage) -> None:
    stage.start()
    code, said = stage.cli("status --json")
    assert code == 0
    found = json.loads(said)
    assert found.keys() == EVERYTHING.keys()
    assert found["stellwerk_status"] == 1
    assert found["intent"].keys() == EVERYTHING["intent"].keys()


def test_a_node_file_with_an_odd_name(stage: Stage) -> None:
    stage.file = stage.folder / "n\udcff\x1b[2J.yaml"
    stage.file.write_text(node_text(ADDRESS))
    stage.start()
    code, said = stage.cli("status")
    assert code == 0, said
    assert "\\xff\\x1b[2J.yaml" in said
    code, said = stage.cli("status --json")
    assert json.loads(said)["intent"]["file"].endswith("[2J.yaml")
    said.encode()


def test_before_the_first_look_there_is_a_status(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    first: list[dict[str, Any]] = []
    real = Board.put

    def put(self: Board, status: dict[str, Any]) -> None:
        first.append(status)
        real(self, status)

    monkeypatch.setattr(Board, "put", put)
    stage.start()
    said = "\n".join(status_text.lines(first[0]))
    assert "unknown" in said
    assert "1970" not in said


def test_a_watch_ends_with_the_daemon(stage: Stage) -> None:
    running = stage.start()
    found: list[tuple[int, str]] = []
    thread = threading.Thread(target=lambda: found.append(stage.cli("status --watch --json")))
    thread.start()
    wait_for(lambda: running.daemon._server.clients())
    running.stop()
    thread.join(PATIENCE_SECONDS)
    ((code, said),) = found
    assert code == 1
    *lines, last = said.splitlines()
    assert last == "stellwerk: the daemon has ended"
    assert [json.loads(line)["node"] for line in lines] == ["roof-1"] * len(lines)


# Without a daemon.


def test_without_a_daemon_what_is_on_disk_is_shown(stage: Stage) -> None:
    assert stage.cli("apply FILE")[0] == 0
    before = sorted(stage.state.iterdir())
    code, said = stage.cli("status")
    assert code == 1
    assert "no daemon listens at" in said
    assert "last good: " in said
    assert "changed: applied by hand" in said
    assert ", given by hand" in said
    assert "1970" not in said
    code, said = stage.cli("status --json")
    assert code == 1
    assert json.loads(said).keys() == EVERYTHING.keys()
    assert sorted(stage.state.iterdir()) == before


def test_without_a_daemon_what_is_on_trial_in_quarantine_and_suspended_is_shown(stage: Stage) -> None:
    assert stage.cli("apply FILE")[0] == 0
    other = stage.write(node_text(ADDRESS, OTHER))
    stage.cli(f"apply {other} --confirm 1m")
    stage.running[-1].daemon._leave_no_trial = lambda: None  # type: ignore[method-assign]
    stage.running[-1].stop()
    code, said = stage.cli("status")
    assert code == 1
    assert "on trial: " in said
    assert "nobody undoes it" in said
    assert stage.cli("rollback")[0] == 0
    assert "quarantine: " in stage.cli("status")[1]
    assert stage.cli("suspend --reason painting")[0] == 0
    assert "painting" in stage.cli("status")[1]


def test_a_node_that_never_saw_us(stage: Stage) -> None:
    code, said = stage.cli("status")
    assert code == 1
    assert "no daemon listens at" in said
    assert not stage.state.exists()
