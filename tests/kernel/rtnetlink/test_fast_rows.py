"""Rows that are known by their bytes, and rows told one by one, on a real kernel: as a whole look sees them."""

from __future__ import annotations

import random
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from intent.resources.link import Names
from intent.resources.resource import Key
from intent.resources.route import RTN_TYPES, Route
from reconciler.backends import netlink_events
from reconciler.backends.netlink_events import NetlinkEvents
from reconciler.backends.rtnetlink import Rtnetlink
from reconciler.core import observe as looking
from reconciler.core.backend import Dump, RowNews
from reconciler.core.desired import Desired
from reconciler.core.errors import BackendError, OccupiedError
from reconciler.core.inventory import Inventory
from reconciler.core.observe import Observation, Observer
from reconciler.core.schedule import DirtySet
from tests.kernel.rtnetlink.test_oracle import route_of, theirs
from tests.namespaces import Namespace, namespaces
from tests.pure.core.comparisons import as_told

Answers = list[BackendError | None]
PATIENCE_SECONDS = 20.0
TABLES = (10, 254, 300)
ROUTES = (
    *("2001:db8:10::/48 dev va", "2001:db8:11::/48 via fe80::9 dev va", "2001:db8:12::/48 via fe80::9 dev va onlink"),
    *("default via fe80::9 dev va", "default from 2001:db8:20::/48 dev va", "2001:db8:21::1 dev va"),
    *(
        "2001:db8:22::/48 from 2001:db8:23::/48 via fe80::9 dev va metric 7",
        "2001:db8:24::/48 dev va metric 4294967295",
    ),
    *("unreachable 2001:db8:30::/48", "blackhole 2001:db8:31::/48", "prohibit 2001:db8:32::/48"),
    *("throw 2001:db8:33::/48", "unreachable default from 2001:db8:34::/48 metric 9"),
    *("2001:db8:40::/48 dev va mtu 1300", "2001:db8:41::/48 dev va expires 1000", "2001:db8:42::/48 dev va pref high"),
    *("2001:db8:43::/48 dev va pref low", "2001:db8:44::/48 dev va src 2001:db8:1::1", "2001:db8:45::/48 dev vd"),
    *("2001:db8:46::/48 dev vc", "2001:db8:47::/48 dev va mtu lock 1400 hoplimit 9 pref high"),
    "2001:db8:50::/48 nexthop via fe80::9 dev va weight 3 nexthop via fe80::8 dev va",
    "2001:db8:51::/48 nexthop via fe80::9 dev va nexthop via fe80::8 dev vc",
)
"""Given to ip(8) for each table and protocol."""
UNUSUAL = (
    "2001:db8:60::/48 encap seg6 mode encap segs 2001:db8:99::1 dev va",
    "2001:db8:61::/48 encap ip6 id 7 dst 2001:db8:99::1 dev va",
    "2001:db8:62::/48 nhid 1",
    "2001:db8:63::/48 nhid 2",
)
"""What not every kernel has."""


@pytest.fixture
def linked() -> Iterator[Namespace]:
    """A namespace with links: ``va`` up, ``vc`` without a carrier, ``vd`` to go down once it has routes."""
    with namespaces(2) as (namespace, far):
        namespace.run(lambda: Path("/proc/sys/net/ipv6/conf/default/addr_gen_mode").write_text("1"))
        for name in ("va", "vc", "vd"):
            namespace.cable(name, far, name)
        namespace.ip("address", "add", "2001:db8:1::1/64", "dev", "va", "nodad")
        yield namespace


def ip_batch(namespace: Namespace, lines: Sequence[str], force: bool = False) -> None:
    words = ["ip", "-6", *(["-force"] if force else []), "-batch", "-"]
    done = namespace.run(lambda: subprocess.run(words, input="\n".join(lines), text=True, capture_output=True))
    assert force or not done.returncode, done.stderr


@pytest.fixture
def filled(linked: Namespace) -> Namespace:
    """The same with routes of all sorts, ours and others', in tables with small and with large numbers."""
    ip_batch(linked, ["nexthop add id 1 via fe80::9 dev va", "nexthop add id 2 dev va"], force=True)
    for table in TABLES:
        theirs = [words for words in ROUTES if "metric" not in words]
        ip_batch(linked, [f"route add table {table} proto 242 {words}" for words in ROUTES])
        ip_batch(linked, [f"route add table {table} proto 4 metric 3 {words}" for words in theirs])
        ip_batch(linked, [f"route add table {table} proto 242 {words}" for words in UNUSUAL], force=True)
    linked.ip("link", "set", "vd", "down")
    return linked


def rows_of(namespace: Namespace) -> tuple[list[bytes], Names]:
    def look() -> tuple[list[bytes], Names]:
        backend = Rtnetlink()
        dump = backend.dump({"route": None})["route"]
        backend.close()
        assert isinstance(dump, Dump), dump
        return list(dump.rows), dump.context

    return namespace.run(look)


def plain(message: Mapping[str, Any]) -> bool:
    """Return whether a route is one that we would make: nothing else is said of it."""
    said = {name for name, _ in message["attrs"]}
    known = {"RTA_TABLE", "RTA_DST", "RTA_SRC", "RTA_PRIORITY", "RTA_GATEWAY", "RTA_OIF", "RTA_CACHEINFO", "RTA_PREF"}
    return said <= known and dict(message["attrs"])["RTA_PREF"] in (0, "00")


@pytest.mark.full_too
def test_all_ways_to_read_a_route_agree(filled: Namespace) -> None:
    messages, names = theirs(filled, lambda route: list(route.get_routes(family=10)))
    rows, context = rows_of(filled)
    # Nothing changes meanwhile, and both look at the same tables in the same order.
    assert len(rows) == len(messages) > len(TABLES) * len(ROUTES)
    decoded = [Route.decode(row, context) for row in rows]
    wanted = {one.key: one for one in decoded if one is not None and one.kind == "unicast" and one.next_hops == 1}
    find = Route.expected(wanted.items(), context)
    known: set[str] = set()
    for row, one, message in zip(rows, decoded, messages, strict=True):
        assert one is not None
        assert one == route_of(message, names)
        assert RTN_TYPES[message["type"]] == one.kind
        key = find(row)
        if key is not None:
            assert wanted[key] == one
            known.add(one.destination)
        elif one.kind == "unicast" and one.next_hops == 1 and wanted[one.key] == one:
            assert not plain(message), one.describe()
    usual = {"::/0", "2001:db8:10::/48", "2001:db8:11::/48", "2001:db8:12::/48", "2001:db8:21::1/128"}
    assert known >= usual | {"2001:db8:22::/48", "2001:db8:24::/48", "2001:db8:46::/48"}
    assert known.isdisjoint({"2001:db8:40::/48", "2001:db8:42::/48", "2001:db8:43::/48", "2001:db8:44::/48"})


@pytest.mark.full_too
def test_what_we_make_ourselves_is_known_by_its_bytes(linked: Namespace) -> None:
    routes = [
        Route(routing_table=table, destination=to, source=source, metric=metric, gateway=gateway, link=link)
        for table in TABLES
        for to, source in (("::/0", "2001:db8:1::/48"), ("2001:db8::7/128", "::/0"), ("fd00::/8", "2001:db8::/32"))
        for metric in (1, 1024, 70_000)
        for link, gateway in (("va", None), ("va", "fe80::9"), ("vc", "2001:db8:77::1"))
    ]
    routes = list({one.key: one for one in routes}.values())
    expected = {one.key: one for one in routes}

    def make() -> tuple[list[Any], Observation, set[Key]]:
        backend = Rtnetlink()
        answers = backend.send(request for one in routes for request in one.create())
        dump = backend.dump({"route": frozenset(TABLES)})["route"]
        assert isinstance(dump, Dump)
        find = Route.expected(expected.items(), dump.context)
        known = {key for row in dump.rows if (key := find(row)) is not None}
        seen = Observer([backend]).look(Desired(routes), Inventory())
        backend.close()
        return answers, seen, known

    answers, seen, known = linked.run(make)
    assert answers == [None] * len(routes)
    assert known == expected.keys()
    assert seen.unsettled is not None
    assert not seen.unsettled.keys
    assert all(seen.resources[key] is one for key, one in expected.items())


# Rows told one by one.

PLACES = ("default from 2001:db8:1::/48", "default from 2001:db8:2::/48", "2001:db8:3::/48")
WAYS = (
    *("dev va", "dev va", "dev vb", "via fe80::9 dev va", "via fe80::8 dev va", "via fe80::8 dev vb"),
    "nexthop via fe80::9 dev va nexthop via fe80::8 dev va",
)
OURS = tuple(
    Route(routing_table=table, destination="::/0", source=f"2001:db8:{number}::/48", link="va", gateway=gateway)
    for table, number, gateway in ((10, 1, None), (10, 2, "fe80::9"), (300, 1, "fe80::9"))
)


class Heard:
    """A node kept as the daemon keeps it: news mark what to look at, and looks take what was told of rows."""

    def __init__(self, namespace: Namespace, number: int) -> None:
        self.namespace = namespace
        self.chance = random.Random(number)
        self.backend, self.other = Rtnetlink(), Rtnetlink()
        self.events = namespace.run(self.backend.events)
        self.second: NetlinkEvents | None = None
        self.observer = Observer([self.backend])
        self.desired = Desired(OURS)
        self.dirty = DirtySet()
        self.laid_over = 0
        self.seen = self.look(None)

    def look(self, tables: frozenset[str] | None, rows: Mapping[str, Sequence[RowNews]] | None = None) -> Observation:
        self.seen = self.namespace.run(lambda: self.observer.look(self.desired, Inventory(), tables, rows))
        return self.seen

    def by_others(self) -> None:
        lines = []
        for _ in range(self.chance.choice([1, 1, 2, 5])):
            deed = self.chance.choice(["add", "replace", "append", "del", "del"])
            options = f"table {self.chance.choice([10, 10, 300, 77])} proto {self.chance.choice([242, 242, 4])}"
            options += self.chance.choice(["", "", " metric 7"])
            way = "" if deed == "del" and self.chance.random() < 0.5 else self.chance.choice(WAYS)
            reject = self.chance.choice(["", "", "", "", "unreachable "])
            lines.append(f"route {deed} {options} {reject}{self.chance.choice(PLACES)} {'' if reject else way}")
        ip_batch(self.namespace, lines, force=True)

    def by_us(self) -> None:
        one = self.chance.choice(OURS)
        requests = one.delete() if self.chance.random() < 0.3 else one.update(one, {})
        self.namespace.run(lambda: self.backend.send(requests))
        self.look(None)

    def link(self) -> None:
        name = self.chance.choice(["va", "vb"])
        changes = [[f"link set {name} down", f"link set {name} up"], [f"link set {name} mtu 1400"], ["link del tun0"]]
        changes += [[f"link set {name} down", f"link set {name} name {name}x", f"link set {name}x up"], []]
        changes += [[f"link set {name}x down", f"link set {name}x name {name}", f"link set {name} up"], []]
        changes += [
            ["tuntap add dev tun0 mode tun", "link set tun0 up", "-6 route add 2001:db8:9::/48 dev tun0 table 10"]
        ]
        for words in self.chance.choice(changes):
            self.namespace.run(lambda words=words: subprocess.run(["ip", *words.split()], capture_output=True))  # type: ignore[misc]

    def another_wish(self) -> None:
        self.desired = Desired(self.chance.sample(OURS, self.chance.randint(1, len(OURS))))
        self.look(None)

    def listen_twice(self) -> None:
        if self.second is None:
            self.second = self.namespace.run(self.backend.events)
        else:
            self.second.close()
            self.second = None

    def read(self) -> bool:
        """Read once, where there is something; return whether there was."""
        if not select.select([self.events], [], [], 0)[0]:
            return False
        news = self.events.read()
        if news.tables is None:
            self.dirty.mark_all("lost")
        else:
            self.dirty.mark(news.tables, "news")
            self.dirty.mark_rows(news.rows, "news")
        return True

    def turn(self) -> None:
        if self.dirty:
            tables, rows, _ = self.dirty.take()
            self.laid_over += bool(rows)
            self.look(tables, rows)

    def step(self) -> None:
        others = [self.by_others] * 8
        self.chance.choice(
            [*others, self.by_us, self.link, self.another_wish, self.listen_twice, self.read, self.turn]
        )()

    def check(self) -> None:
        """See that all that was told leads to what a look sees that knows of nothing."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            while self.read():
                pass
            self.turn()
            fresh = self.namespace.run(lambda: Observer([self.other]).look(self.desired, Inventory()))
            if as_told(self.seen) == as_told(fresh):
                return
            # What comes later, such as a carrier, is told.
            waiting = select.select([self.events], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert waiting, (as_told(self.seen), as_told(fresh))

    def close(self) -> None:
        self.events.close()
        if self.second is not None:
            self.second.close()
        for backend in (self.backend, self.other):
            self.namespace.run(backend.close)


@pytest.fixture
def quiet() -> Iterator[Namespace]:
    """A namespace with the links ``va`` and ``vb`` up, and no link-local addresses, which come late."""
    with namespaces(2) as (namespace, far):
        namespace.run(lambda: Path("/proc/sys/net/ipv6/conf/default/addr_gen_mode").write_text("1"))
        for name in ("va", "vb"):
            namespace.cable(name, far, name)
        yield namespace


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize(
    ("buffer", "at_once", "most"), [(1 << 20, 512, 1000), (1 << 20, 2, 1000), (2304, 512, 1000), (1 << 20, 512, 3)]
)
def test_what_was_told_row_by_row_is_what_a_look_sees(
    quiet: Namespace, number: int, buffer: int, at_once: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netlink_events, "RECEIVE_BUFFER_BYTES", buffer)
    monkeypatch.setattr(netlink_events, "READ_MESSAGES", at_once)
    monkeypatch.setattr(looking, "MOST_LAID_OVER", most)
    heard = Heard(quiet, number)
    try:
        for _ in range(25):
            for _ in range(heard.chance.choice([1, 1, 2, 4])):
                heard.step()
            heard.check()
        assert heard.laid_over
    finally:
        heard.close()


@pytest.mark.full_too
def test_what_the_kernel_hid_between_next_hops_is_seen_when_they_go(quiet: Namespace) -> None:
    """A dump goes on after the last next hop of a route, and passes over what was put between them."""
    heard = Heard(quiet, 0)
    place = "table 10 proto 242 default from 2001:db8:1::/48"
    try:
        ways = ("via fe80::9 dev va", "dev vb", "via fe80::8 dev va")
        ip_batch(quiet, [f"route append {place} {way}" for way in ways])
        heard.look(None)
        heard.check()
        # Of one with no next hop named the kernel deletes all, and says so in one notification.
        ip_batch(quiet, [f"route del {place}"])
        heard.check()
        assert heard.seen.resources[OURS[0].key].show("link") == "vb"
    finally:
        heard.close()


def test_of_thousands_of_requests_each_has_its_own_answer(quiet: Namespace) -> None:
    routes = [
        Route(routing_table=10, destination=f"2001:db8:{number:x}::/48", link="va" if number % 3 else "vb")
        for number in range(1, 4001)
    ]
    there = routes[::7]

    def work() -> tuple[Answers, Answers, list[Answers]]:
        backend = Rtnetlink()
        first = backend.send(request for one in there for request in one.create())
        second = backend.send(request for one in routes for request in one.create())
        gone = [backend.send(request for one in routes for request in one.delete()) for _ in range(2)]
        backend.close()
        return first, second, gone

    first, second, gone = quiet.run(work)
    assert first == [None] * len(there)
    assert len(second) == len(routes)
    for number, answer in enumerate(second):
        if number % 7:
            assert answer is None
        else:
            assert isinstance(answer, OccupiedError)
            assert str(answer).startswith(f"add {routes[number].describe()}")
    # What is not there any more is what was asked for.
    assert gone == [[None] * len(routes)] * 2
