"""A snapshot is whole, the same for the same node, without secrets, and read with suspicion."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intent.document import Node
from intent.loading import load, loads
from intent.secrets import PrivateKey
from reconciler.core.diff import diff
from reconciler.core.plan_document import to_json
from reconciler.core.snapshot import Snapshot, lines, read
from reconciler.services.audit_references import asked
from reconciler.services.snapshots import take
from tests.intents import node_files
from tests.pure.audit.conftest import EXAMPLE, Auditor
from tests.pure.docs.conftest import CommandLine
from tests.pure.docs.markdown import ROOT

EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.yaml") if path.name != "stats-only.yaml")
AT = 1_800_000_000.0


def taken(command_line: CommandLine, node: Node) -> Snapshot:
    with command_line.this_node(Path()) as here:
        return take(here, AT, node)


def written(snapshot: Snapshot) -> bytes:
    return "".join(lines(snapshot)).encode()


def plan(node: Node, snapshot: Snapshot) -> dict[str, Any]:
    return to_json(diff(asked(node, snapshot).desired, snapshot.observation))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_snapshot_gives_the_plan_that_the_node_gives(tmp_path: Path, auditor: Auditor, path: Path) -> None:
    node = load(str(path))
    for _ in range(2):
        snapshot = taken(auditor.command_line, node)
        said = auditor.run(f"stellwerk plan {path} --json")[1]
        live = json.loads("{" + said.partition("{")[2].rpartition("}")[0] + "}")
        again = plan(node, read(written(snapshot)))
        assert again == plan(node, snapshot)
        if not any("make the key" in str(one) or "private key" in str(one) for one in live["operations"]):
            assert again["operations"] == live["operations"]
        assert [one["description"] for one in again["pending"]] == [one["description"] for one in live["pending"]]
        auditor.run(f"stellwerk apply {path}")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=node_files(), seed=st.integers(0, 1000))
def test_reading_what_was_written_changes_nothing(tmp_path: Path, text: str, seed: int) -> None:
    command_line = CommandLine(tmp_path / sha256(text.encode()).hexdigest()[:12])
    node = loads(text.replace("$folder", str(tmp_path)), "node.yaml")
    snapshot = taken(command_line, node)
    data = written(snapshot)
    back = read(data)
    assert written(back) == data
    assert plan(node, back) == plan(node, snapshot)
    document = json.loads(data)
    Random(seed).shuffle(document["objects"])
    assert written(read(json.dumps(document).encode())) == data


def test_no_secret_is_in_it(auditor: Auditor) -> None:
    auditor.apply()
    data = auditor.snapshot(EXAMPLE).read_text()
    for path in ("/etc/stellwerk/keys/links", "/etc/stellwerk/keys/wg-mesh"):
        key = PrivateKey(sha256(path.encode()).digest())
        assert base64.b64encode(key.reveal()).decode() not in data
        assert base64.b64encode(key.public).decode() in data


def test_the_file_is_whole_and_its_owners_alone(auditor: Auditor) -> None:
    path = auditor.snapshot(EXAMPLE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in auditor.folder.iterdir()] == [path.name]


def test_on_the_output_there_is_nothing_else(auditor: Auditor) -> None:
    code, said = auditor.run("stellwerk snapshot")
    assert json.loads(said)["stellwerk_snapshot"] == 1
    assert code == 0


def test_nothing_is_changed(auditor: Auditor) -> None:
    auditor.apply()
    auditor.switch_forwarding_off()
    before, node = state(auditor.folder), len(auditor.node.requests_seen)
    holds = auditor.node.describe()
    auditor.run(f"stellwerk audit {EXAMPLE} --live")
    auditor.run("stellwerk snapshot")
    assert len(auditor.node.requests_seen) == node
    assert auditor.node.describe() == holds
    assert state(auditor.folder) == before


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in folder.rglob("*")
    }


def first(document: Any, kind: str) -> Any:
    return next(one["is"] for one in document["objects"] if one["kind"] == kind and not one["ours"])


def change(path: Path, how: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    how(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda one: one.clear(), "this is no snapshot"),
        (lambda one: one.update(stellwerk_snapshot=2), "stellwerk_snapshot: must be 1"),
        (lambda one: one.update(more=1), "more: is not a field"),
        (lambda one: one.pop("taken"), "taken is missing"),
        (lambda one: one.update(node="x" * 2000), "node: has more than"),
        (lambda one: one.update(node="roof-1"), "of the node roof-1, not of exit-berlin-7"),
        (lambda one: one["objects"].append(one["objects"][0]), "is there twice"),
        (lambda one: one["objects"][0].update(kind="Secret"), "objects[0].kind: is no kind"),
        (lambda one: one["objects"][0].update(ours=1), "objects[0].ours: must be true or false"),
        (lambda one: first(one, "Address").update(address=[]), ".is.address: must be str, not a list of 0"),
        (lambda one: first(one, "Address").update(address="\x1b[2J", protocol=0), "objects that no node has"),
        (lambda one: one.update(looked_at={"route": [[]]}), "looked_at[0]"),
        (lambda one: one["references"].append(1), "references"),
        (lambda one: [ref.update(value={"x": 1}) for ref in one["references"]], "references"),
    ],
)
def test_one_that_is_damaged_says_where(auditor: Auditor, how: Callable[[Any], object], said: str) -> None:
    auditor.apply()
    path = auditor.snapshot(EXAMPLE)
    change(path, how)
    audit = auditor.audit(f"{EXAMPLE} --snapshot {path}")
    assert (audit.code, audit.nodes[0]["state"]) == (1, "unknown")
    assert said in audit.nodes[0]["problem"]
    assert str(path) in audit.nodes[0]["problem"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "line 1, column 1: this is no JSON"),
        (b'{\n"a": ]', "line 2, column 6: this is no JSON"),
        (b"\xff\xfe\xfa", "this is no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"stellwerk_snapshot": NaN}', "this is no JSON"),
        (b"9" * 10_000, "this is no JSON"),
        (b"[]", "this is no snapshot"),
    ],
)
def test_what_is_none_is_told(auditor: Auditor, data: bytes, said: str) -> None:
    path = auditor.folder / "x.json"
    path.write_bytes(data)
    audit = auditor.audit(f"{EXAMPLE} --snapshot {path}")
    assert audit.code == 1
    assert said in audit.nodes[0]["problem"]


def test_an_intent_that_is_invalid(auditor: Auditor, write: Callable[[str], Path]) -> None:
    path = write("version: 1\n")
    audit = auditor.audit(f"{path} --live")
    assert (audit.code, audit.nodes[0]["state"]) == (3, "invalid")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "node.yaml",
        "node.yaml --live --snapshot x",
        "--fleet .",
        "--snapshots .",
        "--live",
        "a.yaml --live --format x",
    ],
)
def test_a_command_line_that_says_too_little_or_too_much(auditor: Auditor, words: str) -> None:
    assert auditor.run(f"stellwerk audit {words}")[0] == 64
