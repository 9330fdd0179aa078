"""Whatever becomes of a file, who watches it is told: the same by inotify and by looking each second."""

from __future__ import annotations

import ctypes
import errno
import os
import random
import select
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from reconciler.backends import watched_files as module
from reconciler.backends.watched_files import InotifyFiles, PolledFiles, WatchedFiles, watched_files

LONGEST_SECONDS = 20.0


@pytest.fixture(params=[InotifyFiles, PolledFiles])
def watched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[WatchedFiles]:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    made = request.param()
    yield made
    made.close()


@pytest.fixture
def by_inotify() -> Iterator[InotifyFiles]:
    made = InotifyFiles()
    yield made
    made.close()


def waited(watched: WatchedFiles, enough: Callable[[frozenset[str]], bool]) -> frozenset[str]:
    """Return all that was told, when it was enough."""
    told: frozenset[str] = frozenset()
    deadline = time.monotonic() + LONGEST_SECONDS
    while not enough(told):
        ready, _, _ = select.select([watched], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"within {LONGEST_SECONDS} s only {sorted(told)} were told"
        told |= watched.read()
    return told


def told_of(watched: WatchedFiles, path: Path | str) -> frozenset[str]:
    return waited(watched, lambda told: str(path) in told)


def begin(watched: WatchedFiles, *paths: Path | str) -> None:
    """Watch the paths and take in that they are new."""
    watched.watch(map(str, paths))
    waited(watched, lambda told: told == {str(path) for path in paths})


def replace(path: Path, content: str) -> None:
    beside = path.with_name(".beside")
    beside.write_text(content)
    beside.rename(path)


def relink(path: Path, target: str) -> None:
    """Do as `ln -sfn` does."""
    beside = path.with_name(".beside")
    beside.symlink_to(target)
    beside.rename(path)


def test_a_path_is_told_once_when_it_is_new(watched: WatchedFiles, tmp_path: Path) -> None:
    one, two, three = (str(tmp_path / name) for name in "abc")
    begin(watched, one, two)
    watched.watch([two, three, one])
    assert waited(watched, bool) == {three}


def test_a_path_that_is_no_longer_watched_is_not_told(watched: WatchedFiles, tmp_path: Path) -> None:
    old, kept = tmp_path / "old", tmp_path / "kept"
    begin(watched, old, kept)
    old.write_text("1")
    watched.watch([str(kept)])
    old.write_text("2")
    kept.write_text("3")
    assert told_of(watched, kept) == {str(kept)}


def test_only_what_changed_is_told(watched: WatchedFiles, tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    begin(watched, mine, other)
    (tmp_path / "neighbour").write_text("1")
    mine.write_text("2")
    assert told_of(watched, mine) == {str(mine)}


def test_a_file_that_is_written_renamed_over_removed_and_made_again(watched: WatchedFiles, tmp_path: Path) -> None:
    file = tmp_path / "file"
    begin(watched, file)
    for step in (
        lambda: file.write_text("1"),
        lambda: file.write_text("22"),
        lambda: replace(file, "333"),
        file.unlink,
        lambda: file.write_text("4444"),
        lambda: file.chmod(0o600),
        lambda: file.rename(tmp_path / "away"),
        lambda: (tmp_path / "away").rename(file),
    ):
        step()
        told_of(watched, file)


def test_a_link_and_what_it_points_to(watched: WatchedFiles, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    link = tmp_path / "links" / "link"
    link.parent.mkdir()
    link.symlink_to("../first/file")
    begin(watched, link)
    for step in (
        lambda: (tmp_path / "first" / "file").write_text("changed"),
        lambda: replace(tmp_path / "first" / "file", "replaced"),
        lambda: relink(link, str(tmp_path / "second" / "file")),
        lambda: replace(tmp_path / "second" / "file", "replaced too"),
        lambda: relink(link, "../third/file"),
        lambda: (tmp_path / "second").rename(tmp_path / "third"),
        link.unlink,
        lambda: link.write_text("a file"),
    ):
        step()
        told_of(watched, link)


def test_a_link_to_a_folder_on_the_way(watched: WatchedFiles, tmp_path: Path) -> None:
    for release in "12":
        (tmp_path / release).mkdir()
        (tmp_path / release / "file").write_text(release)
    current = tmp_path / "current"
    current.symlink_to("1")
    begin(watched, current / "file")
    relink(current, "2")
    told_of(watched, current / "file")
    (tmp_path / "2" / "file").write_text("changed")
    told_of(watched, current / "file")


def test_a_folder_that_is_not_there_yet_is_waited_for(watched: WatchedFiles, tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "c" / "file"
    begin(watched, file)
    file.parent.mkdir(parents=True)
    file.write_text("1")
    waited(watched, lambda told: str(file) in told and file.exists())
    replace(file, "22")
    told_of(watched, file)


def test_a_folder_that_is_made_again_or_exchanged(watched: WatchedFiles, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    file = folder / "deep" / "file"
    file.parent.mkdir(parents=True)
    file.write_text("1")
    begin(watched, file)
    shutil.rmtree(folder)
    told_of(watched, file)
    file.parent.mkdir(parents=True)
    file.write_text("2")
    told_of(watched, file)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    folder.rename(tmp_path / "old")
    other.rename(folder)
    told_of(watched, file)
    replace(file, "333")
    told_of(watched, file)


def test_a_path_that_is_given_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: WatchedFiles
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with closing(type(watched)()) as here:
        begin(here, "../file")
        (tmp_path / "file").write_text("1")
        told_of(here, "../file")


def test_what_can_be_no_file_is_watched_in_vain(watched: WatchedFiles, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop/loop")
    file = tmp_path / "file"
    file.write_text("1")
    strange: list[Path | str] = [
        loop,
        file / "below",
        "",
        "/",
        f"{tmp_path}/a\0b/c",
        f"{tmp_path}/a\0b",
        "/\ud800/x",
        "x" * 5000,
    ]
    begin(watched, file, *strange)
    file.write_text("22")
    told_of(watched, file)


def _content(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as exc:
        return errno.errorcode[exc.errno or 0]


@pytest.mark.parametrize("seed", range(6))
def test_who_reads_again_what_is_told_ends_with_the_truth(watched: WatchedFiles, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    names = ("a", "b", "c")
    places = [tmp_path, *(tmp_path / one for one in names), *(tmp_path / one / two for one in names for two in names)]
    paths = [str(place / name) for place in places for name in names]
    watched.watch(paths)
    known: dict[str, str] = {}
    for number in range(12):
        for _ in range(chance.randrange(1, 20)):
            _disturb(chance, Path(chance.choice(paths)), Path(chance.choice(paths)), number)
            # Who looks each second cannot see what was undone between two looks.
            if isinstance(watched, InotifyFiles) and chance.random() < 0.2:
                known |= {path: _content(path) for path in watched.read()}
        truth = {path: _content(path) for path in paths}
        deadline = time.monotonic() + LONGEST_SECONDS
        while known != truth:
            ready, _, _ = select.select([watched], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, {path: (known.get(path), truth[path]) for path in paths if known.get(path) != truth[path]}
            known |= {path: _content(path) for path in watched.read()}


def _disturb(chance: random.Random, one: Path, other: Path, number: int) -> None:
    def remove() -> None:
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()

    steps: list[Callable[[], object]] = [
        one.mkdir,
        lambda: one.write_text(f"written {number} " + "x" * chance.randrange(100)),
        lambda: replace(one, f"replaced {number}"),
        lambda: relink(one, str(other)),
        lambda: one.symlink_to(f"../{other.name}"),
        lambda: one.rename(other),
        remove,
    ]
    with suppress(OSError):
        chance.choice(steps)()
    with suppress(OSError):
        one.with_name(".beside").unlink()


def test_the_end_of_the_watch_is_the_end_of_its_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    other = PolledFiles()
    other.watch([str(tmp_path)])
    (thread,) = set(threading.enumerate()) - before
    other.close()
    thread.join(LONGEST_SECONDS)
    assert not thread.is_alive()


def make_noise(folder: Path, files: int) -> None:
    for number in range(files):
        (folder / str(number)).touch()
        (folder / str(number)).unlink()


def test_what_is_told_after_the_queue_was_full(by_inotify: InotifyFiles, tmp_path: Path) -> None:
    file, other = tmp_path / "folder" / "file", tmp_path / "other"
    file.parent.mkdir()
    begin(by_inotify, file, other)
    make_noise(tmp_path, int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) // 3 + 100)
    file.write_text("lost")
    assert waited(by_inotify, lambda told: len(told) == 2) == {str(file), str(other)}


def test_a_read_takes_in_a_bounded_amount(by_inotify: InotifyFiles, tmp_path: Path) -> None:
    begin(by_inotify, tmp_path / "file")
    make_noise(tmp_path, 3000)
    by_inotify.read()
    assert select.select([by_inotify], [], [], 0)[0]


def test_watches_that_are_no_longer_needed_are_given_back(by_inotify: InotifyFiles, tmp_path: Path) -> None:
    def watches() -> int:
        found = 0
        for entry in Path("/proc/self/fdinfo").iterdir():
            try:
                found += entry.read_text().count("inotify wd:")
            except FileNotFoundError:
                continue
        return found

    before = watches()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    by_inotify.watch([str(tmp_path / "a" / "file"), str(tmp_path / "b" / "file")])
    most = watches()
    by_inotify.watch([str(tmp_path / "a" / "file")])
    assert watches() == most - 1
    by_inotify.watch([])
    assert watches() == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_without_a_watch_to_be_had_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module._Inotify, "add", refuse)
    file = tmp_path / "file"
    with closing(watched_files()) as watched:
        begin(watched, file)
        file.write_text("1")
        told_of(watched, file)


@pytest.mark.parametrize("library", [object(), None])
def test_without_inotify_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: object) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    if library is None:
        monkeypatch.setitem(sys.modules, "ctypes", None)
    else:
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: library)
    file = tmp_path / "file"
    with closing(watched_files()) as watched:
        assert isinstance(watched, PolledFiles)
        begin(watched, file)
        file.write_text("1")
        told_of(watched, file)


def test_where_inotify_is_there_it_is_used() -> None:
    with closing(watched_files()) as watched:
        assert isinstance(watched, InotifyFiles)


# A file that is being written.


def told_meanwhile(watched: WatchedFiles, other: Path) -> frozenset[str]:
    """Return all that is told up to a change of another file."""
    other.write_text(str(time.monotonic_ns()))
    return told_of(watched, other)


def test_a_file_that_is_made_is_told_when_it_is_closed(by_inotify: InotifyFiles, tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    begin(by_inotify, file, other)
    with open(file, "w") as writing:
        assert str(file) not in told_meanwhile(by_inotify, other)
        writing.write("half")
        writing.flush()
        os.fchmod(writing.fileno(), 0o600)
        assert str(file) not in told_meanwhile(by_inotify, other)
    told_of(by_inotify, file)


def test_a_file_that_is_made_in_the_place_of_another_is_told_when_it_is_closed(
    by_inotify: InotifyFiles, tmp_path: Path
) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_text("1")
    begin(by_inotify, file, other)
    file.unlink()
    with open(file, "w") as writing:
        assert str(file) not in told_meanwhile(by_inotify, other)
        writing.write("2")
    told_of(by_inotify, file)


def test_a_file_that_is_read_late_is_told_when_it_is_closed(by_inotify: InotifyFiles, tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    begin(by_inotify, file, other)
    with open(file, "w") as writing:
        writing.write("half")
        writing.flush()
        assert str(file) not in told_meanwhile(by_inotify, other)
    told_of(by_inotify, file)


@pytest.mark.parametrize("only_name", [True, False])
def test_a_file_that_is_linked_to_its_name_is_told(by_inotify: InotifyFiles, tmp_path: Path, only_name: bool) -> None:
    """Whole files that are not written over another are made so (link(2))."""
    file, elsewhere = tmp_path / "here" / "file", tmp_path / "elsewhere"
    file.parent.mkdir()
    elsewhere.write_text("1")
    begin(by_inotify, file)
    os.link(elsewhere, file)
    if only_name:
        elsewhere.unlink()
    told_of(by_inotify, file)


def test_by_looking_a_file_is_told_when_it_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    file, other = str(tmp_path / "file"), str(tmp_path / "other")
    stamps: dict[str, tuple[int, ...]] = {file: (2,), other: (2,)}
    looks: list[dict[str, tuple[int, ...]]] = []
    growing = threading.Event()

    def stamp(path: str) -> tuple[int, ...]:
        if path == file and growing.is_set():
            # Longer at each look.
            stamps[file] = (1, 1, len(looks), 1, 1)
        looks.append(dict(stamps))
        return stamps[path]

    monkeypatch.setattr(module, "_stamp", stamp)
    with closing(PolledFiles()) as watched:
        begin(watched, file, other)
        growing.set()
        deadline = time.monotonic() + LONGEST_SECONDS
        while len(looks) < 12 and time.monotonic() < deadline:
            assert file not in watched.read()
            select.select([watched], [], [], 0.02)
        growing.clear()
        told_of(watched, file)
        growing.set()
        # What never rests is told too.
        told_of(watched, file)
