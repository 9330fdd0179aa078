"""Pings, connections and programs between two network namespaces with a cable."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from intent.checks import Check, Ping, Program, TcpPort
from reconciler.backends.checks import carry_out
from reconciler.core.checks import CheckResult
from tests.namespaces import Namespace, namespaces

BOUND_SECONDS = 30.0


class Pair:
    """Two namespaces: ``here``, with two cables, and ``there``, at the other ends of both."""

    def __init__(self, here: Namespace, there: Namespace) -> None:
        self.here, self.there = here, there
        for end in (here, there):
            end.run(lambda: Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0"))
        here.cable("mesh0", there, "mesh0")
        here.cable("wan", there, "wan")
        for end, number in ((here, 1), (there, 2)):
            until(lambda end=end: end.ip("address").count("fe80::") == 2)  # type: ignore[misc]
            end.ip("address", "add", f"2001:db8::{number}/64", "dev", "mesh0", "nodad")
            end.ip("address", "add", f"192.0.2.{number}/24", "dev", "mesh0")

    def carry_out(self, *checks: Check) -> tuple[CheckResult, ...]:
        return self.here.run(lambda: carry_out(checks))

    def only(self, check: Check) -> CheckResult:
        (result,) = self.carry_out(check)
        return result

    def link_local(self, link: str) -> str:
        """Return the link-local address at the other end of a cable."""
        words = self.there.ip("-6", "-o", "address", "show", "dev", link, "scope", "link").split()
        return words[words.index("inet6") + 1].partition("/")[0]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with namespaces(2) as (here, there):
        yield Pair(here, there)


def until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOUND_SECONDS
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_address_that_is_there_answers(pair: Pair) -> None:
    for address in ("2001:db8::2", "192.0.2.2", "2001:db8::1"):
        result = pair.only(Ping(address=address))
        assert result.passed, result
        assert result.reason.startswith("answered after ")


def test_a_link_local_address_answers_on_its_own_link_alone(pair: Pair) -> None:
    address = pair.link_local("mesh0")
    right, wrong, missing = pair.carry_out(
        Ping(address=address, interface="mesh0"),
        Ping(address=address, interface="wan", timeout_seconds=2),
        Ping(address=address, interface="lan"),
    )
    assert right.passed, right
    assert not wrong.passed
    assert missing.reason == "there is no interface lan to send through; look at `ip link`"


def test_a_ping_goes_out_through_the_interface_it_names(pair: Pair) -> None:
    right, wrong = pair.carry_out(
        Ping(address="192.0.2.2", interface="mesh0"), Ping(address="192.0.2.2", interface="wan", timeout_seconds=2)
    )
    assert right.passed, right
    assert not wrong.passed


def test_an_address_that_is_not_there_does_not_answer(pair: Pair) -> None:
    nowhere, silent = pair.carry_out(
        Ping(address="2001:db8:ffff::1", timeout_seconds=1), Ping(address="2001:db8::9", timeout_seconds=1)
    )
    assert nowhere.reason.startswith("no answer within 1s (network is unreachable); see that")
    assert silent.reason.startswith("no answer within 1s")
    assert not nowhere.passed
    assert not silent.passed


def test_a_refusal_on_the_way_is_told(pair: Pair) -> None:
    pair.here.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.2")
    pair.there.run(lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
    pair.there.ip("route", "add", "prohibit", "198.51.100.0/24")
    result = pair.only(Ping(address="198.51.100.1", timeout_seconds=2))
    assert not result.passed
    # What the router says with ICMP: "communication administratively prohibited" (RFC 1812, section 5.2.7.1).
    assert result.reason.startswith("no answer within 2s (no route to host); see that"), result


@pytest.mark.parametrize("address", ["2001:db8::7", "192.0.2.7"])
def test_an_address_that_comes_up_late_answers_a_later_request(pair: Pair, address: str) -> None:
    results: list[CheckResult] = []
    pinging = threading.Thread(target=lambda: results.append(pair.only(Ping(address=address, timeout_seconds=30))))
    pinging.start()
    # The namespace's own thread is busy with the ping.
    look = ("nsenter", f"--net={pair.here.path}", "ip", "neighbour", "show", address)
    until(lambda: "FAILED" in subprocess.run(look, capture_output=True, text=True, check=True).stdout)
    pair.there.ip("address", "add", f"{address}/{64 if ':' in address else 24}", "dev", "mesh0")
    pinging.join(BOUND_SECONDS)
    assert results
    assert results[0].passed, results


@pytest.mark.parametrize("address", ["2001:db8::2", "192.0.2.2", "::1", "127.0.0.1"])
def test_a_user_of_an_allowed_group_needs_no_rights(pair: Pair, address: str) -> None:
    ranges = Path("/proc/sys/net/ipv4/ping_group_range")
    pair.here.run(lambda: ranges.write_text("0 2147483647"))
    (result,) = pair.here.run_without_rights(lambda: carry_out([Ping(address=address)]))
    assert result.passed, result
    pair.here.run(lambda: ranges.write_text("1 0"))
    (result,) = pair.here.run_without_rights(lambda: carry_out([Ping(address=address)]))
    assert "ping_group_range" in result.reason


@pytest.mark.parametrize("address", ["2001:db8::2", "192.0.2.2"])
def test_a_port_accepts_refuses_or_is_silent(pair: Pair, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with pair.there.run(lambda: socket.create_server((address, 0), family=family)) as server:
        port = server.getsockname()[1]
        assert pair.only(TcpPort(host=address, port=port)).passed
        (outside,) = carry_out([TcpPort(host=address, port=port, timeout_seconds=1)])
        assert not outside.passed, "it is carried out where it is asked for"
    refused, silent = pair.carry_out(
        TcpPort(host=address, port=port), TcpPort(host=address.removesuffix("2") + "9", port=port, timeout_seconds=1)
    )
    assert refused.reason.startswith(f"{address}: connection refused; see that")
    assert not refused.passed
    assert not silent.passed
    assert ": no answer; see that" in silent.reason


def test_a_program_runs_in_the_namespace_of_the_caller(pair: Pair) -> None:
    check = Program(command=("/bin/sh", "-c", "ip route show 192.0.2.0/24 | grep mesh0"))
    assert pair.only(check).passed
    (outside,) = carry_out([check])
    assert not outside.passed
