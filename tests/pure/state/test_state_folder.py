"""What is kept on disk between runs: whole or not at all, by one at a time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.resources.resource import Key
from reconciler.backends.state_folder import StateFolder
from reconciler.core.errors import DamagedStateError, StellwerkError
from reconciler.core.inventory import Inventory

SOME = Inventory(
    entries={
        Key("address", ("mesh0", "fd00::1/64")): {},
        Key("sysctl", ("net/ipv6/conf/all/forwarding",)): {"before": "0"},
        Key("route", (10, "::/0", "2001:db8::/48", 1024)): {"deep": [1, "two", None]},
    },
    partitions={"route": frozenset({10, 11}), "sysctl": frozenset({"net/ipv6/conf/all/forwarding"})},
)


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "deep" / "state")


def file_of(folder: StateFolder) -> Path:
    return folder.folder / "inventory.json"


def test_what_is_saved_is_loaded(folder: StateFolder) -> None:
    folder.save(SOME)
    assert folder.load() == SOME
    assert StateFolder(folder.folder).load() == SOME


names = st.lists(st.text(max_size=8) | st.integers(), min_size=1, max_size=4).map(tuple)
entries = st.dictionaries(
    st.builds(Key, st.text(max_size=8), names),
    st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5)),
    max_size=4,
)


@settings(derandomize=True, database=None, deadline=None, max_examples=50)
@given(entries=entries, tables=st.dictionaries(st.text(max_size=5), st.frozensets(st.integers() | st.text(max_size=4))))
def test_every_inventory_is_loaded_as_it_was_saved(
    tmp_path_factory: pytest.TempPathFactory,
    entries: dict[Key, dict[str, object]],
    tables: dict[str, frozenset[int | str]],
) -> None:
    folder = StateFolder(tmp_path_factory.getbasetemp() / "generated")
    inventory = Inventory(entries, tables)
    folder.save(inventory)
    assert folder.load() == inventory


def test_without_a_file_the_inventory_is_lost(folder: StateFolder) -> None:
    assert folder.load() == Inventory(lost=True)
    assert not folder.folder.exists()


def test_what_was_saved_is_not_lost(folder: StateFolder) -> None:
    folder.save(Inventory(lost=True))
    assert folder.load().lost is False


def test_only_its_owner_can_read_it(folder: StateFolder) -> None:
    folder.save(SOME)
    assert folder.folder.stat().st_mode & 0o777 == 0o700
    assert file_of(folder).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.folder.iterdir()] == ["inventory.json"]


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"{",
            b"null",
            b"[]",
            b"\xff\xfe",
            b'{"version": 1}',
            b'{"version": 2, "objects": [], "partitions": {}}',
        ),
        b'{"version": 1, "objects": [{"key": []}], "partitions": {}}',
        b'{"version": 1, "objects": [{"key": ["address"], "remembered": 7}], "partitions": {}}',
        b'{"version": 1, "objects": {}, "partitions": []}',
        b'{"version": 1, "objects": [{"key": ["a", []], "remembered": {}}], "partitions": {}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_said_to_be_damaged_and_stays(folder: StateFolder, content: bytes) -> None:
    folder.save(SOME)
    file_of(folder).write_bytes(content)
    with pytest.raises(DamagedStateError, match=r"inventory\.json is damaged"):
        folder.load()
    assert file_of(folder).read_bytes() == content


def test_every_file_cut_short_is_damaged(folder: StateFolder) -> None:
    folder.save(SOME)
    whole = file_of(folder).read_bytes()
    for length in range(len(whole) - 1):
        file_of(folder).write_bytes(whole[:length])
        with pytest.raises(DamagedStateError):
            folder.load()


@pytest.mark.parametrize("step", ["fsync", "rename", "open"])
def test_a_write_that_fails_leaves_the_old_inventory(
    folder: StateFolder, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.save(SOME)

    def no_room(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, no_room)
        with pytest.raises(StellwerkError, match="No space left on device"):
            folder.save(Inventory())
    assert folder.load() == SOME
    folder.save(Inventory())
    assert folder.load() == Inventory()


def test_it_is_on_disk_before_it_takes_the_old_ones_place(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.save(SOME)
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def synced(descriptor: int) -> None:
        steps.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        fsync(descriptor)

    def renamed(old: str, new: str) -> None:
        steps.append(f"rename {Path(new).name}")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    folder.save(Inventory())
    assert steps == ["fsync .inventory.json.stellwerk", "rename inventory.json", "fsync state"]


def test_what_a_killed_write_left_behind_is_no_hindrance(folder: StateFolder) -> None:
    folder.save(SOME)
    (folder.folder / ".inventory.json.stellwerk").write_text("half of an inv")
    assert folder.load() == SOME
    folder.save(Inventory())
    assert folder.load() == Inventory()


def test_a_folder_that_cannot_be_made_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = StateFolder(tmp_path / "file" / "state")
    with pytest.raises(StellwerkError, match="--state-dir"):
        folder.save(SOME)
    with pytest.raises(StellwerkError, match="--state-dir"), folder.locked():
        pass


def test_a_look_needs_no_lock(folder: StateFolder) -> None:
    folder.save(SOME)
    with folder.locked():
        assert folder.load() == SOME


def test_the_file_is_for_people_too(folder: StateFolder) -> None:
    folder.save(SOME)
    text = file_of(folder).read_text()
    assert json.loads(text)["version"] == 1
    assert len(text.splitlines()) > 10
