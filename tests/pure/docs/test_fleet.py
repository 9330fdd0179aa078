"""What docs/fleet.md shows of the twelve nodes of the example is what happens, and the example is as it should be."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from intent.loading import load
from reconciler.cli import exit_codes
from tests.pure.docs.conftest import CommandLine
from tests.pure.docs.markdown import ROOT, blocks, links
from tests.pure.docs.test_readme import play

EXAMPLE = ROOT / "examples" / "fleet"
DOCUMENT = ROOT / "docs" / "fleet.md"
SESSIONS = [block.text for block in blocks(DOCUMENT) if block.language == "console"]
YAML = [block for block in blocks(DOCUMENT) if block.language == "yaml"]
COMMANDS = [
    line.strip()
    for text in (DOCUMENT.read_text(), (EXAMPLE / "README.md").read_text())
    for part in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for line in part.splitlines()
    if line.strip()
]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the example, which is the working directory."""
    folder = tmp_path / "fleet"
    shutil.copytree(EXAMPLE, folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(folder)
    return folder


def test_there_are_twelve_nodes_and_they_are_rendered_to_the_byte(fleet: Path, command_line: CommandLine) -> None:
    names = [file.stem for file in sorted((fleet / "nodes").glob("*.yaml"))]
    assert len(names) == 12
    assert [file.stem for file in sorted((fleet / "rendered").iterdir())] == names
    assert command_line.run("stellwerk check --fleet .") == (exit_codes.DONE, ".: ok, fleet example of 12 nodes\n")
    code, said = command_line.run("stellwerk render --check")
    assert code == exit_codes.DONE, said
    for name in names:
        document = (fleet / "rendered" / f"{name}.yaml").read_bytes()
        assert load(f"rendered/{name}.yaml").name == name
        code, said = command_line.run(f"stellwerk render {name}")
        assert said.encode() == document
        assert len([line for line in (fleet / "nodes" / f"{name}.yaml").read_text().splitlines() if line]) <= 8


def test_sessions(fleet: Path, command_line: CommandLine) -> None:
    for session in SESSIONS[:-1]:
        play(session, command_line)
    file = fleet / "fleet.yaml"
    file.write_text(re.sub(r".*between: \[berlin-1, berlin-3\].*\n", "", file.read_text()))
    node = fleet / "nodes" / "berlin-5.yaml"
    node.write_text(node.read_text().replace("number: 5", "number: 4"))
    play(SESSIONS[-1], command_line)


def test_a_node_without_a_segment_may_be_reached(fleet: Path, command_line: CommandLine) -> None:
    file = fleet / "fleet.yaml"
    text = re.sub(r".*between: \[berlin-1, berlin-3\].*\n", "", file.read_text())
    file.write_text(text)
    assert command_line.run("stellwerk check --fleet .")[0] == exit_codes.INVALID
    file.write_text(text.replace("  - {interface: mesh0, nodes: [berlin-3, berlin-6]}\n", ""))
    assert command_line.run("stellwerk check --fleet .")[0] == exit_codes.DONE


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command(line: str, fleet: Path, command_line: CommandLine) -> None:
    code, said = command_line.run(line)
    assert code == exit_codes.DONE, said


def test_what_is_shown_is_in_the_example() -> None:
    own, line, segments = YAML
    assert (EXAMPLE / (own.name or "")).read_text().endswith(own.text)
    shared = (EXAMPLE / "fleet.yaml").read_text()
    assert line.text.splitlines()[1].split(", port")[0] in shared
    assert segments.text.splitlines()[1] in shared


def test_the_example_leads_where_it_says() -> None:
    targets = links(EXAMPLE / "README.md")
    assert targets
    assert [one for one in targets if not (EXAMPLE / one).exists()] == []
    assert len((EXAMPLE / "README.md").read_text().splitlines()) <= 40
