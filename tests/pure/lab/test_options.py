"""The command line of labs, without a lab: addresses, which lab is meant, and what the shell completes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete

from reconciler import cli
from reconciler.cli import exit_codes, lab_options
from reconciler.lab import folders, laboratory

STATUS = {
    "nodes": {"kiel": {}, "roof": {}},
    "clients": {"alice": {}},
    "wires": [
        {"name": "cable", "is_wire": True, "ends": {"kiel:mesh0": "up", "roof:mesh0": "up"}},
        {"name": "line of kiel:wan", "is_wire": False, "ends": {"kiel:wan": "up", "internet:l0-kiel": "up"}},
    ],
    "internet": {},
}


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two labs that tell one status, and the names of those that were asked."""
    asked: list[str] = []

    def status(lab: laboratory.Lab) -> dict[str, Any]:
        asked.append(lab.name)
        return STATUS

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lock").write_text("")
    monkeypatch.setattr(folders, "base", lambda: tmp_path)
    monkeypatch.setattr(laboratory.Lab, "status", status)
    monkeypatch.delenv(lab_options.VARIABLE, raising=False)
    return asked


def completed(words: list[str], incomplete: str = "") -> list[str]:
    shell = ShellComplete(cli.stellwerk, {}, "stellwerk", "_STELLWERK_COMPLETE")
    return [one.value for one in shell.get_completions(["lab", *words], incomplete)]


@pytest.mark.parametrize("words", ["internet", "1.2.3.4", "2001:db8::/64"])
def test_a_probe_needs_an_ipv6_address(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["lab", "probe", "alice", "--to", words]) == exit_codes.USAGE
    assert "'--to'" in (said := capsys.readouterr().err)
    assert "it needs an IPv6 address" in said


def test_the_environment_may_say_which_lab(labs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.run(["lab", "heal"]) == exit_codes.FAILED
    monkeypatch.setenv(lab_options.VARIABLE, "two")
    assert completed(["break"]) != []
    assert labs == ["two"]
    context = click.Context(click.Command("x"))
    (parameter,) = (one for one in _command("down").params if one.name == "name")
    assert parameter.value_from_envvar(context) == "two"


def test_names_are_completed(labs: list[str]) -> None:
    assert completed(["down"]) == ["one", "two"]
    assert completed(["status"], "t") == ["two"]
    assert completed(["break", "--lab"]) == ["one", "two"]
    assert completed(["break", "--lab", "one"]) == ["cable", "kiel", "roof", "kiel:mesh0", "roof:mesh0", "kiel:wan"]
    assert completed(["heal", "--lab", "one"], "kiel:") == ["kiel:mesh0", "kiel:wan"]
    assert completed(["exec", "--lab", "one"]) == ["kiel", "roof", "alice", "internet"]
    assert completed(["probe", "--lab", "one"], "a") == ["alice"]
    assert completed(["log", "--lab", "one"]) == ["kiel", "roof"]
    assert set(labs) == {"one"}


def test_where_it_is_open_which_lab_is_meant_nothing_is_completed(labs: list[str]) -> None:
    assert completed(["break"]) == []
    assert labs == []


def _command(name: str) -> click.Command:
    group = cli.stellwerk.get_command(click.Context(cli.stellwerk), "lab")
    assert isinstance(group, click.Group)
    return group.commands[name]
