"""A lab for people: its table, its wires, a probe."""

from __future__ import annotations

import io
from typing import Any

import click
import pytest

from reconciler.cli import lab_text


def node(**others: Any) -> dict[str, Any]:
    own = {"sync": {"state": "synced", "reason": ""}, "health": {"state": "healthy", "reasons": []}, "objects": []}
    told = {"power": True, "stellwerk": True, "daemon": "running", "status": own, "babeld": None}
    return {**told, **others}


def status(**others: Any) -> dict[str, Any]:
    neighbour = {"address": "fe80::2", "interface": "mesh0", "reach": "ffff", "cost": 96, "node": "roof"}
    way = {"from": "2001:db8:200::/56", "id": "a", "via": "fe80::1", "interface": "mesh0", "metric": 96, "exit": "kiel"}
    kiel = {"id": "a", "neighbours": [neighbour], "announces": ["2001:db8:200::/56"], "defaults": []}
    roof = {"id": "b", "neighbours": [{**neighbour, "node": "kiel"}], "announces": [], "defaults": [way]}
    cable = {"is_wire": True, "delay_milliseconds": 5.0, "loss_percent": 1.0}
    found = {
        "name": "small",
        "nodes": {"kiel": node(babeld=kiel), "roof": node(babeld=roof), "dark": node(power=False, daemon=None)},
        "wires": [
            {"name": "cable", "ends": {"kiel:mesh0": "up", "roof:mesh0": "silent"}, **cable},
            {**cable, "name": "x", "is_wire": False, "ends": {"roof:lan0": "up", "alice:eth0": "no carrier"}},
        ],
        "clients": {"alice": {}},
        "internet": {"address": "2001:db8::1", "refused": {"kiel": 3, "roof": 0}},
        "notes": ["a note"],
    }
    return {**found, **others}


def test_a_status() -> None:
    assert list(lab_text.lines(status())) == [
        "\x1b[1msmall\x1b[0m",
        "node  state               neighbours  announces          Internet through",
        "kiel  \x1b[32msynced and healthy\x1b[0m  roof        2001:db8:200::/56",
        "roof  \x1b[32msynced and healthy\x1b[0m  kiel                           kiel for 2001:db8:200::/56",
        "dark  \x1b[31m\x1b[1mno power\x1b[0m",
        "",
        "end           wire   other ends",
        "kiel:mesh0──  cable  \x1b[31m//\x1b[0mroof:mesh0  5 ms, 1 % loss, \x1b[31msilent\x1b[0m",
        "roof:lan0──          \x1b[31m><\x1b[0malice:eth0  5 ms, 1 % loss, \x1b[31mno carrier\x1b[0m",
        "\x1b[31mrefused from kiel: 3 packets\x1b[0m, whose source is not its own",
        "note: a note",
    ]


def test_a_node_that_is_not_in_sync_and_one_whose_daemon_ended() -> None:
    drifted = {
        "sync": {"state": "drifted", "reason": "2 to create"},
        "health": {"state": "degraded", "reasons": ["babeld: gone"]},
        "objects": [{"description": "link a", "reason": "not there"}],
    }
    nodes = {"a": node(status=drifted), "b": node(daemon="ended by signal 9"), "c": node(status=None)}
    shown = list(lab_text.lines(status(nodes=nodes)))
    assert "a: 2 to create; link a: not there; babeld: gone" in shown
    assert "b: its daemon ended by signal 9; `stellwerk lab log b`" in shown
    assert "c: its daemon has not begun" in shown


def test_a_probe() -> None:
    found = {
        **{"from": "alice", "to": "2001:db8::1", "sent": 100, "answered": 60, "lost": 40, "unsendable": 2},
        **{"started": 10.0, "ended": 15.0, "longest_gap": 2.0, "gaps": [[11.0, 13.0]], "errors": {"no route": 7}},
        "round_trip_seconds": {"least": 0.0005, "median": 0.001},
    }
    assert list(lab_text.probe_lines(found)) == [
        "alice to 2001:db8::1: 60 of 100 answered, 40 lost",
        "  longest time without an answer: 2.00 s",
        "    from 1.00 s to 3.00 s",
        "  no route: 7",
        "  its own kernel had no way: 2",
        "  round trip: 0.5 ms at least, 1.0 ms in the middle",
    ]


def test_progress_is_for_terminals_only() -> None:
    output = io.StringIO()
    progress = lab_text.Progress(output)
    progress.step("the wires")
    progress.done()
    assert output.getvalue() == ""


class Terminal(io.StringIO):
    """An output that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_notes_are_told_at_once_and_once_also_without_a_terminal() -> None:
    output = io.StringIO()
    progress = lab_text.Progress(output)
    for _ in range(2):
        progress.look(status(), {"kiel": "2 to create"})
    assert output.getvalue() == "note: a note\n"
    assert "note: a note" not in list(lab_text.up_lines(status(), {}, (), progress.noted))
    assert "note: a note" in list(lab_text.up_lines(status(), {}))


def test_a_terminal_shows_whom_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    output = Terminal()
    progress = lab_text.Progress(output)
    progress.look(status(notes=[]), {"kiel": "2 to create, and much more to say about it", "roof": "so"})
    assert output.getvalue() == "\r\x1b[Kwaiting for kiel (and 1 more): 2 to cre"


def test_ways_are_told_by_their_exits() -> None:
    told = status()
    ways = [("kiel", "A"), ("leipzig", "B"), ("kiel", "C"), (None, "D")]
    told["nodes"]["roof"]["babeld"]["defaults"] = [{"exit": exit_, "id": "id", "from": one} for exit_, one in ways]
    assert any(line.endswith("kiel for A, C; leipzig for B; id for D") for line in lab_text.lines(told))


def test_a_narrow_terminal() -> None:
    told = status()
    ways = [("exit-kiel", "2001:db8:200::/56"), ("exit-kiel", "2001:db8:42::/56")]
    told["nodes"]["roof"]["babeld"]["defaults"] = [{"exit": exit_, "id": "id", "from": one} for exit_, one in ways]
    shown = [line for line in lab_text.lines(told, 90) if "2001:db8:42::/56" in line or "kiel for" in line]
    assert all(len(click.unstyle(line)) <= 90 for line in shown)
    assert len(shown) == 2
    assert "exit-kiel for 2001:db8:200::/56, 2001:db8:42::/56" in "\n".join(lab_text.lines(told))


def test_a_wire_of_a_node_without_power_is_not_broken() -> None:
    cable = {"is_wire": True, "delay_milliseconds": 0, "loss_percent": 0, "name": "cable"}
    shown = list(lab_text.lines(status(wires=[{**cable, "ends": {"kiel:mesh0": "no power", "roof:mesh0": "up"}}])))
    assert "kiel:mesh0    cable  ──roof:mesh0" in shown


def test_the_labs_there_are() -> None:
    assert lab_text.list_of({}) == "no lab; `stellwerk lab up FILE` starts one"
    assert lab_text.list_of({"a": True, "b": False}) == "a: up\nb: dead"
