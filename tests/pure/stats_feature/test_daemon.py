"""The statistics that a node file asks for, beside the loop of the daemon."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.services import beside
from tests.pure.daemon.conftest import ADDRESS, Stage, node_text, stage_in
from tests.pure.stats_feature.conftest import Theatre, taken, until

STATS = 'stats: {babel: {socket: /run/babeld.sock}, respondd: {interfaces: [mesh0]}, page: {listen: "[::1]:8080"}}\n'
MOVED = STATS.replace("8080", "8081")
THREAD = "statistics"
FIGURES = "reconciler.services.statistics.live_figures"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = stage_in(tmp_path, monkeypatch)
    try:
        yield made
    finally:
        made.close()


def has(stage: Stage, *running: str) -> bool:
    services = stage.status()["services"]
    return [one["name"] for one in services if one["state"] == "running"] == list(running) and len(services) == len(
        running
    )


def test_services_come_change_and_go_with_the_file(stage: Stage, theatre: Theatre) -> None:
    stage.start()
    assert stage.status()["services"] == []
    stage.file.write_text(node_text(ADDRESS, more=STATS))
    until(lambda: has(stage, "respondd", "page"), "both answers")
    assert theatre.take() == ["+ figures", "+ respondd", "+ page"]
    # In a thread of their own, not in that of the loop.
    assert theatre.threads == {THREAD}
    assert stage.status()["health"]["state"] == "healthy"
    assert stage.status()["rounds"]
    code, said = stage.cli("status")
    assert code == 0
    assert "services: respondd, page" in said

    stage.file.write_text(node_text(ADDRESS, more=MOVED))
    until(lambda: theatre.told == ["- page", "+ page"], "the page at its new place")
    theatre.take()
    stage.file.write_text(node_text(ADDRESS))
    until(lambda: stage.status()["services"] == [], "no service")
    until(lambda: len(theatre.told) == 3, "the end of all")
    assert theatre.take() == ["- respondd", "- page", "- figures"]
    until(lambda: THREAD not in {thread.name for thread in threading.enumerate()}, "the end of the thread")


def test_an_invalid_file_leaves_them_as_they_are(stage: Stage, theatre: Theatre) -> None:
    stage.file.write_text(node_text(ADDRESS, more=STATS))
    stage.start()
    until(lambda: has(stage, "respondd", "page"), "both answers")
    theatre.take()
    stage.file.write_text(node_text(ADDRESS, more=STATS.replace("[mesh0]", "mesh0")))
    until(lambda: stage.status()["intent"]["problem"], "the problem")
    assert theatre.take() == []
    assert has(stage, "respondd", "page")


def test_a_roll_back_brings_back_those_before(stage: Stage, theatre: Theatre) -> None:
    stage.file.write_text(node_text(ADDRESS, more=STATS))
    stage.start()
    until(lambda: has(stage, "respondd", "page"), "both answers")
    other = stage.write(node_text(ADDRESS, "fd00:6d65:7368:1::2/128", more="confirm: 1m\n"))
    assert stage.cli(f"apply {other} --confirm 1m")[0] == 0
    until(lambda: stage.status()["services"] == [], "no service")
    assert stage.cli("rollback")[0] == 0
    until(lambda: has(stage, "respondd", "page"), "both answers again")


def test_a_service_that_cannot_start_degrades_and_is_tried_again(
    stage: Stage, theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.services.attempts.SHORTEST_SECONDS", 0.05)
    theatre.failing["page"] = taken("page")
    stage.file.write_text(node_text(ADDRESS, more=STATS))
    stage.start()
    until(lambda: stage.status()["health"]["state"] == "degraded", "a degraded node")
    status = stage.status()
    assert status["sync"]["state"] == "synced"
    assert status["health"]["reasons"] == ["page does not run: page cannot listen: the port is taken"]
    assert status["services"][1] == {
        "name": "page",
        "state": "waiting",
        "problem": "page cannot listen: the port is taken",
    }
    assert "respondd, page (waiting)" in stage.cli("status")[1]
    del theatre.failing["page"]
    until(lambda: stage.status()["health"]["state"] == "healthy", "a healthy node")
    assert has(stage, "respondd", "page")


def test_a_fault_in_all_of_them_harms_no_loop(
    stage: Stage, theatre: Theatre, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("reconciler.services.beside.SHORTEST_SECONDS", 0.05)
    theatre.failing["figures"] = ZeroDivisionError("of figures")
    stage.file.write_text(node_text(ADDRESS, more=STATS))
    stage.start()
    until(lambda: stage.status()["health"]["state"] == "degraded", "a degraded node")
    assert "ZeroDivisionError" in stage.status()["health"]["reasons"][0]
    assert any("of figures" in str(record.__dict__.get("fact")) for record in caplog.records)
    code, said = stage.cli("stats")
    assert code == 1
    assert "ZeroDivisionError" in said
    assert stage.addresses()
    del theatre.failing["figures"]
    until(lambda: has(stage, "respondd", "page"), "both answers")


def test_the_end_of_the_daemon_is_theirs(stage: Stage, theatre: Theatre) -> None:
    stage.file.write_text(node_text(ADDRESS, more=STATS))
    running = stage.start()
    until(lambda: has(stage, "respondd", "page"), "both answers")
    running.stop()
    assert theatre.take()[-3:] == ["- respondd", "- page", "- figures"]
    assert THREAD not in {thread.name for thread in threading.enumerate()}


def test_nobody_who_asks_for_nothing_imports_any_of_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(beside, "_made", lambda name, status: made.append(name))
    # Other tests of this process may have imported it.
    monkeypatch.delitem(sys.modules, FIGURES, raising=False)
    stage.start()
    until(lambda: stage.status()["sync"]["state"] == "synced", "a node in sync")
    assert made == []
    assert FIGURES not in sys.modules


def test_a_trial_that_is_only_seen_through_runs_none(stage: Stage, theatre: Theatre) -> None:
    stage.file.write_text(node_text(ADDRESS, more=STATS))
    assert stage.cli("apply FILE")[0] == 0
    other = stage.write(node_text(ADDRESS, "fd00:6d65:7368:1::2/128", more=STATS))
    assert stage.cli(f"apply {other} --confirm 1m")[0] == 0
    assert stage.status()["services"] == []
    assert stage.cli("confirm")[0] == 0
    assert theatre.told == []


def test_the_figures_are_asked_for_over_the_socket(stage: Stage, theatre: Theatre) -> None:
    stage.start()
    code, said = stage.cli("stats --json")
    assert code == 4
    assert "does not ask for" in said
    stage.file.write_text(node_text(ADDRESS, more=STATS))
    until(lambda: has(stage, "respondd", "page"), "both answers")
    code, said = stage.cli("stats --json")
    assert code == 0
    assert json.loads(said) == {"node": "roof-1"}


def test_a_fault_in_telling_is_told_and_logged_once(
    stage: Stage, theatre: Theatre, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(figures: object) -> None:
        raise KeyError("since")

    stage.file.write_text(node_text(ADDRESS, more=STATS))
    stage.start()
    until(lambda: has(stage, "respondd", "page"), "both answers")
    monkeypatch.setattr(sys.modules["reconciler.services.statistics.as_json"], "as_json", fail)
    for _ in range(3):
        code, said = stage.cli("stats")
        assert code == 1
        assert "KeyError" in said
        assert "log" in said
    (crash,) = (record for record in caplog.records if record.getMessage() == "answer crashed")
    assert "since" in crash.__dict__["fact"]["traceback"]


def test_a_service_without_a_thread_is_tried_again(
    stage: Stage, theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == THREAD:
            raise RuntimeError("can't start new thread")
        begin(thread)

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        stage.file.write_text(node_text(ADDRESS, more=STATS))
        stage.start()
        until(lambda: stage.status()["health"]["state"] == "degraded", "a degraded node")
        assert "no thread could be started" in stage.status()["health"]["reasons"][0]
    # The same is asked for again.
    stage.file.write_text(node_text(ADDRESS, more=STATS + "# the same\n"))
    until(lambda: has(stage, "respondd", "page"), "both answers")
    until(lambda: stage.status()["health"]["state"] == "healthy", "a healthy node")


def test_why_all_of_them_cannot_begin_is_logged_once(
    stage: Stage, theatre: Theatre, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("reconciler.services.beside.SHORTEST_SECONDS", 0.01)
    monkeypatch.setattr("reconciler.services.beside.LONGEST_SECONDS", 0.01)
    tried: list[None] = []
    made = beside._made

    def count(name: str, status: object) -> object:
        tried.append(None)
        return made(name, status)  # type: ignore[arg-type]

    monkeypatch.setattr(beside, "_made", count)
    theatre.failing["figures"] = taken("netlink")
    stage.file.write_text(node_text(ADDRESS, more=STATS))
    stage.start()
    until(lambda: len(tried) >= 3, "three attempts")
    (told,) = (record for record in caplog.records if record.getMessage() == "service failed")
    assert told.__dict__["fact"] == {"service": "statistics", "because": str(taken("netlink"))}
