"""An exit of a delegated prefix, with a real kernel, babeld and daemon: it follows what DHCPv6 clients leave."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.host import Host, until
from tests.kernel.daemon.running import MESH, Daemon, Programs, within

EXIT = """
exit:
  allow_special_purpose: true
  prefixes: [{prefix: {delegated: wan, length: 60}, via: {interface: wan, gateway: "fe80::1"}, metric: 96}]
"""
FOLLOW_SECONDS = 1.0
"""The promise: from the kernel's event to the announcement."""
CLIENTS = {
    "netifd": "proto static metric 2147483647",
    "dhcpcd": "proto dhcp metric 1003",
    "systemd-networkd": "proto dhcp metric 1024",
}


def whole(number: int) -> str:
    return f"2001:db8:{number:x}00::/56"


def last(number: int) -> str:
    return f"2001:db8:{number:x}00:f0::/60"


def delegate(node: Host, number: int, client: str = "netifd") -> None:
    node.namespace.ip("-6", "route", "add", "unreachable", whole(number), "dev", "lo", *CLIENTS[client].split())


def take_away(node: Host, number: int) -> None:
    node.namespace.ip("-6", "route", "del", "unreachable", whole(number))


def announced(node: Host) -> list[str]:
    """Return the source prefixes of the default routes that this node's babeld announces to be used."""
    rows = (line.split() for line in node.babeld_dump().splitlines() if " xroute ::/0" in line)
    return sorted(row[row.index("from") + 1] for row in rows if int(row[row.index("metric") + 1]) < 65534)


def learned(node: Host) -> list[str]:
    """Return the source prefixes of the default routes that the neighbour has from babel."""
    rows = node.neighbour.ip("-6", "route", "show", "proto", "babel").splitlines()
    return sorted(row.split(" from ")[1].split()[0] for row in rows if row.startswith("default from "))


@contextmanager
def watching(node: Host) -> Iterator[socket.socket]:
    """Give a connection on which babeld tells of every change."""
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.settimeout(20)
        endpoint.connect(str(node.socket))
        for command in (b"", b"monitor\n"):
            endpoint.sendall(command)
            said = b"\n"
            while b"\nok\n" not in said:
                said += endpoint.recv(1 << 16)
        yield endpoint


def told(endpoint: socket.socket, words: bytes) -> float:
    """Return when babeld tells of something."""
    said = b""
    while words not in said:
        said += endpoint.recv(1 << 16)
    return time.monotonic()


def exit_changes(endpoint: socket.socket) -> list[str]:
    """Return what babeld has told until now of the default routes that it announces.

    It tells of other things at any time: what it thinks of a neighbour, a route that was repeated.
    """
    said = b""
    endpoint.setblocking(False)
    with suppress(BlockingIOError):
        while more := endpoint.recv(1 << 16):
            said += more
    return [line for line in said.decode().splitlines() if " xroute ::/0" in line]


@pytest.fixture
def daemon(node: Host, start: Programs) -> Daemon:
    """A daemon that keeps an exit for which nothing is delegated yet, beside a neighbour."""
    node.start_neighbour()
    return start.synced(node.node_file(MESH + EXIT))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_prefix_is_announced_when_a_client_gets_it(node: Host, daemon: Daemon, client: str) -> None:
    assert announced(node) == []
    assert "no prefix is delegated on wan now; it is waited for" in daemon.status()["notes"]
    delegate(node, 1, client)
    until(lambda: learned(node) == [last(1)], "the exit at the neighbour")
    status = daemon.until_synced()
    assert status["notes"] == []
    changed = [fact for fact in status["recent"] if fact["event"] == "changed"]
    assert f"the prefix delegated on wan is {last(1)}" in changed[-1]["because"]
    assert not [fact for fact in status["recent"] if fact["event"] in ("armed", "refused", "rolled back")]


def test_a_new_prefix_is_announced_within_a_second_and_the_old_one_withdrawn(node: Host, daemon: Daemon) -> None:
    delegate(node, 1)
    until(lambda: learned(node) == [last(1)], "the first exit at the neighbour")
    daemon.until_synced()
    router = daemon_pid(node)
    number = 1

    def seconds() -> float:
        nonlocal number
        number += 1
        with watching(node) as endpoint:
            take_away(node, number - 1)
            delegate(node, number)
            begun = time.monotonic()
            ended = told(endpoint, f"add xroute ::/0-{last(number)} ".encode())
        until(lambda: learned(node) == [last(number)], "the neighbour without the old exit")
        daemon.until_synced()
        return ended - begun

    print("seconds to the announcement", within(seconds, FOLLOW_SECONDS))
    assert announced(node) == [last(number)]
    assert daemon_pid(node) == router, "babeld was started anew"
    metric = next(line for line in node.babeld_dump().splitlines() if f"xroute ::/0-{last(number)}" in line)
    assert metric.endswith("metric 96")
    told_of = [fact["because"] for fact in daemon.status()["recent"] if fact["event"] == "changed"]
    assert any(f"changed from {last(number - 1)} to {last(number)}" in because for because in told_of)


def test_one_that_comes_back_soon_was_never_away(node: Host, daemon: Daemon) -> None:
    delegate(node, 1)
    until(lambda: learned(node) == [last(1)], "the exit at the neighbour")
    rounds = [fact for fact in daemon.until_synced()["recent"] if fact["event"] == "changed"]
    with watching(node) as endpoint:
        take_away(node, 1)
        daemon.until(lambda status: any("is kept for a few seconds" in note for note in status["notes"]), "the note")
        assert announced(node) == [last(1)]
        delegate(node, 1, "dhcpcd")
        daemon.until(lambda status: status["notes"] == [], "that it is there")
        assert exit_changes(endpoint) == []
    assert [fact for fact in daemon.status()["recent"] if fact["event"] == "changed"] == rounds


def test_one_that_stays_away_is_withdrawn(node: Host, daemon: Daemon) -> None:
    delegate(node, 1)
    until(lambda: learned(node) == [last(1)], "the exit at the neighbour")
    take_away(node, 1)
    until(lambda: learned(node) == [], "the neighbour without the exit")
    status = daemon.until_synced()
    assert announced(node) == []
    assert f"the prefix delegated on wan is gone, it was {last(1)}" in status["recent"][-1]["because"]
    assert status["notes"] == ["no prefix is delegated on wan now; it is waited for"]


def test_a_deprecated_address_says_that_the_provider_renumbers(node: Host, daemon: Daemon) -> None:
    lan = ("2001:db8:100::1/64", "dev", "wan", "nodad")
    delegate(node, 1)
    node.namespace.ip("address", "add", *lan)
    until(lambda: announced(node) == [last(1)], "the exit")
    delegate(node, 2)
    daemon.until(lambda status: any("is in use" in note for note in status["notes"]), "that both are there")
    assert announced(node) == [last(1)]
    node.namespace.ip("address", "change", *lan, "preferred_lft", "0", "valid_lft", "7200")
    until(lambda: learned(node) == [last(2)], "the new exit at the neighbour")


def test_routes_of_others_in_the_main_table_have_nothing_done(node: Host, daemon: Daemon) -> None:
    delegate(node, 1)
    until(lambda: announced(node) == [last(1)], "the exit")
    rounds = daemon.until_synced()["rounds"]
    for verb in ("add", "del"):
        node.namespace.ip("-6", "route", verb, "2001:db8:77::/48", "dev", "wan", "proto", "static")
    take_away(node, 1)
    daemon.until(lambda status: any("is kept" in note for note in status["notes"]), "what came after")
    assert daemon.status()["rounds"] == rounds


def test_the_plan_of_the_command_line_sees_the_same(node: Host, daemon: Daemon) -> None:
    delegate(node, 1)
    until(lambda: announced(node) == [last(1)], "the exit")
    daemon.until_synced()
    said = node.stellwerk("plan", node.folder / "node.yaml", *node.state())
    assert said.code == 0, said.out + said.err


def daemon_pid(node: Host) -> str:
    return (node.folder / "host.pid").read_text()


def test_a_new_start_while_both_are_there_leaves_the_exit_as_it_is(node: Host, daemon: Daemon, start: Programs) -> None:
    delegate(node, 1)
    until(lambda: learned(node) == [last(1)], "the exit at the neighbour")
    daemon.until_synced()
    daemon.end()
    delegate(node, 2)
    with watching(node) as endpoint:
        said = node.stellwerk("plan", node.folder / "node.yaml", *node.state())
        assert said.code == 0, said.out + said.err
        status = start.synced(node.folder / "node.yaml").status()
        assert any(f"{whole(1)} is in use, and delegated are {whole(2)} too" in note for note in status["notes"])
        assert exit_changes(endpoint) == []
    assert announced(node) == [last(1)]
    take_away(node, 1)
    until(lambda: learned(node) == [last(2)], "the new exit at the neighbour")
