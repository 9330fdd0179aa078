"""Each file of the state folder: what is loaded is what was saved, or it is said to be damaged."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.resources.resource import Key
from reconciler.backends.state_folder import MOST_SET_ASIDE, StateFolder
from reconciler.core.commits import Commit
from reconciler.core.errors import DamagedStateError, StellwerkError
from reconciler.core.intents import Document, Given, Intents, Quarantined, Trial
from reconciler.core.inventory import Inventory
from reconciler.core.suspension import Suspension
from tests.pure.loop.rig import FakeClock
from tests.pure.state.dying import ends_at_call

GOOD = Document("node.yaml", "version: 1\nnode: a  # Straße\n", "1" * 64)
COMMIT = Commit("4" * 40, "Ada <ada@example.org>", "Kiel moves", 1.7e9, "ada")
OTHER = Document("-", "version: 1\r\nnode: b\n\udc80", "2" * 64, COMMIT)
INTENTS = Intents(
    adopted=GOOD,
    good=GOOD,
    good_since=1.7e9,
    trial=Trial(OTHER, GOOD, 60.0, 812.25, "a-boot", 1.7e9),
    quarantine=(Quarantined("3" * 64, 1.6e9, "no neighbour"),),
    given=Given(OTHER, "1" * 64),
)


@dataclass(frozen=True)
class Kept:
    """A file, a value for it, what is loaded without it, and how it is loaded and saved."""

    name: str
    value: Any
    none: Any
    load: Callable[[StateFolder], Any]
    save: Callable[[StateFolder, Any], None]


KEPT = (
    Kept(
        "inventory.json",
        Inventory(
            {Key("sysctl", ("net/a",)): {"before": "0"}, Key("route", (10, "::/0")): {}}, {"route": frozenset({7})}
        ),
        Inventory(lost=True),
        StateFolder.load,
        StateFolder.save,
    ),
    Kept("intents.json", INTENTS, Intents(), StateFolder.load_intents, StateFolder.save_intents),
    Kept(
        "suspension.json",
        Suspension("the mast is being painted", 1.7e9, None, "boot 1"),
        None,
        StateFolder.load_suspension,
        StateFolder.save_suspension,
    ),
)
every_file = pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


texts = st.text(st.characters(), max_size=20)
numbers = st.floats(allow_nan=False)
documents = st.builds(Document, texts, texts, texts)
intents = st.builds(
    Intents,
    adopted=st.none() | documents,
    good=st.none() | documents,
    good_since=numbers,
    trial=st.none() | st.builds(Trial, documents, st.none() | documents, numbers, numbers, texts, numbers),
    quarantine=st.lists(st.builds(Quarantined, texts, numbers, texts), max_size=3).map(tuple),
    given=st.none() | st.builds(Given, documents, st.none() | texts),
)
suspensions = st.none() | st.builds(Suspension, texts, numbers, st.none() | numbers, texts)
generated = settings(derandomize=True, database=None, deadline=None, max_examples=60)


@generated
@given(intents, suspensions)
def test_what_is_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, intents: Intents, suspension: Suspension | None
) -> None:
    folder = StateFolder(tmp_path_factory.getbasetemp() / "generated files")
    folder.save_intents(intents)
    folder.save_suspension(suspension)
    assert folder.load_intents() == intents
    assert folder.load_suspension() == suspension


@every_file
def test_without_a_file_there_is_nothing_and_none_is_made(folder: StateFolder, kept: Kept) -> None:
    assert kept.load(folder) == kept.none
    assert not folder.folder.exists()


@every_file
def test_only_its_owner_can_read_it(folder: StateFolder, kept: Kept) -> None:
    kept.save(folder, kept.value)
    assert (folder.folder / kept.name).stat().st_mode & 0o777 == 0o600
    assert os.listdir(folder.folder) == [kept.name]


def test_what_is_lifted_leaves_nothing(folder: StateFolder) -> None:
    folder.save_suspension(None)
    assert not folder.folder.exists()
    folder.save_suspension(Suspension("a reason", 1.0, 2.0, "boot 1"))
    folder.save_suspension(None)
    assert os.listdir(folder.folder) == []


def test_a_damaged_suspension_can_be_lifted(folder: StateFolder) -> None:
    folder.save_suspension(Suspension("a reason", 1.0, 2.0, "boot 1"))
    (folder.folder / "suspension.json").write_text("{")
    with pytest.raises(DamagedStateError):
        folder.load_suspension()
    folder.save_suspension(None)
    assert folder.load_suspension() is None


def test_a_suspension_runs_out_when_it_has_an_end_and_when_the_machine_starts() -> None:
    clock = FakeClock()
    now = clock.now()
    assert Suspension("", 1.0, None, "boot 1").why_over(clock) is None
    assert Suspension("", 1.0, now + 0.1, "boot 1").why_over(clock) is None
    assert Suspension("", 1.0, now, "boot 1").why_over(clock) == "the time of the suspension is over"
    clock.reboot()
    assert Suspension("", 1.0, None, "boot 1").why_over(clock) == "the machine was started anew"


def loaded(kept: Kept, folder: StateFolder) -> Any:
    """Return the value, or the name of the file that is said to be damaged."""
    try:
        return kept.load(folder)
    except DamagedStateError as exc:
        return exc.name


@every_file
def test_one_bit_is_noticed_or_means_nothing(folder: StateFolder, kept: Kept) -> None:
    kept.save(folder, kept.value)
    path = folder.folder / kept.name
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            assert loaded(kept, folder) in (kept.value, kept.name)


@every_file
def test_a_file_that_was_cut_is_damaged(folder: StateFolder, kept: Kept) -> None:
    kept.save(folder, kept.value)
    path = folder.folder / kept.name
    whole = path.read_bytes()
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedStateError, match="is damaged"):
            kept.load(folder)


@every_file
@generated
@given(data=st.data())
def test_any_other_content_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, kept: Kept, data: st.DataObject
) -> None:
    folder = StateFolder(tmp_path_factory.getbasetemp() / "damaged files")
    kept.save(folder, kept.value)
    path = folder.folder / kept.name
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:])
    assert loaded(kept, folder) in (kept.value, kept.name)


def sealed(document: dict[str, Any]) -> str:
    """Return the document as somebody would write it who takes care of the checksum."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return json.dumps({**document, "sha256": sha256(text.encode()).hexdigest()})


DOCUMENT = {"name": "a", "text": "b", "digest": "c"}
TRIAL = {"document": DOCUMENT, "before": None, "seconds": 60.0, "deadline": 1, "boot": "x", "since": 2.5}
INVENTORY: dict[str, Any] = {"version": 1, "objects": [], "partitions": {}}
SUSPENSION: dict[str, Any] = {"version": 1, "reason": "r", "since": 1.0, "deadline": None, "boot": "x"}


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("inventory.json", {**INVENTORY, "version": True}),
        ("inventory.json", {**INVENTORY, "version": 1.0}),
        ("inventory.json", {"version": 1}),
        ("inventory.json", {**INVENTORY, "objects": {}}),
        ("inventory.json", {**INVENTORY, "partitions": []}),
        ("inventory.json", {**INVENTORY, "partitions": {"route": "10"}}),
        ("inventory.json", {**INVENTORY, "partitions": {"route": [[10]]}}),
        ("inventory.json", {**INVENTORY, "objects": [{"key": []}]}),
        ("inventory.json", {**INVENTORY, "objects": [{"key": [], "remembered": {}}]}),
        ("inventory.json", {**INVENTORY, "objects": [{"key": "address", "remembered": {}}]}),
        ("inventory.json", {**INVENTORY, "objects": [{"key": ["address", 1.5], "remembered": {}}]}),
        ("inventory.json", {**INVENTORY, "objects": [{"key": ["address", "a"], "remembered": [["a", 1]]}]}),
        ("intents.json", {"version": 1, "better": None}),
        ("intents.json", {"version": 1, "good": {}}),
        ("intents.json", {"version": 1, "good": {**DOCUMENT, "text": None}}),
        ("intents.json", {"version": 1, "good": {**DOCUMENT, "more": "x"}}),
        ("intents.json", {"version": 1, "good_since": "1"}),
        ("intents.json", {"version": 1, "good_since": True}),
        ("intents.json", {"version": 1, "good_since": 10**400}),
        ("intents.json", {"version": 1, "good_since": float("nan")}),
        ("intents.json", {"version": 1, "trial": {**TRIAL, "boot": 7}}),
        ("intents.json", {"version": 1, "quarantine": {}}),
        ("intents.json", {"version": 1, "quarantine": [None]}),
        ("suspension.json", {"version": 1}),
        ("suspension.json", {**SUSPENSION, "until": "never"}),
        ("suspension.json", {name: value for name, value in SUSPENSION.items() if name != "boot"}),
    ],
)
def test_another_shape_is_damaged_although_the_checksum_is_right(
    folder: StateFolder, name: str, document: dict[str, Any]
) -> None:
    (kept,) = (one for one in KEPT if one.name == name)
    folder.folder.mkdir()
    (folder.folder / name).write_text(sealed(document))
    with pytest.raises(DamagedStateError, match=name) as caught:
        kept.load(folder)
    assert "move the file away" in str(caught.value).lower()


def test_the_commit_of_a_document_is_kept(folder: StateFolder) -> None:
    folder.save_intents(INTENTS)
    found = folder.load_intents()
    assert found.adopted is not None
    assert found.adopted.commit is None
    assert found.trial is not None
    assert found.trial.document.commit == COMMIT


def test_what_came_of_no_commit_is_written_as_earlier_versions_read_it(folder: StateFolder) -> None:
    folder.save_intents(Intents(adopted=GOOD))
    written = json.loads((folder.folder / "intents.json").read_text())
    assert written["adopted"].keys() == {"name", "text", "digest"}


def test_what_somebody_wrote_with_care_is_loaded(folder: StateFolder) -> None:
    folder.folder.mkdir()
    (folder.folder / "intents.json").write_text(sealed({"version": 1, "trial": TRIAL}))
    (folder.folder / "suspension.json").write_text(sealed(SUSPENSION))
    assert folder.load_intents() == Intents(trial=Trial(Document("a", "b", "c"), None, 60.0, 1.0, "x", 2.5))
    assert folder.load_suspension() == Suspension("r", 1.0, None, "x")


@every_file
def test_a_damaged_file_is_set_aside_and_the_rest_goes_on(folder: StateFolder, kept: Kept) -> None:
    places = []
    for number in range(MOST_SET_ASIDE + 2):
        kept.save(folder, kept.value)
        (folder.folder / kept.name).write_text(f"damage {number}")
        with pytest.raises(DamagedStateError) as caught:
            kept.load(folder)
        place = folder.set_aside(caught.value.name)
        assert place.read_text() == f"damage {number}"
        assert kept.load(folder) == kept.none
        places.append(place.name)
    assert places == [f"{kept.name}.damaged-{number}" for number in (1, 2, 3, 3, 3)]
    assert sorted(os.listdir(folder.folder)) == sorted(set(places))


def test_only_files_of_ours_are_set_aside(folder: StateFolder) -> None:
    (folder.folder).mkdir()
    (folder.folder / "lock").touch()
    for name in ("lock", "../state/lock", "history.jsonl", ""):
        with pytest.raises(ValueError, match="no file"):
            folder.set_aside(name)
    with pytest.raises(StellwerkError, match=r"intents\.json cannot be moved"):
        folder.set_aside("intents.json")


@every_file
def test_whenever_it_is_killed_the_old_or_the_new_is_there(folder: StateFolder, kept: Kept) -> None:
    """Save in a process that ends at its first, second, … call that changes the disk."""
    new: Any = {
        "inventory.json": Inventory(),
        "intents.json": Intents(),
        "suspension.json": Suspension("", 0.0, 1.0, ""),
    }[kept.name]
    kept.save(folder, kept.value)
    seen = []
    for calls in range(20):
        if ends_at_call(calls, lambda: kept.save(folder, new)):
            break
        seen.append(kept.load(folder))
        assert seen[-1] in (kept.value, new)
    else:
        pytest.fail("the write never came to its end")
    assert kept.load(folder) == new
    assert seen[0] == kept.value
    assert seen[-1] == new
    kept.save(folder, kept.value)
    assert os.listdir(folder.folder) == [kept.name]


SAVING = """\
import itertools, pathlib, sys
from reconciler.backends.state_folder import StateFolder
from reconciler.core.intents import Document, Intents
from reconciler.core.inventory import Inventory
from reconciler.core.suspension import Suspension
from tests.pure.loop.rig import FakeClock
from tests.pure.state.dying import ends_at_call
from intent.resources.resource import Key
folder = StateFolder(pathlib.Path(sys.argv[1]))
for number in itertools.count():
    folder.save(Inventory({Key("a", (number,)): {} for number in range(number % 50)}))
    folder.save_intents(Intents(good=Document("n", "x" * 100 * (number % 50), str(number)), good_since=number))
    folder.save_suspension(Suspension("r", number, None, "boot") if number % 2 else None)
    if not number:
        print("begun", flush=True)
"""


def test_killed_at_random_moments_each_file_is_one_that_was_saved(folder: StateFolder) -> None:
    moments = random.Random(7)
    for _ in range(10):
        command = [sys.executable, "-c", SAVING, str(folder.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0, 0.05))
            process.kill()
        entries = folder.load().entries
        assert set(entries) == {Key("a", (number,)) for number in range(len(entries))}
        good = folder.load_intents().good
        assert good is not None
        assert len(good.text) == 100 * (int(good.digest) % 50)
        suspension = folder.load_suspension()
        assert suspension is None or suspension.since % 2 == 1
