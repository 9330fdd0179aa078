"""What is kept on disk between runs: whole or not at all, by one at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.resources.resource import Key
from reconciler.backends.state_folder import DamagedStateError, StateFolder
from reconciler.core.errors import RefusedError, StellwerkError
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


@pytest.mark.parametrize("step", ["fsync", "replace", "open"])
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
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        steps.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        fsync(descriptor)

    def replaced(old: Path, new: Path) -> None:
        steps.append(f"replace {new.name}")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    folder.save(Inventory())
    assert steps == ["fsync inventory.new", "replace inventory.json", "fsync state"]


def test_what_a_killed_write_left_behind_is_no_hindrance(folder: StateFolder) -> None:
    folder.save(SOME)
    (folder.folder / "inventory.new").write_text("half of an inv")
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


@contextmanager
def another_process_with_the_lock(folder: StateFolder) -> Iterator[subprocess.Popen[str]]:
    program = (
        "import pathlib, sys\n"
        "from reconciler.backends.state_folder import StateFolder\n"
        "with StateFolder(pathlib.Path(sys.argv[1])).locked():\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.readline()\n"
        "print('let go', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", program, str(folder.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "locked\n"
            yield process
        finally:
            process.kill()


def test_of_two_processes_one_has_the_lock_and_the_other_is_told_who(folder: StateFolder) -> None:
    with another_process_with_the_lock(folder) as process:
        with pytest.raises(RefusedError, match=f"process {process.pid}"), folder.locked():
            pass
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "let go\n"
        with folder.locked():
            pass


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_dies_with_its_holder(folder: StateFolder, how: signal.Signals) -> None:
    with another_process_with_the_lock(folder) as process:
        process.send_signal(how)
        process.wait()
        with folder.locked():
            pass


def test_a_process_that_the_holder_started_does_not_hold_the_lock(folder: StateFolder) -> None:
    with folder.locked():
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with folder.locked():
            pass
    finally:
        child.kill()
        child.wait()


def test_a_failure_inside_lets_go_of_the_lock(folder: StateFolder) -> None:
    with pytest.raises(ZeroDivisionError), folder.locked():
        _ = 1 // 0
    with folder.locked():
        pass


def test_one_process_does_not_take_it_twice(folder: StateFolder) -> None:
    with folder.locked(), pytest.raises(RefusedError, match=str(os.getpid())), folder.locked():
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
