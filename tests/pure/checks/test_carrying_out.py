"""Carrying out checks: bounded whatever hangs, all at once, and always with a reason."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from intent import checks
from intent.checks import BabelNeighbours, Check, Ping, Program, TcpPort, WireGuardHandshake
from reconciler.backends.checks import babel_neighbours, carry_out, methods
from reconciler.backends.checks.ping import Echo, checksum
from reconciler.core.checks import CheckResult
from tests.pure.babel.fake_babeld import DUMP, GREETING, FakeBabeld, says

BOUND_SECONDS = 15.0
"""For what must end after a second or two; the machine may be busy."""


def only(check: Check) -> CheckResult:
    (result,) = carry_out([check])
    assert result.check == check
    return result


def shell(script: str, timeout_seconds: int = 10) -> Program:
    return Program(command=("/bin/sh", "-c", script), timeout_seconds=timeout_seconds)


def until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOUND_SECONDS
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def listening() -> Iterator[int]:
    """Listen on a port of the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def closed_port() -> int:
    with listening() as port:
        return port


def test_there_is_a_method_for_every_kind_of_check() -> None:
    kinds = {value for value in vars(checks).values() if isinstance(value, type) and issubclass(value, Check)}
    assert set(methods()) == kinds - {Check}


def test_no_checks_have_no_results() -> None:
    assert carry_out([]) == ()


# Ports.


def test_a_port_that_accepts() -> None:
    with listening() as port:
        assert only(TcpPort(host="127.0.0.1", port=port)).passed
        assert only(TcpPort(host="localhost", port=port)).passed, "the refusal of ::1 is not the end"


def test_a_port_that_refuses() -> None:
    result = only(TcpPort(host="127.0.0.1", port=closed_port()))
    assert not result.passed
    assert result.reason.startswith("127.0.0.1: connection refused; see that")


def test_a_name_without_an_address() -> None:
    result = only(TcpPort(host="nowhere.invalid", port=1))
    assert not result.passed
    assert "nowhere.invalid" in result.reason or "resolv.conf" in result.reason


def test_name_servers_that_never_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        answered.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    begun = time.monotonic()
    result = only(TcpPort(host="gw.example.org", port=443, timeout_seconds=1))
    assert time.monotonic() - begun < BOUND_SECONDS
    answered.set()
    assert not result.passed
    assert result.reason.startswith("no result within 1s: the name servers in /etc/resolv.conf")


# Programs.


@pytest.mark.parametrize(
    ("script", "passed", "reason"),
    [
        ("true", True, "ended with status 0"),
        ("echo fine; echo", True, "ended with status 0: `fine`"),
        ("echo out; echo no uplink >&2; exit 3", False, "ended with status 3: `no uplink`; run it by hand to see why"),
        ("kill -9 $$", False, "was ended by SIGKILL; run it by hand to see why"),
        ("read line; echo $?", True, "ended with status 0: `1`"),
        ("printf '\\033[2Jpwned\\nlast'", True, "ended with status 0: `last`"),
        ("printf '\\033[2Jx'", True, "ended with status 0: `\\x1b[2Jx`"),
        ("head -c 100000 /dev/zero | tr '\\0' x", True, f"ended with status 0: `{'x' * 59}…`"),
    ],
)
def test_a_program_says_by_its_status_whether_all_is_well(script: str, passed: bool, reason: str) -> None:
    result = only(shell(script))
    assert (result.passed, result.reason) == (passed, reason)


def test_a_key_in_what_a_program_says_does_not_show() -> None:
    result = only(shell("echo key i25O2JPaHsW9Oo7BmgwWSllxMUjTDBlUIFCJ708K/hc= leaked; exit 1"))
    assert "(hidden)" in result.reason
    assert "i25O" not in result.reason


@pytest.mark.parametrize("path", ["/nowhere/is-well", "/etc/passwd", "/"])
def test_what_is_no_program(path: str) -> None:
    result = only(Program(command=(path,)))
    assert not result.passed
    assert result.reason.startswith("cannot be run: ")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_program_that_ignores_sigterm_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    begun = time.monotonic()
    result = only(shell(f"trap '' TERM; sleep 1000 & echo $$ $! > {pids}; wait; sleep 1000", timeout_seconds=1))
    assert time.monotonic() - begun < BOUND_SECONDS
    assert (result.passed, result.reason) == (False, "did not end within 1s and was ended")
    until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))


def test_a_program_may_clean_up_when_it_is_ended(tmp_path: Path) -> None:
    flag = tmp_path / "cleaned"
    only(shell(f"trap 'touch {flag}; exit' TERM; echo busy; while :; do sleep 0.02; done", timeout_seconds=1))
    assert flag.exists()


def test_what_a_program_leaves_behind_is_ended_and_not_waited_for(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begun = time.monotonic()
    assert only(shell(f"sleep 1000 & echo $! > {pid}", timeout_seconds=60)).passed
    assert time.monotonic() - begun < BOUND_SECONDS
    until(lambda: not alive(int(pid.read_text())))


def test_a_program_that_does_not_stop_talking_is_ended() -> None:
    result = only(shell("yes", timeout_seconds=60))
    assert (result.passed, result.reason) == (False, "was ended: it said more than 1 MiB; have it say less")


def test_a_program_has_no_descriptors_of_ours() -> None:
    with open("/dev/null") as ours:
        os.set_inheritable(ours.fileno(), True)
        assert only(shell(f"test ! -e /proc/self/fd/{ours.fileno()}")).passed


def test_a_status_that_the_kernel_does_not_keep_is_not_taken_for_success() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        result = only(shell("exit 3"))
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert not result.passed
    assert result.reason.startswith("not carried out: ")


# All together.


def test_all_are_carried_out_at_once_and_come_back_in_their_order() -> None:
    begun = time.monotonic()
    wanted = [shell(f"sleep 2; exit {number % 2}") for number in range(20)]
    results = carry_out(wanted)
    assert time.monotonic() - begun < 2 * BOUND_SECONDS
    assert [result.check for result in results] == wanted
    assert [result.passed for result in results] == [True, False] * 10


def test_a_fault_of_our_own_fails_the_check_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("odd")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    broken, right = carry_out([TcpPort(host="gw.example.org", port=1), shell("true")])
    assert broken.reason.startswith("not carried out, by a fault of stellwerk: KeyError in fail, line ")
    assert "odd" not in broken.reason
    assert not broken.passed
    assert right.passed


def test_a_machine_without_threads_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    result = only(shell("true"))
    assert not result.passed
    assert "can't start new thread" in result.reason


def test_a_check_that_still_hangs_is_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one that hangs would cost a thread each time, without a bound."""
    begun: list[None] = []
    answered = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        begun.append(None)
        answered.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    check = TcpPort(host="hangs.example.org", port=1, timeout_seconds=1)
    try:
        assert only(check).reason.startswith("no result within 1s")
        for _ in range(3):
            assert only(check).reason.startswith("still hangs")
        assert len(begun) == 1
    finally:
        answered.set()
    until(lambda: not only(check).reason.startswith("still hangs"))
    assert len(begun) == 2


# Babel.


def test_neighbours_that_can_be_sent_to_count(tmp_path: Path) -> None:
    heard = b"add neighbour %d address fe80::1 if %s reach ffff ureach 0000 rxcost 96 "
    more = heard % (1, b"mesh0") + b"txcost 65535 cost 65535\n"
    timed = heard % (2, b"wg0") + b"txcost 96 rtt 1.5 rttcost 9 cost 105\n"
    with FakeBabeld(tmp_path / "s", says(more + timed + DUMP)) as babeld:

        def count(wanted: int, interface: str | None = None) -> CheckResult:
            return only(BabelNeighbours(socket=babeld.address, count=wanted, interface=interface))

        assert (count(2).passed, count(2).reason) == (True, "babel has 2")
        assert not count(3).passed
        assert count(3).reason.startswith("babel has 2 and 1 that it cannot send to, 3 are needed; see that")
        assert count(1, "wg0").reason == "babel has 1 on wg0"
        assert not count(1, "lan").passed


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"add neighbour",
        b"add interface mesh0 up true",
        b"add neighbour 1 address fe80::1 if mesh0 rxcost 96",
        b"\xff",
    ],
)
def test_other_lines_are_no_neighbours(line: bytes) -> None:
    assert babel_neighbours.read(line) is None


def test_a_babeld_that_does_not_run(tmp_path: Path) -> None:
    result = only(BabelNeighbours(socket=f"{tmp_path}/s", count=1))
    assert (result.passed, result.reason) == (False, f"babeld does not run: nobody listens at {tmp_path}/s")


def test_a_babeld_that_hangs_has_one_client_for_all_checks(tmp_path: Path) -> None:
    clients: list[socket.socket] = []
    tested = threading.Event()

    def converse(client: socket.socket) -> None:
        clients.append(client)
        client.sendall(GREETING)
        tested.wait()

    with FakeBabeld(tmp_path / "s", converse) as babeld:
        begun = time.monotonic()
        results = carry_out([BabelNeighbours(socket=babeld.address, count=1, timeout_seconds=1)] * 8)
        assert time.monotonic() - begun < BOUND_SECONDS
        assert len(clients) == 1
        tested.set()
    assert not any(result.passed for result in results)
    assert {result.reason.partition(";")[0] for result in results} <= {
        "no result within 1s: babeld does not answer: it is stopped or busy, or has four clients already",
        f"babeld at {babeld.address} did not answer `dump` within 1 s: it is stopped or busy",
    }
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("babel neighbours")]
    for thread in threads:
        thread.join(BOUND_SECONDS)
        assert not thread.is_alive()


# WireGuard and pings, as far as they need no rights.


def test_an_interface_that_is_not_there() -> None:
    result = only(WireGuardHandshake(interface="wg-nowhere"))
    assert (result.passed, result.reason.partition(";")[0]) == (False, "there is no WireGuard interface wg-nowhere")


def test_only_an_answer_to_our_own_request_counts() -> None:
    echo = Echo(ip_address("2001:db8::1"))
    request = echo.request(0)
    answer = b"\x81" + request[1:]
    assert echo.answered_by(answer, "2001:db8::1", sent=1)
    assert echo.answered_by(answer, "2001:db8::1%mesh0", sent=1)
    assert not echo.answered_by(request, "2001:db8::1", sent=1), "the request itself"
    assert not echo.answered_by(answer, "2001:db8::2", sent=1), "another source"
    assert not echo.answered_by(answer, "2001:db8::1", sent=0), "a request that was not sent"
    assert not echo.answered_by(answer[:-1], "2001:db8::1", sent=1), "cut off"
    assert not echo.answered_by(b"", "2001:db8::1", sent=1)
    other = Echo(ip_address("2001:db8::1"), identifier=echo.identifier)
    assert not other.answered_by(answer, "2001:db8::1", sent=1), "the answer to another ping"


def test_the_checksum_of_a_request_is_right() -> None:
    # Over a packet with its own checksum the sum is all ones (RFC 1071).
    assert checksum(Echo(ip_address("192.0.2.1")).request(7)) == 0


def test_a_ping_that_may_not_be_sent_says_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", refuse)
    result = only(Ping(address="127.0.0.1"))
    assert not result.passed
    assert "ping_group_range" in result.reason
