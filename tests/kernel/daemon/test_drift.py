"""What somebody changes is changed back at the event, and a changed file is carried out at once."""

import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import pytest

from tests.host import Host, until
from tests.kernel.daemon.running import Programs, exit_of, kernel_state, prefix, within

REPAIR_SECONDS = 0.020
FILE_SECONDS = 0.100
ANSWER_SECONDS = 20.0
NETLINK_ADD_MEMBERSHIP = 1
SOL_NETLINK = 270
RTNLGRP_LINK, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE = 1, 9, 11
RTM_NEWROUTE, RTM_DELROUTE = 24, 25


@contextmanager
def _notifications(group: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as opened:
        opened.bind((0, 0))
        opened.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
        opened.settimeout(ANSWER_SECONDS)
        yield opened


def _await(opened: socket.socket, kind: int, part: bytes) -> float:
    """Return when a notification of a kind came that has these bytes in it."""
    while True:
        message = opened.recv(1 << 16)
        if struct.unpack_from("=H", message, 4)[0] == kind and part in message:
            return time.monotonic()


@pytest.mark.alone
def test_a_deleted_route_is_back_within_milliseconds(node: Host, start: Programs) -> None:
    daemon = start.synced(node.node_file(exit_of(40)))

    def latencies() -> list[float]:
        found = []
        batch = subprocess.Popen(["ip", "-6", "-batch", "-"], stdin=subprocess.PIPE)
        with batch, _notifications(RTNLGRP_IPV6_ROUTE) as opened:
            assert batch.stdin is not None
            for number in range(40):
                rounds = daemon.status()["rounds"]
                batch.stdin.write(f"route delete default from {prefix(number)} table 10\n".encode())
                batch.stdin.flush()
                source = socket.inet_pton(socket.AF_INET6, prefix(number).split("/", maxsplit=1)[0])
                gone = _await(opened, RTM_DELROUTE, source)
                found.append(_await(opened, RTM_NEWROUTE, source) - gone)
                daemon.until(lambda status, rounds=rounds: status["rounds"] > rounds, "the end of the round")  # type: ignore[misc]
            batch.stdin.close()
        return found

    print("median seconds to repair", within(lambda: median(node.namespace.run(latencies)), REPAIR_SECONDS))


@pytest.mark.alone
def test_a_changed_file_reaches_the_kernel_at_once(node: Host, start: Programs) -> None:
    plain = exit_of(2)
    daemon = start.synced(node.node_file(plain))

    def seconds(number: int) -> float:
        """Put another file over the node file, and return how long it takes until the kernel is told something."""
        text = plain.replace("::1/64", f"::{number}/64")
        new = node.node_file(text, "new.yaml")
        with _notifications(RTNLGRP_IPV6_IFADDR) as opened:
            begun = time.monotonic()
            new.rename(node.folder / "node.yaml")
            opened.recv(1 << 16)
            return time.monotonic() - begun

    def measure() -> float:
        found = []
        for number in range(2, 12):
            found.append(node.namespace.run(lambda number=number: seconds(number)))  # type: ignore[misc]
            until(lambda number=number: f"fd00:6d65::{number}/64" in _addresses(node), "the address")  # type: ignore[misc]
            daemon.until_synced()
        return median(found)

    print("median seconds from file to kernel", within(measure, FILE_SECONDS))


def _addresses(node: Host) -> str:
    return node.namespace.ip("-6", "address", "show", "dev", "mesh0")


def test_whatever_is_changed_is_changed_back(node: Host, start: Programs) -> None:
    daemon = start.synced(node.node_file(exit_of(2)))
    ip = node.namespace.ip
    steps: dict[str, tuple[tuple[str, ...], Callable[[], bool]]] = {
        "the address": (
            ("address", "delete", "fd00:6d65::1/64", "dev", "mesh0"),
            lambda: "fd00:6d65::1/64" in _addresses(node),
        ),
        "the rule": (
            ("-6", "rule", "delete", "priority", "1006", "from", prefix(0)),
            lambda: f"1006:\tfrom {prefix(0)}" in ip("-6", "rule"),
        ),
        "the route": (
            ("-6", "route", "delete", "default", "from", prefix(0), "table", "10"),
            lambda: f"default from {prefix(0)}" in ip("-6", "route", "show", "table", "10"),
        ),
    }
    before = kernel_state(node)
    for what, (words, is_back) in steps.items():
        rounds = daemon.status()["rounds"]
        ip(*words)
        daemon.until(lambda status, rounds=rounds: status["rounds"] > rounds, f"a round for {what}")  # type: ignore[misc]
        until(is_back, what)
    # A link that was down has lost its addresses and routes: all that is the node's comes back.
    ip("link", "set", "mesh0", "down")
    ip("link", "set", "mesh0", "up")
    until(lambda: "fd00:6d65::1/64" in _addresses(node), "the address of a link that was down")
    daemon.until_synced()
    assert kernel_state(node) == before


def test_a_link_that_went_and_came_is_set_up_again(node: Host, start: Programs) -> None:
    daemon = start.synced(node.node_file(exit_of(1)))
    node.namespace.ip("link", "delete", "mesh0")
    daemon.until(lambda status: any(one["state"] == "pending" for one in status["objects"]), "the lack of mesh0")
    node.namespace.cable("mesh0", node.neighbour, "mesh0")
    until(lambda: "fd00:6d65::1/64" in _addresses(node), "the address of the new link")
    daemon.until_synced()


def test_a_fight_is_slowed_down_and_named(node: Host, start: Programs) -> None:
    daemon = start.synced(node.node_file(exit_of(2)))
    route = ("default", "from", prefix(0), "table", "10")

    def is_back() -> bool:
        return f"default from {prefix(0)}" in node.namespace.ip("-6", "route", "show", "table", "10")

    for _ in range(6):
        until(is_back, "the route")
        node.namespace.ip("-6", "route", "delete", *route)
    status = daemon.until(lambda status: any(one["state"] == "fought over" for one in status["objects"]), "a fight")
    assert any("again and again" in reason for reason in status["health"]["reasons"]), status
    # What nobody fights over is repaired at once meanwhile.
    node.namespace.ip("-6", "route", "delete", "default", "from", prefix(1), "table", "10")
    until(lambda: f"default from {prefix(1)}" in node.namespace.ip("-6", "route", "show", "table", "10"), "the other")
    until(is_back, "the route that was fought over")
    daemon.until_synced()


def test_a_broken_file_changes_nothing_and_the_next_right_one_counts(node: Host, start: Programs) -> None:
    file = node.node_file(exit_of(1))
    daemon = start.synced(file)
    before = node.namespace.ip("-6", "route", "show", "table", "10")

    def put(text: str) -> None:
        new = node.node_file(text, "new.yaml")
        new.rename(file)

    for text in ("", "version: 1\nnode: [", "version: 7\n"):
        put(text)
        daemon.until(lambda status: status["intent"]["problem"] is not None, "the problem")
        assert node.namespace.ip("-6", "route", "show", "table", "10") == before
    file.unlink()
    daemon.until(lambda status: "node.yaml" in (status["intent"]["problem"] or ""), "the lack of a file")
    assert node.namespace.ip("-6", "route", "show", "table", "10") == before
    put(exit_of(2))
    daemon.until(lambda status: status["intent"]["problem"] is None, "the end of the problem")
    daemon.until_synced()
    assert f"from {prefix(1)}" in node.namespace.ip("-6", "route", "show", "table", "10")
