"""What babeld, or something in its place, may do at its socket."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.resources.babel_daemon import RestartBabeld
from intent.resources.babel_interface import AddBabelInterface, BabelInterface, FlushBabelInterface
from intent.resources.babel_requests import AwaitWithdrawal, AwaitXroute
from intent.resources.babel_wire import DaemonRow, InterfaceRow, XrouteRow, flush_is_safe
from reconciler.backends import babeld_news, babeld_socket
from reconciler.backends.babeld import Babeld
from reconciler.backends.babeld_process import configuration_paths
from reconciler.core.backend import Dump
from reconciler.core.errors import (
    BackendError,
    BusyError,
    DeniedError,
    RejectedError,
    UnreachableError,
    UnsupportedError,
)
from tests.pure.babel.fake_babeld import DUMP, GREETING, Conversation, FakeBabeld, Obedient, says


def look(path: Path, conversation: Conversation) -> Dump | BackendError:
    with FakeBabeld(path, conversation) as babeld, closing(Babeld()) as backend:
        return backend.dump({"babel": frozenset({babeld.address})})["babel"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(babeld_news, "PATIENCE_SECONDS", 0.1)


def test_one_look_gives_the_daemon_its_interfaces_and_its_announcements(path: Path) -> None:
    found = look(path, says(DUMP))
    assert isinstance(found, Dump)
    daemon, *rows = found.rows
    assert isinstance(daemon, DaemonRow)
    assert daemon[:3] == (str(path), "babeld-1.12.1", "02:00:00:00:00:00:00:0a")
    assert daemon.configuration is None, "the process is not called babeld"
    assert [type(row) for row in rows] == [InterfaceRow, InterfaceRow, XrouteRow, XrouteRow]
    assert "lo" in found.context.links


def test_an_answer_that_is_cut_at_any_byte_is_an_error_and_never_half_a_look(tmp_path: Path) -> None:
    for cut in range(len(GREETING)):
        found = look(tmp_path / f"g{cut}", says(greeting=GREETING[:cut]))
        assert isinstance(found, UnreachableError), cut
    for cut in range(len(DUMP)):
        found = look(tmp_path / f"d{cut}", says(DUMP[:cut]))
        assert isinstance(found, UnreachableError), cut


def test_an_answer_in_any_two_pieces_is_the_same(tmp_path: Path) -> None:
    for cut in range(1, len(DUMP), 7):

        def converse(client: socket.socket, cut: int = cut) -> None:
            client.sendall(GREETING)
            client.recv(100)
            client.sendall(DUMP[:cut])
            time.sleep(0.001)
            client.sendall(DUMP[cut:])
            client.recv(100)

        found = look(tmp_path / f"p{cut}", converse)
        assert isinstance(found, Dump)
        assert len(list(found.rows)) == 5


@pytest.mark.parametrize(
    ("greeting", "kind", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\nok\n", UnreachableError, "not babeld"),
        (b"BABEL 2.0\nversion babeld-3\nok\n", UnsupportedError, "BABEL 2.0"),
        (b"\x00\xff\x1b[2J\nok\n", UnreachableError, "not babeld"),
        (b"BABEL 1.0\nbad\n", UnreachableError, "not babeld"),
        (b"ok\n", UnreachableError, "not babeld"),
        (b"x" * 300_000, UnreachableError, "does not end"),
    ],
)
def test_a_stranger_at_the_socket_is_told_as_such(
    path: Path, greeting: bytes, kind: type[BackendError], words: str
) -> None:
    found = look(path, says(greeting=greeting))
    assert isinstance(found, kind)
    assert words in str(found)
    assert str(found).isprintable()


@pytest.mark.parametrize("garbage", [b"hello\nok\n", b"add interface\nok\n", b"add xroute a\nok\n", b"\xff\n\nok\n"])
def test_a_dump_with_garbage_in_it_is_an_error(path: Path, garbage: bytes) -> None:
    found = look(path, says(garbage))
    assert isinstance(found, UnreachableError)
    assert "cannot read" in str(found)


@pytest.mark.parametrize("end", [b"bad\n", b"no\n", b"no room\n"])
def test_a_refused_dump_is_an_error(path: Path, end: bytes) -> None:
    found = look(path, says(DUMP.removesuffix(b"ok\n") + end))
    assert isinstance(found, UnreachableError)
    assert repr(end.decode().strip()) in str(found)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("said", [b"", GREETING[:-3], GREETING])
def test_silence_is_an_error_in_time(path: Path, said: bytes) -> None:
    def converse(client: socket.socket) -> None:
        client.sendall(said)
        while client.recv(100):
            pass

    begun = time.monotonic()
    found = look(path, converse)
    assert time.monotonic() - begun < 1
    assert isinstance(found, UnreachableError)
    assert ("four clients" in str(found)) is (said == b"")


@pytest.mark.usefixtures("hasty")
def test_one_that_trickles_for_ever_is_an_error_in_time(path: Path) -> None:
    def converse(client: socket.socket) -> None:
        client.sendall(GREETING)
        client.recv(100)
        while True:
            client.sendall(b"add route x\n")
            time.sleep(0.01)

    found = look(path, converse)
    assert isinstance(found, UnreachableError)
    assert "`dump` within" in str(found)


def test_one_that_never_ends_is_cut_off_at_a_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(babeld_socket, "LARGEST_ANSWER_BYTES", 1 << 20)

    def converse(client: socket.socket) -> None:
        client.sendall(GREETING)
        client.recv(100)
        while True:
            client.sendall(b"add route x\n" * 1000)

    found = look(path, converse)
    assert isinstance(found, UnreachableError)
    assert "1 MiB" in str(found)


def test_nobody_there_is_no_error_but_a_wrong_address_is(tmp_path: Path) -> None:
    def at(address: str) -> Dump | BackendError:
        with closing(Babeld()) as backend:
            return backend.dump({"babel": frozenset({address})})["babel"]

    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "left"))
    left.close()
    for nobody in (str(tmp_path / "none"), str(tmp_path / "left"), str(tmp_path / "left" / "x"), "[::1]:1"):
        found = at(nobody)
        assert isinstance(found, Dump)
        assert list(found.rows) == []
    for wrong in ("babeld.sock", "", "::1:33123", "[::1]"):
        assert isinstance(at(wrong), RejectedError)
    for wrong in ("/" + "x" * 200, "[::1]:99999"):
        assert isinstance(at(wrong), UnreachableError)


def send(path: Path, conversation: Conversation, *requests: object) -> list[BackendError | None]:
    with FakeBabeld(path, conversation) as babeld, closing(Babeld()) as backend:
        return backend.send([request(babeld.address) for request in requests])  # type: ignore[operator]


def add(address: str) -> AddBabelInterface:
    return AddBabelInterface(address, "mesh0", (("rxcost", "300"),))


@pytest.mark.parametrize(
    ("answers", "kind", "words"),
    [
        ((b"bad\n", b"ok\n"), RejectedError, "`interface mesh0 rxcost 300`"),
        ((b"bad\n", b"bad\n"), DeniedError, "read-only"),
        ((b"no such luck\n",), RejectedError, "such luck"),
        ((b"no\n",), RejectedError, "no reason"),
        ((b"",), UnreachableError, "hung up"),
        ((b"bad\n", b""), UnreachableError, "hung up"),
    ],
)
def test_a_refusal_is_told_by_its_kind(
    path: Path, answers: tuple[bytes, ...], kind: type[BackendError], words: str
) -> None:
    (error,) = send(path, says(*answers), add)
    assert isinstance(error, kind)
    assert words in str(error)


def test_after_a_lost_connection_the_next_request_has_a_new_one(path: Path) -> None:
    conversations = iter((says(), says(b"ok\n")))
    lost, done = send(path, lambda client: next(conversations, says())(client), add, add)
    assert isinstance(lost, UnreachableError)
    assert done is None


def test_after_one_announcement_did_not_come_the_next_is_waited_for_less(path: Path) -> None:
    begun = time.monotonic()
    errors = send(
        path,
        Obedient("babeld-1.12.1"),
        lambda address: AwaitXroute(address, "::/0", "2001:db8:1::/64", timeout_seconds=0.6),
        lambda address: AwaitXroute(address, "::/0", "2001:db8:2::/64", timeout_seconds=60),
    )
    assert [type(error) for error in errors] == [RejectedError, RejectedError]
    assert time.monotonic() - begun < 5


def test_a_batch_of_announcements_that_do_not_come_is_waited_for_once(path: Path) -> None:
    def awaited(address: str) -> AwaitXroute:
        return AwaitXroute(address, "::/0", "2001:db8:1::/64", timeout_seconds=0.3)

    begun = time.monotonic()
    babeld = Obedient("babeld-1.12.1")
    errors = send(path, babeld, *[awaited] * 50)
    assert {type(error) for error in errors} == {RejectedError}
    assert time.monotonic() - begun < 2
    assert len(babeld.heard) < 50, "one look serves all of them"


def test_a_batch_of_withdrawals_that_do_not_come_is_waited_for_once(path: Path) -> None:
    def awaited(address: str) -> AwaitWithdrawal:
        return AwaitWithdrawal(address, "::/0", "2001:db8:1::/64", timeout_seconds=0.3)

    begun = time.monotonic()
    errors = send(path, says(*[DUMP] * 200), *[awaited] * 50)
    assert {type(error) for error in errors} == {BusyError}
    assert time.monotonic() - begun < 2


def test_a_batch_of_interfaces_takes_one_dump(path: Path) -> None:
    babeld = Obedient("babeld-1.14", ("mesh0",))
    assert send(path, babeld, add, add, add) == [None] * 3
    assert babeld.heard.count("dump") == 1
    assert babeld.heard.count("flush interface mesh0") == 3


def test_what_nobody_announces_is_withdrawn(tmp_path: Path) -> None:
    request = AwaitWithdrawal(str(tmp_path / "none"), "::/0", "2001:db8:1::/64")
    with closing(Babeld()) as backend:
        assert backend.send([request]) == [None]


VERSIONS = st.one_of(
    st.builds("babeld-{}.{}".format, st.integers(0, 2), st.integers(0, 20)),
    st.builds("babeld-1.{}.{}".format, st.integers(9, 15), st.integers(0, 9)),
    st.builds("babeld-1.{}-{}-gabc123".format, st.integers(9, 15), st.integers(0, 99)),
    st.builds("babeld-1.14{}".format, st.text("rc-~+.0123456789dirty", max_size=6)),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12),
)


@given(VERSIONS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_babeld_before_1_14_or_of_unknown_version_is_ever_told_to_flush(version: str, known: bool) -> None:
    babeld = Obedient(version, ("mesh0",) if known else ())
    with TemporaryDirectory() as folder, FakeBabeld(Path(folder) / "s", babeld) as fake, closing(Babeld()) as backend:
        found = backend.dump({"babel": frozenset({fake.address})})["babel"]
        assert isinstance(found, Dump)
        seen = [it for row in found.rows if (it := BabelInterface.decode(row, found.context)) is not None]
        requests = [request for it in seen for request in it.delete()]
        backend.send([*requests, add(fake.address), FlushBabelInterface(fake.address, "mesh0")])
    assert any(command.startswith("flush") for command in babeld.heard) == flush_is_safe(version)
    assert "interface mesh0 rxcost 300" in babeld.heard


@pytest.mark.parametrize(
    ("command", "paths"),
    [
        ("babeld mesh0", ["/etc/babeld.conf"]),
        ("/usr/sbin/babeld -D -c /a mesh0 -c b", ["/a", "b"]),
        ("babeld -Dc/a -C -c -G 33123", ["/a"]),
        ("babeld -- -c", ["/etc/babeld.conf"]),
        ("babeld -c", None),
        ("python3 -c /a", None),
        ("", None),
    ],
)
def test_the_files_on_a_command_line(command: str, paths: list[str] | None) -> None:
    assert configuration_paths(command.split()) == paths


def test_a_restart_command_that_is_not_there_is_known_before() -> None:
    requests = [RestartBabeld((program, "restart"), "/run/s", None) for program in ("sh", "/no/such", "/no/such")]
    (lack,) = Babeld().lacks(requests)
    assert "/no/such restart" in str(lack)
