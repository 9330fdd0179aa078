"""``stellwerk check --fleet``: every problem of every node, at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleets import node_name
from tests.pure.fleet_cli.conftest import NODES, Run

ONE, OTHER = node_name(1), node_name(2)


def add(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def test_a_fleet_that_is_right(fleet: Path, run: Run) -> None:
    assert run("check", "--fleet", ".") == (0, f".: ok, fleet synthetic of {NODES} nodes\n", "")
    assert run("check", "--fleet", str(fleet)).out == f"{fleet}: ok, fleet synthetic of {NODES} nodes\n"
    assert not (fleet / "rendered").exists()


def test_all_that_is_wrong_with_nodes_is_said(fleet: Path, run: Run) -> None:
    add(fleet / "nodes" / f"{ONE}.yaml", "mesh: {table: none}\n")
    add(fleet / "nodes" / f"{OTHER}.yaml", "exitt: 1\n")
    for _ in range(2):
        said = run("check", "--fleet", ".")
        assert (said.code, said.out) == (3, "")
        assert f"nodes/{ONE}.yaml:5:15: `table` must be" in said.err
        assert "did you mean `exit`?" in said.err
    add(fleet / "fleet.yaml", "nothing: 1\n")
    assert "`nothing` is not a field of fleet.yaml" in run("check", "--fleet", ".").err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("check",), "name a node file"),
        (("check", "--fleet", ".", "node.yaml"), "leave out the others"),
        (("check", "--fleet", "nowhere"), "does not exist"),
        (("check", "--fleet", "fleet.yaml"), "is a file"),
    ],
)
def test_what_cannot_be_meant(fleet: Path, run: Run, words: tuple[str, ...], hint: str) -> None:
    said = run(*words)
    assert said.code == 64
    assert hint in said.err


def test_a_folder_that_is_no_fleet(tmp_path: Path, run: Run) -> None:
    said = run("check", "--fleet", str(tmp_path))
    assert said.code == 3
    assert "fleet.yaml: is not there: the folder is no repository of a fleet" in said.err


def test_a_file_that_is_none_without_its_fleet_says_so(
    fleet: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (f"nodes/{ONE}.yaml", "roles/exit.yaml", "fleet.yaml"):
        said = run("check", file)
        assert said.code == 3
        assert f"note: {file} is part of a fleet: `stellwerk check --fleet .`" in said.err
    monkeypatch.chdir(fleet / "nodes")
    assert "`stellwerk check --fleet ..`" in run("check", f"{ONE}.yaml").err
    monkeypatch.chdir(tmp_path)
    assert "`stellwerk check --fleet fleet`" in run("check", f"fleet/nodes/{ONE}.yaml").err
    (fleet / "fleet.yaml").unlink()
    assert "part of a fleet" not in run("check", f"fleet/nodes/{ONE}.yaml").err


def same_address(fleet: Path) -> None:
    """Give two nodes the same number, and so the same address."""
    one, other = (fleet / "nodes" / f"{name}.yaml" for name in (ONE, OTHER))
    other.write_text(other.read_text().replace("number: 3", "number: 2"))
    assert "number: 2" in one.read_text()


def test_what_is_wrong_between_nodes_is_said_beside_what_is_wrong_with_one(fleet: Path, run: Run) -> None:
    same_address(fleet)
    for _ in range(2):
        said = run("check", "--fleet", ".")
        assert said.code == 3
        assert f"node {OTHER} has the address fd00:6d65:7368::2 that node {ONE} has" in said.err
    add(fleet / "nodes" / f"{node_name(3)}.yaml", "exitt: 1\n")
    said = run("check", "--fleet", ".")
    assert f"node {OTHER} has the address" in said.err
    assert "did you mean `exit`?" in said.err


def test_a_place_is_called_as_the_fleet_is(
    fleet: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where what is known of a node was found out from another folder."""
    same_address(fleet)
    assert run("check", "--fleet", ".").err.startswith("fleet.yaml:")
    monkeypatch.chdir(tmp_path)
    assert run("check", "--fleet", "fleet").err.startswith("fleet/fleet.yaml:")
    monkeypatch.chdir(fleet / "nodes")
    assert run("check", "--fleet", "..").err.startswith("../fleet.yaml:")


def test_a_variable_that_nothing_uses_is_no_mistake_but_said(fleet: Path, run: Run) -> None:
    file = fleet / "fleet.yaml"
    file.write_text(file.read_text().replace("variables:\n", "variables:\n  forgotten: {type: text}\n"))
    said = run("check", "--fleet", ".")
    assert said.code == 0
    assert said.err.startswith("note: fleet.yaml:4:3: the variable `forgotten` is used nowhere\n")


def test_what_is_rendered_is_a_node_file(fleet: Path, run: Run) -> None:
    run("render")
    assert run("check", f"rendered/{ONE}.yaml") == (0, f"rendered/{ONE}.yaml: ok, node {ONE}\n", "")
