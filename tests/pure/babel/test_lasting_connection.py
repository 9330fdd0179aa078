"""One connection that lasts: nobody waits twice for a babeld that hangs, and one that comes again is noticed."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from intent.resources.babel_daemon import AwaitBabeld
from intent.resources.babel_interface import AddBabelInterface
from intent.resources.babel_wire import InterfaceRow
from reconciler.backends import babeld_keeper, babeld_news
from reconciler.backends.babeld import Babeld
from reconciler.backends.babeld_client import dump_lines, hired
from reconciler.backends.babeld_news import BabelNews
from reconciler.backends.babeld_socket import NotRunningError, Wire
from reconciler.core.backend import Dump, News
from reconciler.core.errors import BackendError, UnreachableError
from tests.pure.babel.fake_babeld import GREETING, FakeBabeld, Obedient, Stoppable, says

PATIENCE_SECONDS = 0.3
NOTICED_SECONDS = 2.0
"""A babeld that listens again is noticed within this time."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(babeld_news, "WATCHING_PATIENCE_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def backend() -> Iterator[Babeld]:
    with closing(Babeld()) as backend:
        yield backend


@pytest.fixture
def stream(backend: Babeld) -> Iterator[BabelNews]:
    with closing(backend.events()) as stream:
        yield stream


def look(backend: Babeld, path: Path) -> Dump | BackendError:
    return backend.dump({"babel": frozenset({str(path)})})["babel"]


def interfaces(backend: Babeld, path: Path) -> list[str]:
    found = look(backend, path)
    assert isinstance(found, Dump), found
    return [row.name for row in found.rows if isinstance(row, InterfaceRow)]


def next_news(stream: BabelNews, seconds: float = NOTICED_SECONDS) -> str:
    """Return who the next news is of; the test fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while select.select([stream], [], [], max(0.0, deadline - time.monotonic()))[0]:
        if (news := stream.read()).tables:
            assert news.tables == {"babel"}
            return news.actors["babel"]
    raise AssertionError(f"no news within {seconds:g} s")


def looks_cost_nothing(backend: Babeld, path: Path) -> None:
    """See that many looks fail in less than the time that one may wait."""
    begun = time.monotonic()
    for _ in range(20):
        assert isinstance(look(backend, path), UnreachableError)
    assert time.monotonic() - begun < PATIENCE_SECONDS


def test_looks_and_changes_share_one_connection(backend: Babeld, path: Path) -> None:
    with FakeBabeld(path, Obedient("babeld-1.12.1", ("mesh0",))) as babeld, closing(Babeld()) as other:
        for _ in range(3):
            assert interfaces(backend, path) == interfaces(other, path) == ["mesh0"]
            assert backend.send([AddBabelInterface(str(path), "mesh1", ()), AwaitBabeld(str(path), None)]) == [None] * 2
        other.close()
        assert dump_lines(str(path), 5) == [b"add interface mesh0 up true"]
        assert interfaces(backend, path) == ["mesh0"]
        assert babeld.served == 1


def test_the_answers_of_many_who_ask_at_once_are_not_mixed_up(path: Path) -> None:
    def converse(client: socket.socket) -> None:
        client.sendall(GREETING)
        while command := client.recv(2000):
            client.sendall(b"no " + command)

    wrong: list[str] = []

    def ask(word: str) -> None:
        with hired(str(path)) as client:
            connection = client.connection(5)
            for number in range(50):
                end = connection.command(f"{word} {number}".encode()).end
                if end != f"no {word} {number}":
                    wrong.append(end)

    with FakeBabeld(path, converse) as babeld, hired(str(path)):
        threads = [threading.Thread(target=ask, args=(word,)) for word in ("a", "b", "c", "d")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (wrong, babeld.served) == ([], 1)


def test_a_babeld_that_starts_or_ends_is_news_at_once_without_a_look(
    backend: Babeld, stream: BabelNews, path: Path
) -> None:
    assert interfaces(backend, path) == []
    for _ in range(2):
        with FakeBabeld(path, Obedient("babeld-1.12.1", ("mesh0",))):
            assert next_news(stream).startswith("babeld ")
            assert interfaces(backend, path) == ["mesh0"]
        assert "lost" in next_news(stream)
        path.unlink()
        assert interfaces(backend, path) == []
    with FakeBabeld(path, Obedient("babeld-1.12.1")):
        assert next_news(stream) == f"babeld (process {os.getpid()}) is connected again"


def test_what_a_look_has_seen_is_no_news(backend: Babeld, stream: BabelNews, path: Path) -> None:
    assert interfaces(backend, path) == []
    with FakeBabeld(path, Obedient("babeld-1.12.1", ("mesh0",))):
        assert interfaces(backend, path) == ["mesh0"], "a look does not wait for the next attempt to connect"
        assert stream.read() == News()


@pytest.mark.parametrize("greets", [False, True])
def test_a_babeld_that_hangs_costs_one_wait_and_is_news_when_it_goes_on(
    backend: Babeld, stream: BabelNews, path: Path, greets: bool
) -> None:
    hanging = Stoppable(stopped=True, greets=greets)
    with FakeBabeld(path, hanging) as babeld:
        begun = time.monotonic()
        found = look(backend, path)
        assert isinstance(found, UnreachableError)
        assert ("did not answer `dump`" if greets else "did not greet") in str(found)
        assert time.monotonic() - begun < 4 * PATIENCE_SECONDS
        looks_cost_nothing(backend, path)
        stream.read()
        hanging.go_on()
        assert str(os.getpid()) in next_news(stream)
        assert interfaces(backend, path) == ["mesh0"]
        assert babeld.served == 1, "it went on with the connection that it had"
        hanging.stop()
        assert isinstance(look(backend, path), UnreachableError)
        looks_cost_nothing(backend, path)
        hanging.go_on()
        assert next_news(stream) == f"babeld (process {os.getpid()}) answers again"
        assert interfaces(backend, path) == ["mesh0"]


def test_one_that_greets_again_but_still_leaves_dumps_unanswered_costs_nothing(
    backend: Babeld, stream: BabelNews, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(babeld_keeper, "ANSWER_SECONDS", 0.4)
    third = threading.Event()
    well = threading.Event()

    def converse(client: socket.socket) -> None:
        client.sendall(GREETING)
        while client.recv(2000):
            if well.is_set():
                client.sendall(b"add interface mesh0 up true\nok\n")
            elif babeld.served == 3:
                third.set()

    with FakeBabeld(path, converse) as babeld:
        assert isinstance(look(backend, path), UnreachableError)
        while not third.wait(0.01):
            looks_cost_nothing(backend, path)
        stream.read()
        well.set()
        assert next_news(stream, 10) == f"babeld (process {os.getpid()}) is connected again"
        assert interfaces(backend, path) == ["mesh0"]


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH_9.2\nok\n", b"\xff" * 9000, b"BABEL 2.0\nok\n"])
def test_after_any_time_of_garbage_a_babeld_in_its_place_is_noticed(
    backend: Babeld, stream: BabelNews, path: Path, garbage: bytes
) -> None:
    with FakeBabeld(path, says(greeting=garbage)) as stranger:
        while stranger.served < 12:
            assert isinstance(look(backend, path), BackendError)
        path.unlink()
        with FakeBabeld(path, Obedient("babeld-1.12.1", ("mesh0",))):
            assert next_news(stream) == f"babeld started anew (process {os.getpid()})"
            assert interfaces(backend, path) == ["mesh0"]


def test_a_stranger_is_not_tried_in_a_tight_loop(backend: Babeld, stream: BabelNews, path: Path) -> None:
    with FakeBabeld(path, says(greeting=b"SSH-2.0-OpenSSH_9.2\nok\n")) as stranger:
        look(backend, path)
        assert not select.select([stream], [], [], 1)[0]
        assert stranger.served < 8


@pytest.mark.parametrize("answers", [False, True])
def test_one_that_greets_and_is_lost_again_is_not_tried_in_a_tight_loop(
    backend: Babeld, stream: BabelNews, path: Path, answers: bool
) -> None:
    """Each loss is news, and so a cause to look: that must not make the next connection come sooner."""

    def converse(client: socket.socket) -> None:
        client.sendall(GREETING)
        if client.recv(2000) and answers:
            client.sendall(b"add interface mesh0 up true\nok\n")

    with FakeBabeld(path, converse) as babeld:
        looks = 0
        begun = time.monotonic()
        while time.monotonic() < begun + 3:
            look(backend, path)
            looks += 1
            select.select([stream], [], [], 0.1)
            stream.read()
        assert babeld.served < 12
        # A look does not wait for an attempt that is far away.
        assert looks > 10
        path.unlink()
        with FakeBabeld(path, Obedient("babeld-1.12.1", ("mesh7",))):
            next_news(stream, 5)
            assert interfaces(backend, path) == ["mesh7"]


def test_an_error_that_nobody_foresaw_costs_the_connection_and_not_the_thread(
    backend: Babeld, stream: BabelNews, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receive, failing = Wire.receive, threading.Event()
    failing.set()

    def receives(wire: Wire) -> object:
        if failing.is_set() and wire.deed.startswith("answer"):
            raise MemoryError
        return receive(wire)

    monkeypatch.setattr(Wire, "receive", receives)
    with FakeBabeld(path, Obedient("babeld-1.12.1", ("mesh0",))):
        for _ in range(3):
            found = look(backend, path)
            assert isinstance(found, UnreachableError)
            assert "MemoryError" in str(found)
        assert len([record for record in caplog.records if "MemoryError" in record.getMessage()]) == 1
        failing.clear()
        stream.read()
        next_news(stream, 5)
        assert interfaces(backend, path) == ["mesh0"]


def test_one_that_trickles_costs_one_wait_and_is_left(
    backend: Babeld, stream: BabelNews, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(babeld_keeper, "ANSWER_SECONDS", 0.5)
    left = threading.Event()

    def converse(client: socket.socket) -> None:
        client.sendall(GREETING)
        client.recv(2000)
        try:
            while True:
                client.sendall(b"add route x\n")
                time.sleep(0.01)
        except OSError:
            left.set()

    with FakeBabeld(path, converse):
        found = look(backend, path)
        assert isinstance(found, UnreachableError)
        looks_cost_nothing(backend, path)
        assert left.wait(5)
        looks_cost_nothing(backend, path)


def test_a_slow_babeld_is_given_the_time_that_it_takes(backend: Babeld, stream: BabelNews, path: Path) -> None:
    def converse(client: socket.socket) -> None:
        client.sendall(GREETING)
        while client.recv(2000):
            time.sleep(2 * PATIENCE_SECONDS)
            client.sendall(b"add interface mesh0 up true\nok\n")

    with FakeBabeld(path, converse) as babeld:
        assert isinstance(look(backend, path), UnreachableError)
        assert "answers again" in next_news(stream)
        assert interfaces(backend, path) == ["mesh0"]
        assert interfaces(backend, path) == ["mesh0"]
        assert babeld.served == 1


@pytest.mark.parametrize("stopped", [False, True])
def test_a_babeld_that_took_the_place_of_one_that_still_runs_is_the_one_that_counts(
    backend: Babeld, stream: BabelNews, path: Path, stopped: bool
) -> None:
    old = Stoppable(stopped=stopped)
    with FakeBabeld(path, old):
        look(backend, path)
        path.unlink()
        with FakeBabeld(path, Obedient("babeld-1.14", ("mesh7",))):
            if stopped:
                assert next_news(stream, 5)
            assert interfaces(backend, path) == ["mesh7"]
        old.go_on()


def test_a_change_does_not_wait_for_a_babeld_that_is_known_to_hang(
    backend: Babeld, stream: BabelNews, path: Path
) -> None:
    hanging = Stoppable(stopped=True)
    with FakeBabeld(path, hanging):
        look(backend, path)
        begun = time.monotonic()
        errors = backend.send([AddBabelInterface(str(path), f"mesh{number}", ()) for number in range(50)])
        assert all(isinstance(error, UnreachableError) for error in errors)
        assert time.monotonic() - begun < PATIENCE_SECONDS
        hanging.go_on()


def test_without_a_stream_a_look_waits_for_long_once_and_then_not(
    backend: Babeld, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(babeld_news, "PATIENCE_SECONDS", 4 * PATIENCE_SECONDS)
    hanging = Stoppable(stopped=True)
    with FakeBabeld(path, hanging):
        begun = time.monotonic()
        assert isinstance(look(backend, path), UnreachableError)
        assert time.monotonic() - begun >= 4 * PATIENCE_SECONDS
        looks_cost_nothing(backend, path)
        hanging.go_on()


def test_closing_does_not_wait_for_a_babeld_that_hangs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = Stoppable(stopped=True)
    with FakeBabeld(path, hanging):
        backend = Babeld()
        with closing(backend.events()):
            look(backend, path)
        begun = time.monotonic()
        backend.close()
        assert time.monotonic() - begun < 1
        hanging.go_on()


def test_a_closed_backend_opens_anew_when_it_is_used(backend: Babeld, path: Path) -> None:
    with FakeBabeld(path, Obedient("babeld-1.12.1", ("mesh0",))) as babeld:
        for _ in range(2):
            assert interfaces(backend, path) == ["mesh0"]
            backend.close()
        assert babeld.served == 2


def test_a_socket_that_is_no_longer_looked_at_is_left(backend: Babeld, tmp_path: Path) -> None:
    gone = threading.Event()

    def converse(client: socket.socket) -> None:
        Obedient("babeld-1.12.1")(client)
        gone.set()

    one, other = tmp_path / "one", tmp_path / "other"
    with FakeBabeld(one, converse), FakeBabeld(other, Obedient("babeld-1.12.1")):
        interfaces(backend, one)
        interfaces(backend, other)
        assert gone.wait(5)


def test_the_lines_of_a_dump_are_to_be_had_in_time_or_not_at_all(path: Path) -> None:
    with pytest.raises(NotRunningError):
        dump_lines(str(path), 5)
    hanging = Stoppable(stopped=True, greets=True)
    with FakeBabeld(path, hanging):
        begun = time.monotonic()
        with pytest.raises(UnreachableError, match="did not answer `dump`"):
            dump_lines(str(path), 0.3)
        assert time.monotonic() - begun < 2
        hanging.go_on()
