"""Files that are written whole, on a real file system."""

from __future__ import annotations

import errno
import os
from base64 import b64decode
from pathlib import Path

import pytest

from intent.resources.file import MARK, ChangeMode, CreateKeyFile, File, FileRow, KeyFile, RemoveFile, WriteFile, marked
from intent.secrets import PrivateKey, Secret
from reconciler.backends.files import LARGEST_FILE_BYTES, Files
from reconciler.core.backend import Dump
from reconciler.core.errors import OccupiedError, RejectedError, StaleError

CONTENT = marked("import-table 10\n")
KEY = PrivateKey(bytes(range(32)))


def look(path: Path) -> File | None:
    found = Files().dump({"file": frozenset({str(path)})})["file"]
    assert isinstance(found, Dump)
    return next((File.decode(row, None) for row in found.rows), None)


def test_a_file_is_made_changed_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "babeld.conf"
    want = File(str(path), CONTENT, 0o640)
    assert look(path) is None
    assert Files().send(want.create()) == [None]
    observed = look(path)
    assert observed is not None
    assert want.changes(observed) == {}
    assert observed.owned()
    assert observed.key == want.key
    want = File(str(path), CONTENT + b"more\n", 0o600)
    assert want.changes(observed).keys() == {"content", "mode"}
    assert Files().send(want.update(observed, want.changes(observed))) == [None]
    assert path.stat().st_mode & 0o7777 == 0o600
    assert path.read_bytes() == CONTENT + b"more\n"
    assert os.listdir(path.parent) == ["babeld.conf"], "nothing is left beside it"
    assert Files().send(want.delete() * 2) == [None, None]
    assert look(path) is None


def test_a_mode_alone_changes_the_mode_alone(tmp_path: Path) -> None:
    path = tmp_path / "f"
    Files().send([WriteFile(str(path), CONTENT, 0o644)])
    observed = look(path)
    assert observed is not None
    assert File(str(path), CONTENT, None).changes(observed) == {}
    want = File(str(path), None, 0o600)
    assert want.changes(observed).keys() == {"mode"}
    inode, changed = path.stat().st_ino, path.stat().st_mtime_ns
    changes = want.changes(observed)
    assert not want.renews(changes)
    assert Files().send(want.update(observed, changes)) == [None]
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (inode, changed), "it is not written anew"
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (CONTENT, 0o600)


def foreign_file(path: Path) -> None:
    path.write_text("import-table 9\n")


def foreign_folder(path: Path) -> None:
    path.mkdir()


def foreign_link(path: Path) -> None:
    (path.parent / "target").write_bytes(CONTENT)
    path.symlink_to("target")


def foreign_pipe(path: Path) -> None:
    os.mkfifo(path)


def foreign_giant(path: Path) -> None:
    path.write_bytes(CONTENT)
    os.truncate(path, LARGEST_FILE_BYTES + 1)


@pytest.mark.parametrize("make", [foreign_file, foreign_folder, foreign_link, foreign_pipe, foreign_giant])
def test_what_is_not_ours_is_seen_as_foreign_and_stays(tmp_path: Path, make: object) -> None:
    path = tmp_path / "f"
    make(path)  # type: ignore[operator]
    before = path.lstat()
    observed = look(path)
    assert observed is not None
    assert not observed.owned()
    assert "content" in File(str(path), CONTENT).changes(observed)
    assert "9" not in observed.show("content")
    requests = [WriteFile(str(path), CONTENT, 0o644), ChangeMode(str(path), 0o600), RemoveFile(str(path))]
    for error in Files().send(requests):
        assert isinstance(error, OccupiedError)
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert path.lstat().st_mtime_ns == before.st_mtime_ns


def test_a_file_that_could_not_be_recognised_later_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mark"):
        WriteFile(str(tmp_path / "f"), b"import-table 10\n", 0o644)


def test_what_a_write_that_was_cut_short_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".f.stellwerk").write_text("half")
    assert Files().send([WriteFile(str(tmp_path / "f"), CONTENT, 0o644)]) == [None]
    assert os.listdir(tmp_path) == ["f"]


def test_a_file_where_a_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("no")
    (error,) = Files().send([WriteFile(str(tmp_path / "folder" / "f"), CONTENT, 0o644)])
    assert isinstance(error, RejectedError)


def test_secret_content_equals_the_same_bytes_and_is_not_shown() -> None:
    secret = File("/f", Secret(CONTENT + b"key hunter2\n"))
    assert secret.changes(File("/f", Secret(CONTENT + b"key hunter2\n"))) == {}
    assert secret.show("content") == "hidden"
    assert "hunter2" not in repr(secret) + secret.describe() + repr(secret.create())
    assert File("/f", CONTENT).show("content").startswith(f"{len(CONTENT)} bytes")
    assert "hunter2" not in repr(File.decode(FileRow("/f", Secret(b"hunter2"), 0o644), None))


def key_is_there(path: Path) -> bool:
    found = Files().dump({"key file": frozenset({str(path)})})["key file"]
    assert isinstance(found, Dump)
    return any(KeyFile.decode(row, None) == KeyFile(str(path), None) for row in found.rows)


def test_a_key_file_is_made_once_and_then_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "wg-mesh"
    want = KeyFile(str(path), KEY)
    assert not key_is_there(path)
    assert Files().send(want.create()) == [None]
    assert key_is_there(path)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert path.parent.stat().st_mode & 0o7777 == 0o700
    assert path.read_bytes().endswith(b"=\n")
    assert b64decode(path.read_bytes()) == KEY.reveal()
    (error,) = Files().send([CreateKeyFile(str(path), PrivateKey(bytes(32)))])
    assert isinstance(error, StaleError)
    assert b64decode(path.read_bytes()) == KEY.reveal()
    assert os.listdir(path.parent) == ["wg-mesh"]
    observed = KeyFile(str(path), None)
    assert (want.changes(observed), want.update(observed, {}), want.delete(), observed.owned()) == ({}, (), (), False)


def test_a_key_is_not_put_through_a_link(tmp_path: Path) -> None:
    path = tmp_path / "wg-mesh"
    path.symlink_to(tmp_path / "elsewhere")
    assert key_is_there(path)
    (error,) = Files().send([CreateKeyFile(str(path), KEY)])
    assert isinstance(error, StaleError)
    assert not (tmp_path / "elsewhere").exists()


def test_a_mark_is_the_first_line() -> None:
    assert MARK == b"# Written by stellwerk; changes are overwritten.\n"
    assert marked("x").startswith(MARK)


def test_a_key_is_made_where_a_file_system_has_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*words: object, **options: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "wg-mesh"
    made, there = Files().send([CreateKeyFile(str(path), KEY), CreateKeyFile(str(path), PrivateKey(bytes(32)))])
    assert made is None
    assert isinstance(there, StaleError)
    assert b64decode(path.read_bytes()) == KEY.reveal()
    assert os.listdir(tmp_path) == ["wg-mesh"]
