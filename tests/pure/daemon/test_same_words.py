"""Whoever carries a command out, a daemon or the command itself: the same lines, the same exit code, the same node."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intent.problems import IntentError, Problem
from reconciler import cli
from reconciler.core.errors import (
    BusyError,
    DamagedStateError,
    DeniedError,
    OccupiedError,
    RefusedError,
    RejectedError,
    StaleError,
    StellwerkError,
    UnreachableError,
    UnsupportedError,
)
from reconciler.core.intents import Document
from reconciler.core.plan import PlanError
from reconciler.core.plan_document import MovedOnError
from reconciler.core.wanted import Wanted
from reconciler.services.interpretation import NodeInterpreter
from tests.pure.daemon.conftest import ADDRESS, OTHER, Stage, node_text, stage_in

Situation = Callable[[Stage], list[tuple[int, str]]]
THIRD = "fd00:6d65:7368:1::3/128"
GRE = 'gre: [{{name: {}, mode: gre, local: "192.0.2.2", remote: "192.0.2.9"}}]\n'


def adds(stage: Stage) -> list[tuple[int, str]]:
    stage.write(node_text(ADDRESS, OTHER))
    return [stage.cli(f"apply {stage.folder}/other.yaml"), stage.cli(f"apply {stage.folder}/other.yaml")]


def nothing_to_do(stage: Stage) -> list[tuple[int, str]]:
    return [stage.cli("apply FILE"), stage.cli("apply FILE --confirm 1m")]


def deletes_too_much(stage: Stage) -> list[tuple[int, str]]:
    stage.write(node_text(OTHER))
    words = f"apply {stage.folder}/other.yaml"
    return [stage.cli(words), stage.cli(f"{words} --allow-deletes")]


def conflicts(stage: Stage) -> list[tuple[int, str]]:
    stage.write(node_text(ADDRESS, OTHER, more=GRE.format("wan")))
    return [stage.cli(f"apply {stage.folder}/other.yaml")]


def lacks(stage: Stage) -> list[tuple[int, str]]:
    stage.node.kernel.links.kinds = frozenset()
    stage.write(node_text(ADDRESS, more=GRE.format("gre-1")))
    return [stage.cli(f"apply {stage.folder}/other.yaml")]


def fails(stage: Stage) -> list[tuple[int, str]]:
    stage.write(node_text(ADDRESS, OTHER, THIRD))
    stage.node.fail(1, RejectedError("add address: Cannot assign requested address"))
    return [stage.cli(f"apply {stage.folder}/other.yaml")]


def saved_plan(stage: Stage) -> list[tuple[int, str]]:
    other = stage.write(node_text(ADDRESS, OTHER))
    found = [stage.cli(f"plan {other} --out {stage.folder}/plan.json")]
    return [*found, *(stage.cli(f"apply {stage.folder}/plan.json") for _ in range(2))]


def saved_plan_on_trial(stage: Stage) -> list[tuple[int, str]]:
    other = stage.write(node_text(ADDRESS, OTHER))
    found = [stage.cli(f"plan {other} --out {stage.folder}/plan.json")]
    return [*found, stage.cli(f"apply {stage.folder}/plan.json --confirm 1m"), stage.cli("confirm")]


def on_trial(stage: Stage) -> list[tuple[int, str]]:
    stage.write(node_text(ADDRESS, OTHER))
    return [stage.cli(f"apply {stage.folder}/other.yaml --confirm 1m"), stage.cli("confirm"), stage.cli("confirm")]


def rolled_back(stage: Stage) -> list[tuple[int, str]]:
    stage.write(node_text(ADDRESS, OTHER))
    words = f"apply {stage.folder}/other.yaml --confirm 1m"
    return [stage.cli(one) for one in (words, "rollback", words, "rollback", "confirm", "retry", "retry", words)]


def quarantined(stage: Stage) -> list[tuple[int, str]]:
    stage.write(node_text(ADDRESS, OTHER))
    stage.cli(f"apply {stage.folder}/other.yaml --confirm 1m")
    stage.cli("rollback")
    return [stage.cli(f"apply {stage.folder}/other.yaml")]


def suspended(stage: Stage) -> list[tuple[int, str]]:
    stage.write(node_text(ADDRESS, OTHER))
    words = ("suspend --reason painting", f"apply {stage.folder}/other.yaml", "resume", "resume")
    return [stage.cli(one) for one in words]


def suspended_on_trial(stage: Stage) -> list[tuple[int, str]]:
    stage.write(node_text(ADDRESS, OTHER))
    stage.cli(f"apply {stage.folder}/other.yaml --confirm 1m")
    return [stage.cli("suspend --reason painting --for 1h"), stage.cli("rollback")]


SITUATIONS: list[Situation] = [
    *(adds, nothing_to_do, deletes_too_much, conflicts, lacks, fails, saved_plan, saved_plan_on_trial),
    *(on_trial, rolled_back, quarantined, suspended, suspended_on_trial),
]


def both(situation: Situation, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[int, str]]]:
    """Return what is said without a daemon and with one; the node is the same after it."""
    said, nodes = [], []
    for name in ("alone", "daemon"):
        stage = stage_in(folder / name, monkeypatch)
        try:
            assert stage.cli("apply FILE")[0] == 0
            if name == "daemon":
                stage.start()
            said.append([(code, text.replace(str(stage.folder), "")) for code, text in situation(stage)])
        finally:
            stage.close()
        nodes.append([line for line in stage.node.describe() if "babel" not in line])
    assert nodes[0] == nodes[1]
    return said


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.__name__)
def test_situations(situation: Situation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, daemon = both(situation, tmp_path, monkeypatch)
    assert alone == daemon


def test_what_is_in_the_way_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for situation, words in ((conflicts, "! link wan"), (lacks, "not possible on this node")):
        for ((code, said),) in both(situation, tmp_path / situation.__name__, monkeypatch):
            assert code == 4
            assert said.count(words) == 1, said
            assert said.endswith("stellwerk: refused, nothing was changed\n")


CARET = Problem("/etc/node.yaml", 3, 5, "`meshh` is not a field", "did you mean `mesh`?", "  meshh: 1", 2)
ERRORS: list[tuple[Exception, int]] = [
    (IntentError([CARET, Problem("/etc/node.yaml", 0, 0, "is odd")], 3), 3),
    (PlanError(["a needs b", "b needs a"]), 4),
    (RefusedError("it is not wanted"), 4),
    (MovedOnError("the node has moved on"), 4),
    (DamagedStateError("intents.json", "intents.json is damaged"), 4),
    (DeniedError("no rights; be root"), 1),
    (BusyError("not now"), 1),
    (UnsupportedError("no such thing in this kernel"), 1),
    (RejectedError("no key in /keys/wg\x1b[2J; make it"), 1),
    (StaleError("gone"), 1),
    (OccupiedError("taken"), 1),
    (UnreachableError("babeld does not answer"), 1),
    (StellwerkError("no space left"), 1),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda one: type(one).__name__)
def test_errors(error: Exception, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = NodeInterpreter.interpret

    def interpret(self: NodeInterpreter, document: Document, held: bool = False) -> Wanted:
        if OTHER in document.text:
            raise error
        return real(self, document, held)

    monkeypatch.setattr(NodeInterpreter, "interpret", interpret)
    (alone,), (daemon,) = both(adds_once, tmp_path, monkeypatch)
    assert alone == daemon
    assert alone[0] == code
    for line in str(error).splitlines():
        for part in line.strip().replace("\x1b", "\\x1b").split("; "):
            assert part in alone[1]


def adds_once(stage: Stage) -> list[tuple[int, str]]:
    stage.write(node_text(ADDRESS, OTHER))
    return [stage.cli(f"apply {stage.folder}/other.yaml")]


class Closed(io.StringIO):
    """A pipe that nobody reads."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("daemon", [False, True])
def test_lines_that_nobody_reads_stop_nothing(daemon: bool, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    other = stage.write(node_text(ADDRESS, OTHER, THIRD))
    if daemon:
        stage.start()
    real: list[Any] = []
    monkeypatch.setattr("os.dup2", lambda *numbers: real.append(numbers))
    closed = Closed()
    closed.fileno = lambda: 1  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", closed)
    code = cli.run(["apply", str(other)])
    monkeypatch.undo()
    assert code == 1
    assert len(stage.addresses()) == 3
