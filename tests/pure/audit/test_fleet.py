"""An audit of many nodes, by their snapshots."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pure.audit.conftest import EXAMPLE, Auditor


@pytest.fixture
def fleet(auditor: Auditor) -> Path:
    """Return a folder of node files, beside ``snapshots``: of one node as it should be, and one that differs."""
    folder = auditor.folder / "fleet"
    snapshots = auditor.folder / "snapshots"
    for one in (folder, snapshots):
        one.mkdir()
    text = EXAMPLE.read_text()
    auditor.apply()
    data = json.loads(auditor.snapshot(EXAMPLE).read_text())
    for name in ("right", "wrong", "absent", "broken"):
        content = text.replace("node: exit-berlin-7", f"node: {name}")
        (folder / f"{name}.yaml").write_text(content if name != "broken" else "version: 1\n")
        (snapshots / f"{name}.json").write_text(json.dumps({**data, "node": name}))
    (snapshots / "absent.json").unlink()
    data["objects"] = [one for one in data["objects"] if one["kind"] != "GreLink"]
    (snapshots / "wrong.json").write_text(json.dumps({**data, "node": "wrong"}))
    return folder


def states(auditor: Auditor, fleet: Path, options: str = "") -> tuple[int, dict[str, str]]:
    audit = auditor.audit(f"--fleet {fleet} --snapshots {auditor.folder / 'snapshots'} {options}")
    return audit.code, {one["node"]: one["state"] for one in audit.nodes}


def test_each_node_has_its_state(auditor: Auditor, fleet: Path) -> None:
    code, found = states(auditor, fleet)
    assert (code, found) == (3, {"absent": "unknown", "broken": "invalid", "right": "in sync", "wrong": "differs"})
    (fleet / "broken.yaml").unlink()
    (auditor.folder / "snapshots" / "broken.json").unlink()
    assert states(auditor, fleet)[0] == 1
    (fleet / "absent.yaml").unlink()
    assert states(auditor, fleet) == (2, {"right": "in sync", "wrong": "differs"})
    (fleet / "wrong.yaml").unlink()
    (auditor.folder / "snapshots" / "wrong.json").unlink()
    assert states(auditor, fleet) == (0, {"right": "in sync"})


def test_a_snapshot_of_a_node_that_nobody_knows(auditor: Auditor, fleet: Path) -> None:
    (fleet / "right.yaml").unlink()
    assert states(auditor, fleet)[1]["right"] == "differs"


def test_a_snapshot_that_is_old(auditor: Auditor, fleet: Path) -> None:
    path = auditor.folder / "snapshots" / "right.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "taken": document["taken"] - 7200}))
    assert states(auditor, fleet, "--older-than 3h")[1]["right"] == "in sync"
    assert states(auditor, fleet, "--older-than 1h")[1]["right"] == "unknown"


def test_a_repository_of_a_fleet(auditor: Auditor) -> None:
    folder, snapshots = auditor.folder / "fleet", auditor.folder / "snapshots"
    (folder / "nodes").mkdir(parents=True)
    snapshots.mkdir()
    (folder / "fleet.yaml").write_text("version: 1\nfleet: example\n")
    text = EXAMPLE.read_text().replace("version: 1\nnode: exit-berlin-7\n", "")
    (folder / "nodes" / "exit-berlin-7.yaml").write_text(text)
    auditor.apply()
    auditor.snapshot(EXAMPLE).rename(snapshots / "exit-berlin-7.json")
    assert states(auditor, folder) == (0, {"exit-berlin-7": "in sync"})
