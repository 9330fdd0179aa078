"""What the kernel tells of changes, and what it does not: a namespace, changes by ip(8), and a stream that hears."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import select
import socket
import subprocess
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest

from intent.resources.address import Address
from intent.resources.resource import Request
from intent.resources.route import Route
from intent.resources.rule import Rule
from reconciler.backends import netlink_events, netlink_filter
from reconciler.backends.netlink_events import NetlinkEvents
from reconciler.backends.rtnetlink import Rtnetlink
from reconciler.core.backend import Dump, News
from tests.namespaces import Namespace, namespaces

PATIENCE_SECONDS = 20.0
OURS = 10
FOREIGN = 77
BIG, BIG_FOREIGN = 1000, 1001
STORM = 20_000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
TABLES = frozenset({OURS, BIG})


class Node:
    """A namespace with a link up, in which a backend has looked at the routing tables of `TABLES`, and listens."""

    def __init__(self, namespace: Namespace, far: Namespace) -> None:
        self.namespace = namespace
        self.far = far
        # No link-local addresses: they come later than what brings them.
        namespace.run(lambda: Path("/proc/sys/net/ipv6/conf/default/addr_gen_mode").write_text("1"))
        namespace.cable("mesh0", far, "far0")
        self.backend = Rtnetlink()
        self.events = namespace.run(self.backend.events)
        self.look()
        self.settle()

    def look(self) -> None:
        seen = self.namespace.run(
            lambda: self.backend.dump({"link": None, "address": None, "route": TABLES, "rule": None})
        )
        assert all(isinstance(dump, Dump) for dump in seen.values())

    def ip(self, words: str) -> None:
        self.namespace.ip(*words.split())

    def send(self, *requests: Request) -> None:
        answers = self.namespace.run(lambda: self.backend.send(requests))
        assert answers == [None] * len(requests)

    def batch(self, lines: list[str], folder: Path) -> None:
        file = folder / "batch"
        file.write_text("\n".join(lines))
        self.namespace.ip("-6", "-batch", str(file))

    def hear(self, tables: set[str]) -> dict[str, str]:
        """Wait until news of all these tables came, and of no other; return who made the changes."""
        heard: set[str] = set()
        actors: dict[str, str] = {}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not heard >= tables:
            assert readable(self.events, deadline - time.monotonic()), f"of {tables} only {heard} was told"
            news = self.events.read()
            assert news.tables is not None
            heard |= told(news)
            actors.update(news.actors)
        assert heard == tables
        return actors

    def settle(self) -> None:
        """Wait until the carrier is there, the last that a new link brings, and forget what was told."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "state UP" not in self.namespace.ip("link", "show", "dev", "mesh0"):
            assert time.monotonic() < deadline
        self.quiet()

    def quiet(self) -> None:
        """Forget what was told so far."""
        while readable(self.events):
            self.events.read()

    def marked(self) -> set[str]:
        """Return the tables of what was told by now. What a request changes at once is told before its answer."""
        heard: set[str] = set()
        while readable(self.events):
            news = self.events.read()
            assert news.tables is not None
            heard |= told(news)
        return heard

    def close(self) -> None:
        self.events.close()
        self.namespace.run(self.backend.close)


def readable(events: NetlinkEvents, seconds: float = 0.0) -> bool:
    return bool(select.select([events], [], [], max(0.0, seconds))[0])


def told(news: News) -> frozenset[str]:
    """Return the tables in which something has changed, be it said of the table or of single rows."""
    return (news.tables or frozenset()) | news.rows.keys()


@pytest.fixture
def node() -> Iterator[Node]:
    with namespaces(2) as (namespace, far):
        made = Node(namespace, far)
        yield made
        made.close()


@pytest.fixture
def unfiltered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that takes no filter."""

    class Unfiltered(socket.socket):
        def setsockopt(self, level: int, option: int, *value: object) -> None:
            if option == netlink_filter.SO_ATTACH_FILTER:
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
            super().setsockopt(level, option, *value)  # type: ignore[call-overload]

    monkeypatch.setattr(socket, "socket", Unfiltered)


@pytest.mark.full_too
@pytest.mark.parametrize(
    ("change", "undo", "tables", "undone"),
    [
        ("address add 192.0.2.1/24 dev mesh0", "address del 192.0.2.1/24 dev mesh0", "address", "address route"),
        ("address add fd00::1/64 dev mesh0", "address del fd00::1/64 dev mesh0", "address", "address route"),
        (
            f"-6 route add fd01::/64 dev mesh0 table {OURS}",
            f"-6 route del fd01::/64 dev mesh0 table {OURS}",
            *("route", "route"),
        ),
        (
            f"-6 route add fd01::/64 dev mesh0 table {BIG}",
            f"-6 route del fd01::/64 dev mesh0 table {BIG}",
            *("route", "route"),
        ),
        ("-6 rule add pref 99 table 10", "-6 rule del pref 99", "rule", "rule"),
        ("-4 rule add pref 99 table 10", "-4 rule del pref 99", "rule", "rule"),
        ("link set mesh0 alias radio", "link set mesh0 mtu 1400", "link address route", "link address route"),
        ("link add br0 type bridge", "link del br0", "link address route", "link address route"),
        ("link set mesh0 down", "link set mesh0 up", "link address route", "link address route"),
        ("link set lo name lo0", "link set lo0 name lo", "link address route", "link address route"),
    ],
)
def test_a_change_by_others_names_the_tables_to_look_at(
    node: Node, change: str, undo: str, tables: str, undone: str
) -> None:
    if "name" in change:
        node.ip("link set lo down")
        node.quiet()
    node.ip(change)
    node.hear(set(tables.split()))
    node.quiet()
    node.ip(undo)
    node.hear(set(undone.split()))


def test_a_carrier_that_goes_is_told(node: Node) -> None:
    node.far.ip("link", "set", "far0", "down")
    node.hear({"link", "address", "route"})


@pytest.mark.full_too
def test_our_own_routes_rules_and_ipv4_addresses_make_no_news(node: Node) -> None:
    route = Route(routing_table=OURS, destination="fd01::/64", link="mesh0")
    rules = [Rule(family=family, priority=99, routing_table=OURS) for family in ("ipv4", "ipv6")]
    address = Address(link="mesh0", address="192.0.2.1/24")
    for one in (route, replace(route, routing_table=BIG), *rules, address):
        node.send(*one.create(), *one.delete())
    assert node.marked() == set()
    assert not readable(node.events)


def test_our_own_changes_make_no_news_where_the_kernel_takes_no_filter(unfiltered: None, node: Node) -> None:
    route = Route(routing_table=OURS, destination="fd01::/64", link="mesh0")
    node.send(*route.create())
    assert readable(node.events)
    assert node.marked() == set()


def test_our_own_routes_by_the_thousand_overflow_nothing(node: Node) -> None:
    route = Route(routing_table=OURS, destination="fd01::/64", link="mesh0")
    node.send(*(request for metric in range(1, STORM // 2) for request in replace(route, metric=metric).create()))
    assert not readable(node.events)
    node.ip(f"-6 route add fd02::/64 dev mesh0 table {OURS}")
    node.hear({"route"})


def test_what_another_socket_of_this_program_changes_is_not_ours(node: Node) -> None:
    other = Rtnetlink()
    route = Route(routing_table=OURS, destination="fd01::/64", link="mesh0")
    assert node.namespace.run(lambda: other.send(route.create())) == [None]
    node.namespace.run(other.close)
    node.hear({"route"})


def test_what_was_asked_before_the_socket_was_opened_anew_is_still_ours(unfiltered: None, node: Node) -> None:
    route = Route(routing_table=OURS, destination="fd01::/64", link="mesh0")
    node.send(*route.create())
    node.namespace.run(node.backend.close)
    node.send(*route.delete())
    assert readable(node.events)
    assert node.marked() == set()


def test_a_socket_opened_anew_is_known_to_the_filter_after_the_next_look(node: Node) -> None:
    route = Route(routing_table=OURS, destination="fd01::/64", link="mesh0")
    node.namespace.run(node.backend.close)
    node.look()
    node.send(*route.create())
    assert not readable(node.events)


@pytest.mark.full_too
def test_a_running_process_that_makes_a_change_is_named(node: Node) -> None:
    change = f"route add fd01::/64 dev mesh0 table {OURS} proto bird\n"

    def change_and_stay() -> tuple[int, dict[str, str]]:
        with subprocess.Popen(["ip", "-6", "-batch", "-"], stdin=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            process.stdin.write(change)
            process.stdin.flush()
            try:
                return process.pid, node.hear({"route"})
            finally:
                process.stdin.close()

    pid, actors = node.namespace.run(change_and_stay)
    assert actors == {"route": f"process {pid} (ip), protocol bird"}


def test_the_kernel_is_named_where_it_acts_itself(node: Node) -> None:
    node.ip(f"-6 route add fd01::/64 dev mesh0 table {OURS} proto static")
    node.hear({"route"})
    node.ip("link set mesh0 down")
    assert node.hear({"link", "address", "route"}) == {"route": "the kernel, protocol static"}


@pytest.mark.full_too
def test_routes_that_go_silently_with_ipv6_on_a_link_are_looked_at(node: Node) -> None:
    node.namespace.run(lambda: Path("/proc/sys/net/ipv6/route/skip_notify_on_dev_down").write_text("1"))
    node.ip("address add fd00::1/64 dev mesh0 nodad")
    node.ip(f"-6 route add fd01::/64 dev mesh0 table {OURS}")
    node.hear({"address", "route"})
    node.namespace.run(lambda: Path("/proc/sys/net/ipv6/conf/mesh0/disable_ipv6").write_text("1"))
    assert "fd01" not in node.namespace.ip("-6", "route", "show", "table", str(OURS))
    node.hear({"address", "route"})


def test_a_link_that_goes_takes_its_routes_along_even_silently(node: Node) -> None:
    node.namespace.run(lambda: Path("/proc/sys/net/ipv6/route/skip_notify_on_dev_down").write_text("1"))
    node.ip(f"-6 route add fd01::/64 dev mesh0 table {OURS}")
    node.quiet()
    node.ip("link del mesh0")
    node.hear({"link", "address", "route"})


def test_a_bridge_that_talks_of_its_port_is_not_heard(node: Node) -> None:
    node.ip("link add br0 type bridge")
    node.ip("link set mesh0 master br0")
    node.hear({"link", "address", "route"})
    node.quiet()
    node.namespace.program("bridge", "link", "set", "dev", "mesh0", "cost", "7")
    assert readable(node.events, PATIENCE_SECONDS)
    assert node.marked() == set()


def test_routes_of_tables_that_nobody_looks_at_do_not_even_wake(node: Node, tmp_path: Path) -> None:
    node.batch(storm(FOREIGN) + storm(BIG_FOREIGN), tmp_path)
    assert not readable(node.events)
    assert node.events.read() == News()


def test_a_filter_follows_what_is_looked_at(node: Node) -> None:
    change, undo = (f"-6 route {verb} fd01::/64 dev mesh0 table {FOREIGN}" for verb in ("add", "del"))
    node.ip(change)
    assert not readable(node.events)
    node.namespace.run(lambda: node.backend.dump({"route": frozenset({FOREIGN})}))
    node.ip(undo)
    node.hear({"route"})
    node.ip(f"-6 route add fd01::/64 dev mesh0 table {OURS}")
    assert not readable(node.events)
    node.namespace.run(lambda: node.backend.dump({"route": None}))
    node.ip(change)
    node.hear({"route"})


def test_what_is_listened_to_passes_the_filter_whatever_is_looked_at(node: Node) -> None:
    add, delete = (f"-6 route {verb} unreachable 2001:db8:42::/56 table {FOREIGN}" for verb in ("add", "del"))
    heard = News(heard=frozenset({"route"}))
    node.backend.listen({"route": frozenset({FOREIGN})})
    node.ip(add)
    assert node.events.read() == heard
    node.look()
    node.ip(delete)
    assert node.events.read() == heard
    with closing(node.namespace.run(node.backend.events)) as later:
        node.ip(add)
        assert later.read() == heard
    node.quiet()
    node.backend.listen({})
    node.ip(delete)
    assert not readable(node.events)


def test_a_look_at_other_tables_leaves_the_filter(node: Node) -> None:
    node.namespace.run(lambda: node.backend.dump({"link": None}))
    node.ip(f"-6 route add fd01::/64 dev mesh0 table {FOREIGN}")
    assert not readable(node.events)
    node.ip(f"-6 route add fd01::/64 dev mesh0 table {OURS}")
    node.hear({"route"})


def test_when_a_wider_filter_is_refused_the_narrow_one_goes(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink_filter, "program", lambda *_: [(0xFFFF, 0, 0, 0)])
    node.namespace.run(lambda: node.backend.dump({"route": frozenset({FOREIGN})}))
    node.ip(f"-6 route add fd01::/64 dev mesh0 table {FOREIGN}")
    node.hear({"route"})
    node.ip(f"-6 route add fd01::/64 dev mesh0 table {OURS}")
    assert readable(node.events)
    assert node.marked() == set()


def test_a_foreign_storm_that_is_read_as_it_comes_marks_nothing_and_keeps_nothing(
    unfiltered: None, node: Node, tmp_path: Path
) -> None:
    """Without a filter every message is read and passed over; a look at everything is due if some were lost."""
    file = tmp_path / "batch"
    file.write_text("\n".join(storm(FOREIGN)))

    def run() -> tuple[set[str], int]:
        heard: set[str] = set()
        tracemalloc.start()
        try:
            with subprocess.Popen(["ip", "-6", "-batch", str(file)]) as process:
                before = tracemalloc.get_traced_memory()[0]
                while process.poll() is None or readable(node.events):
                    if readable(node.events, 0.05):
                        heard |= told(node.events.read())
            assert process.returncode == 0
            gc.collect()
            return heard, tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()

    heard, grown = node.namespace.run(run)
    assert heard == set()
    assert grown < 200_000


def test_after_an_overflow_everything_is_looked_at_and_then_changes_are_told_again(node: Node, tmp_path: Path) -> None:
    node.batch(storm(OURS), tmp_path)
    assert readable(node.events)
    assert node.events.read() == News(tables=None)
    assert not readable(node.events)
    node.ip(f"-6 route add fd02::/64 dev mesh0 table {OURS}")
    node.hear({"route"})


def test_until_what_was_queued_is_read_the_kernel_goes_on_dropping_so_everything_counts(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netlink_events, "DRAIN_MESSAGES", 100)
    node.batch(storm(OURS), tmp_path)
    reads = 0
    while readable(node.events):
        # This one is dropped: nothing says so but that the stream was behind.
        node.ip(f"-6 route replace fd02::/64 dev mesh0 table {OURS} metric {100 + reads}")
        assert node.events.read() == News(tables=None)
        reads += 1
    assert 5 < reads < 1000
    node.ip(f"-6 route add fd03::/64 dev mesh0 table {OURS}")
    node.hear({"route"})


def test_one_read_takes_a_bounded_amount(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink_events, "READ_MESSAGES", 10)
    node.batch(storm(OURS)[:95], tmp_path)
    reads = 0
    while readable(node.events):
        assert told(node.events.read()) == frozenset({"route"})
        reads += 1
    assert reads == 10


def test_reading_never_waits_and_a_closed_stream_has_no_news(node: Node) -> None:
    assert node.events.read() == News()
    node.events.close()
    assert node.events.read() == News()
    node.look()
    with closing(node.namespace.run(node.backend.events)) as again:
        node.ip("rule add pref 99 table 10")
        assert told(again.read()) == frozenset({"rule"})


def test_several_streams_all_follow_what_is_looked_at(node: Node) -> None:
    with closing(node.namespace.run(node.backend.events)) as second:
        node.namespace.run(lambda: node.backend.dump({"route": frozenset({FOREIGN})}))
        node.ip(f"-6 route add fd01::/64 dev mesh0 table {FOREIGN}")
        assert [told(one.read()) for one in (node.events, second)] == [frozenset({"route"})] * 2


def in_own_user_namespace(work: Callable[[], None]) -> Callable[[], None]:
    def enter() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER | CLONE_NEWNET)")
        work()

    return enter


def test_no_privilege_is_needed(namespace: Namespace) -> None:
    def work() -> None:
        backend, other = Rtnetlink(), Rtnetlink()
        events = backend.events()
        backend.dump({"route": frozenset({OURS})})
        assert other.send(Rule(family="ipv6", priority=99, routing_table=OURS).create()) == [None]
        assert events.read() == News(frozenset({"rule"}), ANY)
        assert backend.send(Rule(family="ipv6", priority=98, routing_table=OURS).create()) == [None]
        assert not readable(events)

    namespace.run_without_rights(in_own_user_namespace(work))


def storm(table: int) -> list[str]:
    lines = [f"fd01:{number:x}::/48 dev mesh0 table {table}" for number in range(STORM // 2)]
    return [f"route add {line}" for line in lines] + [f"route del {line}" for line in lines]
