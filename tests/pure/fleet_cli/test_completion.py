"""Shells complete the names of nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from reconciler.cli import stellwerk
from tests.fleets import node_name


def completed(*words: str) -> list[str]:
    """Return what the last word may become."""
    *before, begun = words
    shell = ShellComplete(stellwerk, {}, "stellwerk", "_STELLWERK_COMPLETE")
    return [item.value for item in shell.get_completions(before, begun)]


def test_names_of_nodes(fleet: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert completed("render", "node-0001") == [node_name(number) for number in range(10, 20)]
    assert completed("render", node_name(10), "node-0001") == [node_name(number) for number in range(11, 20)]
    (fleet / "nodes" / "not\x1bshown.yaml").touch()
    assert completed("render", "not") == []
    monkeypatch.chdir(tmp_path)
    assert completed("render", "node-0001") == []
    assert completed("render", "--fleet", str(fleet), "node-00002") == [node_name(2)]
    assert completed("render", "--fleet", str(tmp_path / "nowhere"), "n") == []
