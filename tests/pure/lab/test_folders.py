"""Where labs live, and what is said where they cannot, or where it is open which one is meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.core.errors import StellwerkError
from reconciler.lab import folders


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of labs, which is not there yet."""
    monkeypatch.setattr(folders, "ROOTS_FOLDER", tmp_path / "run" / "stellwerk-lab")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path / "run" / "stellwerk-lab"


def test_a_folder_that_cannot_be_made(base: Path) -> None:
    base.parent.write_text("")
    with pytest.raises(StellwerkError, match=r"cannot be made: Not a directory; see that .*/run is a folder that this"):
        folders.base()


def test_a_file_where_the_labs_should_be(base: Path) -> None:
    base.parent.mkdir()
    base.write_text("")
    with pytest.raises(StellwerkError, match="cannot be made: File exists; remove what is there: it is no folder"):
        folders.base()


def test_a_read_only_system(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, mode: int, exist_ok: bool) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StellwerkError, match=r"Read-only file system; mount a tmpfs on .*/run, or start the lab"):
        folders.base()


def test_several_labs(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "lock").write_text("")
    assert folders.find("two", tmp_path).path == tmp_path / "two"
    with pytest.raises(StellwerkError, match=r"several labs, one, two: name one .*, or set STELLWERK_LAB"):
        folders.find(None, tmp_path)
