"""The command line on a node in memory, and a node file that makes no keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pure.docs.conftest import CommandLine

NODE_FILE = """\
# A comment that is nobody's business.
version: 1
node: roof-1
addresses:
  - interface: mesh0
    addresses: ["fd00:6d65:7368:1::1/128"]
"""


@pytest.fixture
def command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    made = CommandLine(tmp_path / "state")
    monkeypatch.setattr("reconciler.services.this_node.this_node", made.this_node)
    monkeypatch.setenv("STELLWERK_STATE_DIR", str(tmp_path / "state"))
    return made


@pytest.fixture
def node_file(tmp_path: Path) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text(NODE_FILE)
    return path


@pytest.fixture
def saved(command_line: CommandLine, node_file: Path, tmp_path: Path) -> Path:
    """Return the plan for the node file, saved and not applied yet."""
    path = tmp_path / "plan.json"
    code, said = command_line.run(f"stellwerk plan {node_file} --out {path}")
    assert code == 2, said
    return path
