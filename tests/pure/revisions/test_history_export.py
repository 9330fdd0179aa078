"""A history that is taken away and held against git: what is right is believed, each forgery is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from intent.digest import digest
from intent.loading import loads
from reconciler.backends.history_file import HistoryFile
from reconciler.core.history import Head, chained, entry_of, head_of
from reconciler.core.history import line as spelled

Run = Callable[..., tuple[int, str]]
DOCUMENT = 'version: 1\nnode: one\naddresses: [{interface: mesh0, addresses: ["fd00::%d/64"]}]\n'
ADA = "Ada <ada@example.org>"


def fact(commit: str, number: int, **more: Any) -> dict[str, Any]:
    wanted = digest(loads(DOCUMENT % number, "a"))
    made = {"event": "changed", "node": "one", "digest": wanted, "commit": commit, "author": ADA, "signer": "ada"}
    return {**made, "path": "rendered/one.yaml", "operations": [], "outcome": "in sync", **more}


@pytest.fixture
def exported(repository: Any, stellwerk: Run, tmp_path: Path) -> Path:
    history = HistoryFile(tmp_path / "state")
    for number in (1, 2, 3):
        repository.put("rendered/one.yaml", DOCUMENT % number)
        history.append(fact(repository.commit(), number), 1_700_000_000 + number)
    file = tmp_path / "one.history"
    assert stellwerk("history", "--export", str(file), "--state-dir", str(tmp_path / "state")) == (0, "")
    return file


def forged(file: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Write the file anew with other facts, the chain whole and the head right: as who has the node could."""
    _, *lines = file.read_bytes().splitlines(keepends=True)
    entries = [entry_of(line) or {} for line in lines]
    change(entries)
    head, made = Head(), []
    for entry in entries:
        kept = {name: value for name, value in entry.items() if name not in ("number", "previous", "hash")}
        new = chained(kept, head, entry["time"])
        head = head_of(new)
        made.append(spelled(new))
    file.write_bytes(json.dumps({"head": str(head), "stellwerk_history_export": 1}).encode() + b"\n" + b"".join(made))


def test_what_is_right_is_verified_and_says_who_asked(exported: Path, repository: Any, stellwerk: Run) -> None:
    code, said = stellwerk("history", "--verify-export", str(exported), "--repository", str(repository.folder))
    assert code == 0, said
    assert "verified" in said
    assert "3 commits agree" in said
    assert f"commit {repository.git('rev-parse', 'HEAD')[:12]} by {ADA}, signed by ada" in said
    code, said = stellwerk("history", "--verify-export", str(exported), "--json")
    told = json.loads(said)
    assert (code, told["verified"], len(told["entries"])) == (0, True, 3)


def test_a_head_that_was_noted_is_held_against_it(exported: Path, stellwerk: Run) -> None:
    head = json.loads(exported.read_bytes().splitlines()[0])["head"]
    assert stellwerk("history", "--verify-export", str(exported), "--head", head)[0] == 0
    forged(exported, lambda entries: entries.__delitem__(0))
    code, said = stellwerk("history", "--verify-export", str(exported), "--head", head)
    assert code == 1
    assert "noted" in said


def altered(lines: list[bytes]) -> Iterator[bytes]:
    yield from (line.replace(b"in sync", b"in sink") for line in lines)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: list(altered(lines)), "entry 1 was altered"),
        (lambda lines: [lines[0], lines[1], lines[3]], "entries were dropped, moved or put in"),
        (lambda lines: lines[:-1], "the end was cut"),
        (lambda lines: [lines[0], *lines[2:]], "the beginning was cut"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], "no entry, or not whole"),
    ],
)
def test_an_export_that_was_edited_is_not_believed(exported: Path, stellwerk: Run, change: Any, words: str) -> None:
    exported.write_bytes(b"".join(change(exported.read_bytes().splitlines(keepends=True))))
    code, said = stellwerk("history", "--verify-export", str(exported))
    assert code == 1
    assert words in said or "no such" in said or "kept" in said, said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"commit": "0" * 40}, "which the repository does not have"),
        ({"commit": "--all"}, "which is no name of one"),
        ({"author": "Eve <eve@example.org>"}, f"is by Eve <eve@example.org>, but it is by {ADA}"),
        ({"digest": "f" * 64}, "has the digest ffffffffffff, but rendered/one.yaml of commit"),
        ({"path": "rendered/two.yaml"}, "which has no such file"),
    ],
)
def test_what_git_does_not_say_is_told(
    exported: Path, repository: Any, stellwerk: Run, more: dict[str, Any], words: str
) -> None:
    forged(exported, lambda entries: entries[1].update(more))
    assert stellwerk("history", "--verify-export", str(exported))[0] == 0
    code, said = stellwerk("history", "--verify-export", str(exported), "--repository", str(repository.folder))
    assert code == 1
    assert "entry 2 " in said
    assert words in said


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"stellwerk_history_export": 2}\n', b"[" * 100_000, b"\xff\n"])
def test_what_is_no_export_is_refused(tmp_path: Path, stellwerk: Run, content: bytes) -> None:
    file = tmp_path / "other"
    file.write_bytes(content)
    code, said = stellwerk("history", "--verify-export", str(file))
    assert code == 1
    assert said.startswith("stellwerk: ")


def test_there_is_nothing_to_take_away_of_a_new_node(tmp_path: Path, stellwerk: Run) -> None:
    code, said = stellwerk("history", "--export", "-", "--state-dir", str(tmp_path))
    assert (code, "nothing was done" in said) == (1, True)
