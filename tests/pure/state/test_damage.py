"""What is damaged is set aside, and a suspension among it holds, whenever the power goes and where the disk is full."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.backends.state_folder import StateFolder
from reconciler.core.errors import DamagedStateError, StellwerkError, VersionError
from reconciler.core.intents import Intents
from reconciler.core.suspension import Suspension
from reconciler.services.damage import set_damage_aside
from tests.pure.loop.rig import FakeClock
from tests.pure.state.dying import ends_at_call
from tests.pure.state.test_state_files import sealed

CLOCK = FakeClock()


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


def damaged(folder: StateFolder) -> Path:
    folder.save_suspension(Suspension("the antenna is being turned", 1.7e9, None, CLOCK.boot()))
    path = folder.folder / "suspension.json"
    path.write_text(path.read_text().replace("antenna", "antenNa"))
    return path


def suspended(folder: StateFolder) -> bool:
    """Return what the loop makes of the file: what cannot be read suspends."""
    try:
        return folder.load_suspension() is not None
    except DamagedStateError:
        return True


def test_a_damaged_suspension_goes_on_and_is_kept_to_be_looked_at(folder: StateFolder) -> None:
    was = damaged(folder).read_text()
    ((because, outcome),) = set_damage_aside(folder, CLOCK)
    place = folder.folder / "suspension.json.damaged-1"
    assert place.read_text() == was
    assert place.stat().st_mode & 0o777 == 0o600
    assert ("suspension.json was damaged" in because, str(place) in outcome) == (True, True)
    now = folder.load_suspension()
    assert now is not None
    assert str(place) in now.reason
    assert set_damage_aside(folder, CLOCK) == []


def test_whenever_it_is_killed_the_suspension_holds(folder: StateFolder) -> None:
    def deed() -> None:
        set_damage_aside(folder, CLOCK)

    for calls in range(40):
        damaged(folder)
        if ends_at_call(calls, deed):
            break
        assert suspended(folder), f"killed at call {calls} it is forgotten"
    else:
        pytest.fail("it never came to its end")
    assert calls > 5


@pytest.mark.parametrize("step", ["fsync", "rename", "open"])
def test_a_full_disk_is_told_and_not_the_end(folder: StateFolder, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged(folder)

    def no_room(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, no_room)
        ((because, outcome),) = set_damage_aside(folder, CLOCK)
    assert "suspension.json was damaged" in because
    assert "No space left on device" in outcome
    assert suspended(folder)


def test_another_file_that_cannot_be_moved_is_told_and_not_the_end(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.save_intents(Intents())
    (folder.folder / "intents.json").write_text("{")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        ((_, outcome),) = set_damage_aside(folder, CLOCK)
    assert "Read-only file system" in outcome
    assert (folder.folder / "intents.json").read_text() == "{"


@pytest.mark.parametrize("name", ["inventory.json", "intents.json", "suspension.json"])
def test_a_whole_file_of_another_version_is_no_damage(folder: StateFolder, name: str) -> None:
    folder.folder.mkdir()
    path = folder.folder / name
    path.write_text(sealed({"version": 2, "unheard": "of"}))
    loads: dict[str, Callable[[], object]] = {
        "inventory.json": folder.load,
        "intents.json": folder.load_intents,
        "suspension.json": folder.load_suspension,
    }
    for load in (lambda: set_damage_aside(folder, CLOCK), loads[name]):
        with pytest.raises(VersionError) as caught:
            load()
        assert str(path) in str(caught.value)
        assert "version" in str(caught.value)
        assert not isinstance(caught.value, DamagedStateError)
        assert isinstance(caught.value, StellwerkError)
    assert os.listdir(folder.folder) == [name]


def test_another_version_without_a_right_checksum_is_damage(folder: StateFolder) -> None:
    folder.folder.mkdir()
    (folder.folder / "intents.json").write_text('{"version": 2, "sha256": "x"}')
    with pytest.raises(DamagedStateError):
        folder.load_intents()
