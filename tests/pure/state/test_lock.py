"""One at a time changes a node, and whoever comes second is told who does."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.backends.state_folder import StateFolder
from reconciler.core.errors import RefusedError, StellwerkError


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "deep" / "state")


@contextmanager
def another_process_with_the_lock(folder: StateFolder, role: str = "apply") -> Iterator[subprocess.Popen[str]]:
    program = (
        "import pathlib, sys\n"
        "from reconciler.backends.state_folder import StateFolder\n"
        "with StateFolder(pathlib.Path(sys.argv[1])).locked(role=sys.argv[2]):\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.readline()\n"
        "print('let go', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", program, str(folder.folder), role]
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


def test_whoever_comes_second_to_the_daemon_is_told_so(folder: StateFolder) -> None:
    with (
        another_process_with_the_lock(folder, "run") as process,
        pytest.raises(RefusedError) as caught,
        folder.locked(),
    ):
        pass
    assert f"daemon `stellwerk run` (process {process.pid})" in str(caught.value)
    assert "node file" in str(caught.value)
    assert "stop it" in str(caught.value)


@pytest.mark.parametrize("note", [b"", b"\x1b[31m", b"\xff\xfe", b"12x run away", b"9" * 1000])
def test_a_note_that_says_nothing_is_not_repeated(folder: StateFolder, note: bytes) -> None:
    with folder.locked():
        (folder.folder / "lock").write_bytes(note)
        with pytest.raises(RefusedError, match="another stellwerk") as caught, folder.locked():
            pass
    assert str(caught.value).isprintable()


def test_the_note_is_gone_with_the_lock(folder: StateFolder) -> None:
    with folder.locked(role="run"):
        assert (folder.folder / "lock").read_text() == f"{os.getpid()} run\n"
    assert (folder.folder / "lock").read_text() == ""


def test_one_that_waits_gets_it_when_it_is_free(folder: StateFolder) -> None:
    with another_process_with_the_lock(folder) as process:
        assert process.stdin is not None
        with pytest.raises(RefusedError), folder.locked(wait_seconds=0.1):
            pass
        waiting, got = threading.Event(), threading.Event()

        def wait() -> None:
            waiting.set()
            with folder.locked(wait_seconds=60):
                got.set()

        thread = threading.Thread(target=wait)
        thread.start()
        assert waiting.wait(60)
        assert not got.is_set()
        process.stdin.write("\n")
        process.stdin.flush()
        thread.join(60)
        assert got.is_set()


def test_on_a_file_system_that_has_become_read_only_the_lock_is_taken(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with folder.locked():
        pass
    real = os.open

    def read_only(path: str, flags: int, *arguments: int, **named: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return real(path, flags, *arguments, **named)

    monkeypatch.setattr(os, "open", read_only)
    with folder.locked(role="run"), pytest.raises(RefusedError, match="another stellwerk"), folder.locked():
        pass
    (folder.folder / "lock").unlink()
    with pytest.raises(StellwerkError, match="Read-only file system"), folder.locked():
        pass
