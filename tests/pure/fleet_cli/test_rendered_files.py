"""The folder of complete documents: whole files or none, and nothing of others is touched."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from reconciler.backends.rendered_files import Found, RenderedFiles, digest_of
from reconciler.core.errors import RefusedError, StellwerkError

FIRST = "# ours"
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rendered"


@pytest.fixture
def files(folder: Path) -> RenderedFiles:
    return RenderedFiles(folder, FIRST)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_documents_are_written_and_removed(files: RenderedFiles, folder: Path) -> None:
    assert files.look() == {}
    files.put({}, [])
    assert not folder.exists()
    files.put({"a": "# ours\n1", "b": "# ours\n2"}, [])
    assert contents(folder) == {"a.yaml": "# ours\n1", "b.yaml": "# ours\n2"}
    assert files.look() == {name: Found(digest_of(f"# ours\n{n}".encode()), True) for name, n in (("a", 1), ("b", 2))}
    files.put({"b": "# ours\n3"}, ["a", "not-there"])
    assert contents(folder) == {"b.yaml": "# ours\n3"}


def test_they_have_the_rights_that_new_files_have(files: RenderedFiles, folder: Path) -> None:
    before = os.umask(0o027)
    try:
        files.put({"a": "x"}, [])
    finally:
        os.umask(before)
    assert (folder / "a.yaml").stat().st_mode & 0o777 == 0o640


def test_what_is_not_ours_is_told_apart(files: RenderedFiles, folder: Path) -> None:
    folder.mkdir()
    (folder / "README.md").write_text("x")
    (folder / ".hidden.yaml").write_text("x")
    (folder / "by-hand.yaml").write_text("version: 1")
    (folder / "cut.yaml").touch()
    (folder / "folder.yaml").mkdir()
    (folder / "link.yaml").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.yaml")
    assert {name: found.ours for name, found in files.look().items()} == {
        "by-hand": False,
        "cut": True,
        "folder": False,
        "link": False,
        "pipe": False,
    }


def test_a_link_in_its_place_is_not_followed(files: RenderedFiles, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="symbolic link"):
        files.look()
    with pytest.raises(RefusedError, match="symbolic link"):
        files.put({"a": "x"}, [])
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_no_folder_is_said(files: RenderedFiles, folder: Path) -> None:
    folder.touch()
    with pytest.raises(StellwerkError, match="rendered cannot be read: Not a directory"):
        files.look()


def test_a_place_that_cannot_be_written_is_said(files: RenderedFiles, folder: Path) -> None:
    (folder / "a.yaml").mkdir(parents=True)
    with pytest.raises(StellwerkError, match=r"a\.yaml cannot be written: Is a directory"):
        files.put({"a": "x"}, [])
    assert [path.name for path in folder.iterdir()] == ["a.yaml"]


def test_a_place_where_nothing_can_be_made_is_said() -> None:
    with pytest.raises(StellwerkError, match=r"^/proc/self/rendered cannot be made: "):
        RenderedFiles(Path("/proc/self/rendered"), FIRST).put({"a": "x"}, [])


def test_what_a_killed_write_left_is_cleared_away(files: RenderedFiles, folder: Path) -> None:
    folder.mkdir()
    (folder / ".a.yaml.stellwerk").write_text("ha")
    (folder / ".b.yaml.swp").write_text("an editor's")
    assert files.look() == {}
    files.put({"b": "x"}, [])
    assert contents(folder) == {"b.yaml": "x", ".b.yaml.swp": "an editor's"}


def test_many_at_once_leave_whole_files_only(files: RenderedFiles, folder: Path) -> None:
    texts = {f"node-{number}": f"{FIRST}\n" + str(number) * 5000 for number in range(50)}

    def write() -> None:
        for _ in range(5):
            files.put(texts, [])

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write) for _ in range(4)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        for found in files.look().items():
            assert found in {(name, Found(digest_of(text.encode()), True)) for name, text in texts.items()}
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert contents(folder) == {f"{name}.yaml": text for name, text in texts.items()}
