"""The command line on a node in memory, whose audits are read as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from intent.resources.resource import Request
from intent.resources.route import Route
from intent.resources.sysctl import WriteSysctl
from reconciler.backends.fake import FakeNode
from tests.pure.docs.conftest import CommandLine
from tests.pure.docs.markdown import ROOT

EXAMPLE = ROOT / "examples" / "exit-gre.yaml"


@dataclass(frozen=True)
class Audited:
    """The exit code of an audit, and what it said of its nodes."""

    code: int
    nodes: list[dict[str, Any]]

    def rules(self, *severities: str) -> set[str]:
        """Return the rules of the first node's findings, of these severities or of all but notes."""
        wanted = severities or ("critical", "major", "minor")
        return {one["rule"] for one in self.nodes[0]["findings"] if one["severity"] in wanted}

    def finding(self, rule: str) -> dict[str, Any]:
        """Return the first node's only finding of a rule."""
        (found,) = [one for one in self.nodes[0]["findings"] if one["rule"] == rule]
        return dict(found)


class Auditor:
    """Audits a node in memory."""

    def __init__(self, command_line: CommandLine, folder: Path) -> None:
        self.command_line = command_line
        self.folder = folder

    @property
    def node(self) -> FakeNode:
        """The node."""
        return self.command_line.node

    def run(self, words: str) -> tuple[int, str]:
        """Run the command line."""
        return self.command_line.run(words)

    def apply(self, file: Path = EXAMPLE) -> None:
        """Make the node what a file says."""
        code, said = self.run(f"stellwerk apply {file}")
        assert code == 0, said

    def audit(self, options: str) -> Audited:
        """Return an audit."""
        out = self.folder / "audit.json"
        code, said = self.run(f"stellwerk audit {options} --format json --out {out}")
        assert out.exists(), said
        document = json.loads(out.read_text())
        out.unlink()
        return Audited(code, document["nodes"])

    def send(self, *requests: Request) -> None:
        """Do something on the node that stellwerk knows nothing of."""
        assert self.node.send(requests) == [None] * len(requests)

    def switch_forwarding_off(self) -> None:
        """Have the node forward nothing."""
        self.send(WriteSysctl("net/ipv6/conf/all/forwarding", "0"))

    def add_default(self) -> None:
        """Put a default route without a source prefix into the mesh's table."""
        route = Route(routing_table=10, destination="::/0", link="wan", gateway="fe80::66", protocol=4)
        self.send(*route.create())

    def live(self, file: Path = EXAMPLE) -> Audited:
        """Return an audit of the node as it is, which is the same as that of its snapshot."""
        now = self.audit(f"{file} --live")
        path = self.snapshot(file)
        later = self.audit(f"{file} --snapshot {path}")
        assert (later.code, later.nodes[0]["findings"]) == (now.code, now.nodes[0]["findings"])
        return now

    def snapshot(self, file: Path | None = None, name: str = "snapshot.json") -> Path:
        """Return the path of a snapshot."""
        path = self.folder / name
        self.run(f"stellwerk snapshot {file or ''} --out {path}")
        return path


@pytest.fixture
def auditor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Auditor:
    made = CommandLine(tmp_path / "state")
    monkeypatch.setattr("reconciler.services.this_node.this_node", made.this_node)
    monkeypatch.setenv("STELLWERK_STATE_DIR", str(tmp_path / "state"))
    return Auditor(made, tmp_path)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes a node file."""

    def written(text: str) -> Path:
        path = tmp_path / "node.yaml"
        path.write_text(text)
        return path

    return written
