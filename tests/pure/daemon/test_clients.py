"""Clients of every bad kind: the daemon goes on, and each of them gets an answer or an end."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import stat
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.errors import DeniedError, RefusedError, StellwerkError
from reconciler.services import control_server
from reconciler.services.control_client import Control
from reconciler.services.control_server import Board, ControlServer, Job
from tests.pure.daemon.conftest import (
    ADDRESS,
    OTHER,
    PATIENCE_SECONDS,
    Stage,
    answers,
    node_text,
    request,
    wait_for,
)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"\n", "no JSON"),
        (b"{\n", "no JSON"),
        (b"\xff\xfe\n", "no JSON"),
        (b"[" * 100_000 + b"\n", "no JSON"),
        (b"[]\n", "names no command"),
        (b'"status"\n', "names no command"),
        (b'{"command": 7}\n', "names no command"),
        (b'{"command": "status"}\n', "another version"),
        (b'{"stellwerk_control": 2, "command": "status"}\n', "another version"),
        (b'{"stellwerk_control": true, "command": "status"}\n', "another version"),
        (request("explode"), "no command 'explode'"),
        (request("apply"), "not complete"),
        (request("apply", document=7, confirm_seconds=None, allow_deletes=False, plan=None), "not complete"),
        (request("suspend"), "not complete"),
        (request("suspend", reason="why", seconds="long"), "not complete"),
        (request("suspend", reason="why", seconds=float("nan")), "not complete"),
        (request("suspend", reason="why", seconds=-1), "not complete"),
        (request("suspend", reason="why", seconds=1e300), "not complete"),
        (b'{"stellwerk_control": 1, "comm', "no line"),
        (b"", "no line"),
    ],
)
def test_what_is_no_request_is_refused_in_words(stage: Stage, sent: bytes, words: str) -> None:
    stage.start()
    with stage.connect() as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        (end,) = answers(client)
    assert end["end"] == "error"
    assert words in end["text"]
    assert stage.cli("status")[0] == 0


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -5, 0, 1e300, "soon", True])
def test_a_trial_has_a_sensible_time(stage: Stage, seconds: Any) -> None:
    stage.start()
    document = {"name": "other.yaml", "text": node_text(OTHER), "digest": "d" * 64}
    with stage.connect() as client:
        client.sendall(request("apply", document=document, confirm_seconds=seconds, allow_deletes=True, plan=None))
        (end,) = answers(client)
    assert "not complete" in end["text"]
    assert stage.status()["trial"] is None


@pytest.mark.parametrize("plan", [7, [], {}, {"operations": [1]}, "plan"])
def test_a_plan_that_is_none_is_refused(stage: Stage, plan: Any) -> None:
    stage.start()
    document = {"name": "other.yaml", "text": node_text(OTHER), "digest": "d" * 64}
    with stage.connect() as client:
        client.sendall(request("apply", document=document, confirm_seconds=None, allow_deletes=True, plan=plan))
        (end,) = answers(client)
    assert "damaged" in end["text"]
    assert end["kind"] == "refused"


def test_the_digest_of_a_document_is_not_taken_on_trust(stage: Stage) -> None:
    stage.start()
    document = {"name": "other.yaml", "text": node_text(ADDRESS, OTHER), "digest": "d" * 64}
    Control(stage.socket).ask("apply", document=document, confirm_seconds=None, allow_deletes=False, plan=None)
    assert stage.status()["intent"]["held"] != "d" * 64
    assert len(stage.addresses()) == 2


def test_a_second_line_after_the_request_is_not_waited_for(stage: Stage) -> None:
    stage.start()
    with stage.connect() as client:
        client.sendall(request("status") + b"more")
        assert answers(client)[-1]["end"] == "done"


def test_who_may_only_ask_cannot_send_much(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "_may_change", lambda _: False)
    stage.start()
    with pytest.raises(DeniedError, match="takes root"):
        Control(stage.socket).ask("apply", text="x" * 5_000_000)
    with pytest.raises(DeniedError, match="`stellwerk confirm` takes root"):
        Control(stage.socket).ask("confirm")
    assert Control(stage.socket).ask("status")["status"]["node"] == "roof-1"


class Peer:
    """A connection whose other end is somebody's."""

    def __init__(self, user: int) -> None:
        self._user = user

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_PEERCRED)
        return struct.pack("=iII", 4711, self._user, 100)[:size]


@pytest.mark.parametrize(("user", "daemon", "may"), [(0, 0, True), (0, 77, True), (77, 77, True), (1000, 0, False)])
def test_root_and_the_daemons_user_may_change_things(
    user: int, daemon: int, may: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: daemon)
    peer: Any = Peer(user)
    assert control_server._may_change(peer) is may


def test_one_that_trickles_is_cut_off(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "REQUEST_SECONDS", 0.3)
    stage.start()
    told = b""
    with stage.connect() as client:
        client.settimeout(0.05)
        begun = time.monotonic()
        while not told:
            assert time.monotonic() - begun < PATIENCE_SECONDS, "it may go on for ever"
            try:
                client.sendall(b" ")
                told = client.recv(4096)
            except TimeoutError:
                continue
    assert json.loads(told)["end"] == "error"


def test_a_hundred_at_once(stage: Stage) -> None:
    stage.start()
    idle = [stage.connect() for _ in range(100)]
    said: list[Any] = []

    def ask() -> None:
        try:
            said.append(Control(stage.socket).ask("status"))
        except StellwerkError as exc:
            said.append(exc)

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert len(said) == 100
    for one in said:
        assert isinstance(one, dict) or "too many" in str(one), one
    for client in idle:
        client.close()
    wait_for(lambda: stage.cli("status")[0] == 0, "the places are free again")


def test_those_who_may_only_ask_do_not_take_the_places_of_root(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "_may_change", lambda _: False)
    stage.start()
    idle = [stage.connect() for _ in range(100)]
    with pytest.raises(StellwerkError, match="too many"):
        wait_for(lambda: not Control(stage.socket).ask("status"))
    monkeypatch.setattr(control_server, "_may_change", lambda _: True)
    Control(stage.socket).ask("suspend", reason="why", seconds=None)
    for client in idle:
        client.close()


def test_the_socket_outlives_a_lack_of_file_descriptors(stage: Stage) -> None:
    running = stage.start()
    server = running.daemon._server
    listener = server._listener
    assert listener is not None
    accept = listener.accept
    failures = iter([OSError(24, "Too many open files"), OSError(103, "Connection aborted")])

    class Lacking:
        def accept(self) -> Any:
            for failure in failures:
                raise failure
            return accept()

    threading.Thread(target=server._accept, args=(Lacking(),), daemon=True).start()
    wait_for(lambda: next(failures, None) is None, "it tried again")
    for _ in range(3):
        assert stage.cli("status")[0] == 0


def test_an_apply_goes_on_when_its_client_goes(stage: Stage) -> None:
    stage.start()
    many = [f"fd00:6d65:7368:1::{number:x}/128" for number in range(1, 200)]
    document = {"name": "other.yaml", "text": node_text(*many), "digest": ""}
    client = stage.connect()
    client.sendall(request("apply", document=document, confirm_seconds=None, allow_deletes=False, plan=None))
    client.recv(10)
    client.close()
    wait_for(lambda: len(stage.addresses()) == 199, "all of it is applied")
    wait_for(lambda: stage.cli("status")[0] == 0)


def test_one_that_never_reads_holds_nobody_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server, "REQUEST_SECONDS", 0.5)
    running = stage.start()
    many = [f"fd00:6d65:7368:1::{number:x}/128" for number in range(1, 1500)]
    document = {"name": "other.yaml", "text": node_text(*many), "digest": ""}
    with stage.connect() as client:
        client.sendall(request("apply", document=document, confirm_seconds=None, allow_deletes=False, plan=None))
        wait_for(lambda: len(stage.addresses()) == 1499, "all of it is applied")
        wait_for(lambda: not running.daemon._server.clients(), "its thread ends")


def test_a_watcher_that_goes_frees_its_place(stage: Stage) -> None:
    running = stage.start()
    with stage.connect() as client:
        client.sendall(request("watch"))
        client.recv(10)
        assert running.daemon._server.clients()
    wait_for(lambda: not running.daemon._server.clients(), "its thread ends")


def test_a_watcher_is_told_changes_only(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    board = stage.start().daemon._board
    reads, read = [], board.read

    def counted(after: int = -1, seconds: float = 0.0) -> tuple[int, dict[str, Any]]:
        reads.append(after)
        return read(after, seconds)

    monkeypatch.setattr(board, "read", counted)
    told: list[dict[str, Any]] = []
    with stage.connect() as client:
        client.sendall(request("watch"))
        lines = client.makefile("rb")
        told.append(json.loads(lines.readline()))
        wait_for(lambda: len(reads) > 2, "some reads that find the same")
        stage.cli("suspend --reason painting")
        while told[-1]["status"]["mode"]["mode"] != "suspended":
            told.append(json.loads(lines.readline()))
        lines.close()
    assert all(one != other for one, other in itertools.pairwise(told)), "the same was told twice"


def test_the_end_of_the_daemon_ends_every_client_soon(stage: Stage) -> None:
    running = stage.start()
    watcher, idle, waiting = stage.connect(), stage.connect(), stage.connect()
    watcher.sendall(request("watch"))
    waiting.sendall(b'{"half')
    assert watcher.recv(10)
    begun = time.monotonic()
    running.stop()
    assert time.monotonic() - begun < 5
    for client in (watcher, idle, waiting):
        # One that was never taken in is reset.
        with contextlib.suppress(ConnectionResetError):
            while client.recv(1 << 20):
                pass
    assert not stage.socket.exists()


def test_a_request_that_the_end_cuts_short_is_not_called_wrong(stage: Stage) -> None:
    running = stage.start()
    client = stage.connect()
    client.sendall(request("status")[:-1])
    wait_for(lambda: running.daemon._server.clients() == 1)
    running.stop()
    (told,) = answers(client)
    assert told["kind"] == "ending"


def test_many_that_do_not_read_do_not_keep_the_daemon_from_ending(stage: Stage) -> None:
    running = stage.start()
    clients = [stage.connect() for _ in range(20)]
    for client in clients:
        client.sendall(request("watch"))
    # More than fits into the buffers of a connection.
    running.daemon._board.put({"status": "x" * (8 << 20)})
    wait_for(lambda: running.daemon._server.clients() == 20)
    begun = time.monotonic()
    running.stop()
    assert time.monotonic() - begun < 8
    for client in clients:
        client.close()


def test_whoever_comes_while_the_daemon_ends_gets_an_answer_or_an_end(stage: Stage) -> None:
    running = stage.start()
    said: list[str] = []

    def ask() -> None:
        while True:
            try:
                Control(stage.socket).ask("reconcile")
            except StellwerkError as exc:
                said.append(str(exc))
                return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    running.stop()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "a client hangs"
    assert len(said) == 8


# The place of the socket.


def opened(path: Path, group: str | None = None) -> ControlServer:
    def submit(job: Job) -> None:
        job.end()

    server = ControlServer(path, group, Board(time.monotonic), submit)
    server.open()
    return server


@pytest.mark.parametrize("name", ["s", "deep/" * 40 + "socket"])
def test_paths_of_any_length(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    server = opened(path)
    try:
        assert Control(path).ask("anything") == {"end": "done"}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        server.close()
    assert not path.exists()


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(StellwerkError, match="--socket"):
        opened(tmp_path / ("s" * 200))


def test_a_stale_socket_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = opened(path)
    assert Control(path).ask("anything") == {"end": "done"}
    server.close()


def test_a_living_other_daemon_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = opened(path)
    with pytest.raises(RefusedError, match="another daemon listens"):
        opened(path)
    assert Control(path).ask("anything") == {"end": "done"}
    server.close()


def test_a_living_one_that_is_busy_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(3)]
        for one in waiting:
            one.connect_ex(str(path))
        with pytest.raises(RefusedError, match="another daemon listens"):
            opened(path)
        for one in waiting:
            one.close()
    assert path.exists()


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("/nowhere")])
def test_what_is_no_socket_is_not_removed(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "node.yaml"
    make(path)
    with pytest.raises(StellwerkError, match="no socket"):
        opened(path)
    assert os.path.lexists(path)


def test_the_socket_of_another_at_our_place_is_left_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = opened(path)
    path.unlink()
    second = opened(path)
    first.close()
    assert Control(path).ask("anything") == {"end": "done"}
    second.close()


def test_a_group_that_does_not_exist_is_told_before_anything(tmp_path: Path) -> None:
    with pytest.raises(StellwerkError, match="no group 'nobody-knows-it'"):
        opened(tmp_path / "socket", "nobody-knows-it")
    assert not (tmp_path / "socket").exists()


def test_a_group_may_open_it(tmp_path: Path) -> None:
    import grp

    own = grp.getgrgid(os.getgid())
    server = opened(tmp_path / "socket", own.gr_name)
    found = (tmp_path / "socket").stat()
    server.close()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, own.gr_gid)


def test_a_client_whose_thread_never_began_is_no_fault_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may be closed after a client was taken in and before its thread begins."""
    server = opened(tmp_path / "socket")
    start, begins, go_on = threading.Thread.start, threading.Event(), threading.Event()

    def late(thread: threading.Thread) -> None:
        if thread.name == "client":
            begins.set()
            go_on.wait(PATIENCE_SECONDS)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", late)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "socket"))
        assert begins.wait(PATIENCE_SECONDS)
        try:
            server.close(seconds=0.1)
        finally:
            go_on.set()
        wait_for(lambda: not server.clients(), "it is gone")


def test_texts_that_are_no_unicode_arrive(tmp_path: Path) -> None:
    board = Board(time.monotonic)
    board.put({"file": "n\udcff.yaml"})
    server = ControlServer(tmp_path / "socket", None, board, lambda job: job.end())
    server.open()
    try:
        assert Control(tmp_path / "socket").ask("status")["status"] == {"file": "n\udcff.yaml"}
    finally:
        server.close()


# The client.


@pytest.mark.parametrize("answer", [b"", b"garbage\n", b"[]\n", b'"end"\n', b'{"end": "error", "kind": "invalid"}\n'])
def test_what_is_no_answer_is_told(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1000)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(StellwerkError, match="the daemon at"):
            Control(path).ask("status")
        thread.join(PATIENCE_SECONDS)
