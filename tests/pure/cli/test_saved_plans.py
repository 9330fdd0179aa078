"""A saved plan is applied as it stands, or refused in words; nothing in the file makes a traceback."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from reconciler.cli import exit_codes
from tests.pure.docs.conftest import CommandLine


def test_it_is_applied_once(command_line: CommandLine, saved: Path) -> None:
    assert command_line.run(f"stellwerk apply {saved}")[0] == exit_codes.DONE
    code, said = command_line.run(f"stellwerk apply {saved}")
    assert code == exit_codes.REFUSED
    assert "no longer needed: create address fd00:6d65:7368:1::1/128" in said


def without(name: str) -> Callable[[dict[str, Any]], None]:
    def edit(plan: dict[str, Any]) -> None:
        del plan[name]

    return edit


def with_(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(plan: dict[str, Any]) -> None:
        plan[name] = value

    return edit


def in_operation(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def edit(plan: dict[str, Any]) -> None:
        plan["operations"][0][name] = value

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        without("operations"),
        without("intent"),
        with_("operations", {}),
        with_("operations", ["create"]),
        with_("operations", None),
        with_("intent", {}),
        with_("intent", "version: 1"),
        with_("intent", {"name": 7, "text": []}),
        with_("intent", {"name": "node.yaml", "text": "\ud800"}),
        with_("intent", {"name": "node.yaml", "text": "version: ["}),
        with_("intent", {"name": "node.yaml", "text": ""}),
        with_("stellwerk_plan", 2),
        with_("stellwerk_plan", True),
        with_("stellwerk_plan", [[]]),
        in_operation("key", "address"),
        in_operation("key", []),
        in_operation("key", ["address", {}]),
        in_operation("action", "explode"),
        in_operation("action", None),
        in_operation("after", ["first"]),
        in_operation("takes", [1]),
        in_operation("digest", 5),
    ],
)
def test_one_that_was_edited_is_refused(
    edit: Callable[[dict[str, Any]], None], command_line: CommandLine, saved: Path
) -> None:
    plan = json.loads(saved.read_text())
    edit(plan)
    saved.write_text(json.dumps(plan))
    code, said = command_line.run(f"stellwerk apply {saved}")
    assert code == exit_codes.REFUSED, said
    assert "make a new" in said
    assert str(saved) in said
    assert command_line.run(f"stellwerk plan {saved.with_name('node.yaml')}")[0] == exit_codes.DIFFERENT


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_one_that_was_cut_is_refused(share: float, command_line: CommandLine, saved: Path) -> None:
    text = saved.read_text()
    saved.write_text(text[: int(len(text) * share)])
    code, said = command_line.run(f"stellwerk apply {saved}")
    assert code == exit_codes.REFUSED, said
    assert "damaged" in said


def test_one_that_is_nested_too_deeply_is_refused(command_line: CommandLine, saved: Path) -> None:
    saved.write_text('{"stellwerk_plan": 1, "operations": ' + "[" * 200_000)
    code, said = command_line.run(f"stellwerk apply {saved}")
    assert code == exit_codes.REFUSED
    assert "damaged" in said


def test_a_node_file_in_json_is_no_plan(command_line: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    path.write_text('{"version": 1, "node": "roof-1"}')
    assert command_line.run(f"stellwerk apply {path}") == (
        exit_codes.DONE,
        "roof-1: in sync, nothing to do\nverified: the node is what the file says\n",
    )


def test_a_pipe_is_not_waited_for(command_line: CommandLine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(10)
    try:
        code, said = command_line.run(f"stellwerk apply {tmp_path / 'pipe'}")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert code == exit_codes.INVALID
    assert "is a pipe" in said


def _too_long(number: int, frame: FrameType | None) -> None:
    raise AssertionError("it waits for a writer")


def test_the_node_file_stands_in_a_saved_plan_only(command_line: CommandLine, node_file: Path, saved: Path) -> None:
    code, said = command_line.run(f"stellwerk plan {node_file} --json")
    assert code == exit_codes.DIFFERENT
    assert "nobody's business" not in said
    plan = json.loads(said)
    assert "intent" not in plan
    kept = json.loads(saved.read_text())
    assert kept.pop("intent")["text"] == node_file.read_text()
    assert kept == plan
