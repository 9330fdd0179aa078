"""wireguard-go over its UAPI socket does what every WireGuard does, and lives and ends as it should."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from intent.resources.processes import StartProcess
from intent.resources.wireguard_uapi import GET, socket_path
from reconciler.core.errors import BusyError, RejectedError, UnreachableError, UnsupportedError
from tests.kernel.wireguard.bed import IMPLEMENTATIONS, Bed, bed, lines, run, until
from tests.kernel.wireguard.contract import WireGuardContract, many_peers


@pytest.fixture(name="bed")
def userspace_bed() -> Iterator[Bed]:
    with bed(IMPLEMENTATIONS["userspace"]) as made:
        yield made


class TestUserspace(WireGuardContract):
    pass


def programs(name: str) -> list[Path]:
    """Return the /proc folders of the wireguard-go processes for that link."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes() == f"wireguard-go\0{name}\0".encode():
                found.append(process)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@contextmanager
def listening(bed: Bed, answer: bytes | None) -> Iterator[None]:
    """Stand in for a broken program on a tun link; ``None`` never answers."""
    run("ip", "tuntap", "add", bed.name(), "mode", "tun")
    path = socket_path(bed.name())
    Path(path).parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        thread = threading.Thread(target=_answer, args=(server, answer), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            Path(path).unlink()


def _answer(server: socket.socket, answer: bytes | None) -> None:
    kept = []
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            break
        kept.append(connection)
        if answer is not None:
            connection.recv(1 << 16)
            connection.sendall(answer)
            connection.close()
    for connection in kept:
        connection.close()


def test_the_program_is_on_its_own_in_this_namespace(bed: Bed) -> None:
    bed.converge(bed.interface())
    (process,) = programs(bed.name())
    assert os.getsid(int(process.name)) != os.getsid(0)
    assert (process / "ns/net").readlink() == Path("/proc/thread-self/ns/net").readlink()
    assert {(process / f"fd/{number}").readlink() for number in range(3)} == {Path("/dev/null")}
    assert (process / "cwd").readlink() == Path("/")


def test_the_program_ends_with_its_link_and_takes_its_socket_along(bed: Bed) -> None:
    bed.converge(bed.interface())
    bed.converge([])
    until(lambda: not programs(bed.name()), "wireguard-go ends")
    until(lambda: not Path(socket_path(bed.name())).exists(), "its socket is gone")


def test_a_link_is_made_again_right_after_it_was_removed(bed: Bed) -> None:
    desired = bed.interface()
    bed.converge(desired)
    bed.converge([])
    bed.converge([*desired, *many_peers(bed.name(), 2)])
    assert len(bed.oracle(bed.name())[1]) == 2


def test_a_program_that_was_killed_is_started_again(bed: Bed) -> None:
    desired = [*bed.interface(), *many_peers(bed.name(), 2)]
    bed.converge(desired)
    (process,) = programs(bed.name())
    os.kill(int(process.name), 9)
    until(lambda: not process.exists() and bed.name() not in run("ip", "link"), "it is gone with its link")
    bed.converge(desired)


def test_a_link_whose_marking_was_cut_short_is_recognised_by_the_inventory(bed: Bed) -> None:
    link, *rest = bed.interface()
    bed.store.save(bed.store.load().with_made([(link, None)]))
    assert bed.processes.send([StartProcess(("wireguard-go", bed.name()), socket_path(bed.name()), GET)]) == [None]
    bed.converge([link, *rest])
    assert "stellwerk:" in run("ip", "-d", "link", "show", bed.name())


def test_a_tun_link_that_is_not_ours_is_a_conflict(bed: Bed) -> None:
    run("ip", "tuntap", "add", bed.name(), "mode", "tun")
    plan = bed.plan(bed.interface())
    assert any("unmarked" in conflict.reason for conflict in plan.conflicts)
    assert lines(bed.plan([])) == []


def test_starting_twice_is_refused_while_the_first_one_lives(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.backends.processes.END_TIMEOUT_SECONDS", 0.2)
    request = StartProcess(("wireguard-go", bed.name()), socket_path(bed.name()), GET)
    first, second = bed.processes.send([request, request])
    assert first is None
    assert isinstance(second, BusyError)


def test_a_program_that_fails_says_why(bed: Bed) -> None:
    too_long = "wg" + bed.token + "x" * 12
    (error,) = bed.processes.send([StartProcess(("wireguard-go", too_long), socket_path(too_long), GET)])
    assert isinstance(error, RejectedError)
    assert "interface name" in str(error)


def test_a_program_that_is_not_installed_is_known_before(bed: Bed) -> None:
    request = StartProcess(("wireguard-nowhere", "x"), "/nowhere", b"")
    (lack,) = bed.processes.lacks([request, request])
    assert "wireguard-nowhere" in str(lack)
    (error,) = bed.processes.send([request])
    assert isinstance(error, UnsupportedError)


@pytest.mark.parametrize(
    "answer", [b"", b"private_key=00", b"errno=0", b"nonsense\n\n", b"private_key=zz\nerrno=0\n\n"]
)
def test_garbage_on_the_socket_is_told_without_quoting_it(bed: Bed, answer: bytes) -> None:
    with listening(bed, answer):
        (error,) = bed.wireguard.send(bed.interface()[1].create())
    if b"errno=0\n\n" in answer:
        assert error is None
    else:
        assert isinstance(error, UnreachableError)
        assert "private" not in str(error)


def test_a_silent_socket_is_given_up_in_time(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.backends.wireguard_uapi.ANSWER_TIMEOUT_SECONDS", 0.2)
    with listening(bed, None):
        looked = bed.wireguard.dump({"wireguard": frozenset({bed.name()})})["wireguard"]
        assert isinstance(looked, UnreachableError)
        (error,) = bed.wireguard.send(bed.interface()[1].create())
        assert isinstance(error, UnreachableError)


def test_a_socket_that_nobody_listens_on_is_no_wireguard(bed: Bed) -> None:
    run("ip", "tuntap", "add", bed.name(), "mode", "tun")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(socket_path(bed.name()))
    try:
        assert bed.rows(bed.name()) == {}
        (error,) = bed.wireguard.send(bed.interface()[1].create())
        assert isinstance(error, UnsupportedError)
        assert "modprobe wireguard" in str(error)
    finally:
        Path(socket_path(bed.name())).unlink()
