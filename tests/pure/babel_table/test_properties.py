"""After any stream of lines the table is as if it had been made of a fresh dump."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reconciler.backends.babel_lines import Lines
from reconciler.backends.babel_table import BabelTable, Known, Route, RouteCounts

POINTERS = tuple(f"55a9d22d{number:04x}" for number in range(0, 0xC00, 0xA0))
LINKS = ("mesh0", "wg-mesh")
ADDRESSES = ("fe80::1", "fe80::2", "fe80::3")
PREFIXES = ("::/0", "2001:db8:1::/48", "2000::/3", "0.0.0.0/0", "10.0.0.0/8")
SOURCES = ("::/0", "2001:db8:9::/48")
ROUTERS = ("02:00:00:00:00:00:00:0a", "02:00:00:00:00:00:00:0b", "02:00:00:00:00:00:00:0c")
METRICS = (0, 96, 97, 65534, 65535, 70000)

COSTS = st.sampled_from((96, 97, 65535))
REPEATS = st.integers(0, 3)


@dataclass
class Babeld:
    """What a babeld knows and how it tells of that; as real ones it gives an address that is free again to another."""

    interfaces: dict[str, str] = field(default_factory=dict)
    xroutes: dict[tuple[str, str], int] = field(default_factory=dict)
    # By pointer: what it is, what of two only one can have, and the rest of its line.
    objects: dict[str, tuple[str, tuple[str, ...], str]] = field(default_factory=dict)

    def line(self, verb: str, pointer: str) -> str:
        kind, place, rest = self.objects[pointer]
        if kind == "neighbour":
            return f"{verb} neighbour {pointer} address {place[0]} if {place[1]} {rest}"
        destination, source, via, link = place
        return f"{verb} route {pointer} prefix {destination} from {source} {rest} via {via} if {link}"

    def xroute(self, verb: str, key: tuple[str, str]) -> str:
        return f"{verb} xroute {key[0]}-{key[1]} prefix {key[0]} from {key[1]} metric {self.xroutes[key]}"

    def dump(self) -> list[bytes]:
        lines = [f"add interface {name} {rest}" for name, rest in self.interfaces.items()]
        lines += [self.xroute("add", key) for key in self.xroutes]
        lines += [self.line("add", pointer) for pointer in self.objects]
        return [line.encode() for line in lines]


def neighbours_rest(cost: int) -> str:
    rtt = " rtt 1.250 rttcost 3" if cost == 97 else ""
    return f"reach fff0 ureach 0000 rxcost 96 txcost {cost}{rtt} cost {cost}"


def routes_rest(installed: bool, router: str, metric: int) -> str:
    return f"installed {'yes' if installed else 'no'} id {router} metric {metric} refmetric 0"


def facts(known: Known) -> Known:
    return known._replace(routes=None if known.routes is None else tuple(sorted(known.routes)))


def fresh(lines: list[bytes], routes: bool) -> BabelTable:
    table = BabelTable(routes)
    table.begin("babeld-1.12.1", ROUTERS[0])
    table.take(lines)
    return table


class Following(RuleBasedStateMachine):
    """A babeld that is told of line by line, to a table with routes and to one without."""

    def __init__(self) -> None:
        super().__init__()
        self.babeld = Babeld()
        self.tables = (fresh([], True), fresh([], False))
        self.pending: list[bytes] = []

    @initialize()
    def begin(self) -> None:
        for table in self.tables:
            table.begin("babeld-1.12.1", ROUTERS[0])

    def tell(self, *lines: str) -> None:
        self.pending += [line.encode() for line in lines]

    @rule(name=st.sampled_from(LINKS), up=st.booleans(), ipv4=st.booleans())
    def interface(self, name: str, up: bool, ipv4: bool) -> None:
        verb = "change" if name in self.babeld.interfaces else "add"
        rest = f"up true ipv6 fe80::9{' ipv4 10.0.0.1' if ipv4 else ''}" if up else "up false"
        self.babeld.interfaces[name] = rest
        self.tell(f"{verb} interface {name} {rest}")

    @precondition(lambda self: self.babeld.interfaces)
    @rule(data=st.data())
    def interface_goes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.babeld.interfaces)))
        self.tell(f"flush interface {name} {self.babeld.interfaces.pop(name)}")

    @rule(destination=st.sampled_from(PREFIXES), source=st.sampled_from(SOURCES), metric=st.sampled_from(METRICS))
    def xroute(self, destination: str, source: str, metric: int) -> None:
        key = destination, source
        verb = "change" if key in self.babeld.xroutes else "add"
        self.babeld.xroutes[key] = metric
        self.tell(self.babeld.xroute(verb, key))

    @precondition(lambda self: self.babeld.xroutes)
    @rule(data=st.data())
    def xroute_goes(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.babeld.xroutes)))
        self.tell(self.babeld.xroute("flush", key))
        del self.babeld.xroutes[key]

    @rule(
        pointer=st.sampled_from(POINTERS),
        address=st.sampled_from(ADDRESSES),
        link=st.sampled_from(LINKS),
        cost=COSTS,
        silent=st.booleans(),
    )
    def neighbour(self, pointer: str, address: str, link: str, cost: int, silent: bool) -> None:
        self._put(pointer, "neighbour", (address, link), neighbours_rest(cost), silent)

    @rule(
        pointer=st.sampled_from(POINTERS),
        destination=st.sampled_from(PREFIXES),
        source=st.sampled_from(SOURCES),
        via=st.sampled_from(ADDRESSES),
        link=st.sampled_from(LINKS),
        installed=st.booleans(),
        router=st.sampled_from(ROUTERS),
        metric=st.sampled_from(METRICS),
        silent=st.booleans(),
    )
    def route(
        self,
        pointer: str,
        destination: str,
        source: str,
        via: str,
        link: str,
        installed: bool,
        router: str,
        metric: int,
        silent: bool,
    ) -> None:
        place = (destination, source, via, link)
        self._put(pointer, "route", place, routes_rest(installed, router, metric), silent)

    def _put(self, pointer: str, kind: str, place: tuple[str, ...], rest: str, silent: bool) -> None:
        """Have an object; ``silent`` when another one made room for it without a word."""
        objects = self.babeld.objects
        there = next((other for other, (of, at, _) in objects.items() if (of, at) == (kind, place)), None)
        known = objects.get(pointer)
        if known is not None and known[:2] != (kind, place):
            return
        if there is not None and there != pointer:
            late = self.babeld.line("flush", there)
            del objects[there]
            objects[pointer] = (kind, place, rest)
            # babeld may tell of the new one first.
            self.tell(self.babeld.line("add", pointer), *([] if silent else [late]))
            return
        objects[pointer] = (kind, place, rest)
        self.tell(self.babeld.line("add" if known is None else "change", pointer))

    @precondition(lambda self: self.babeld.objects)
    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        pointer = data.draw(st.sampled_from(sorted(self.babeld.objects)))
        self.tell(self.babeld.line("flush", pointer))
        del self.babeld.objects[pointer]

    @precondition(lambda self: self.babeld.objects)
    @rule(data=st.data())
    def changes_before_it_is_added(self, data: st.DataObject) -> None:
        pointer = data.draw(st.sampled_from(sorted(self.babeld.objects)))
        self.tell(self.babeld.line("change", pointer))

    @rule(
        line=st.one_of(
            st.binary(max_size=40).filter(lambda line: b"\n" not in line),
            st.sampled_from(
                [b"add route", b"flush neighbour 55a9d22d0000", b"change route zz prefix ::/0", b"add gizmo 1"]
            ),
        )
    )
    def nonsense(self, line: bytes) -> None:
        self.pending.append(line)

    @rule()
    def unknown_flush(self) -> None:
        self.tell(
            "flush route 999999 prefix ::/0 from ::/0 installed no id 0a metric 65535 refmetric 0 via fe80::1 if a"
        )

    @rule()
    def repeats(self) -> None:
        """All that it says a second time changes nothing."""
        self.take()
        for table in self.tables:
            before, known = (table.changes, table.route_changes), table.known()
            table.take(self.babeld.dump())
            table.take([line.replace(b"add", b"change", 1) for line in self.babeld.dump()])
            assert (table.changes, table.route_changes) == before
            assert table.known() is known

    @rule(lost=st.booleans())
    def dumps(self, lost: bool) -> None:
        """It is asked for all it knows; some of what happened before may never have been told."""
        if lost:
            self.pending.clear()
        self.take()
        for table in self.tables:
            table.begin_snapshot()
            table.take(self.babeld.dump())
            table.end_snapshot()

    @rule()
    def take(self) -> None:
        for table in self.tables:
            changes, known = table.changes, table.known()
            table.take(self.pending)
            same = facts(known)[:6] == facts(table.known())[:6]
            assert same or table.changes > changes
        self.pending.clear()

    @invariant()
    def is_as_if_made_of_a_fresh_dump(self) -> None:
        if self.pending:
            return
        full, lean = self.tables
        assert facts(full.known()) == facts(fresh(self.babeld.dump(), True).known())
        assert lean.known() == fresh(self.babeld.dump(), False).known()
        assert sorted(full.dump()) == sorted(self.babeld.dump())
        routes = list(full.known().routes or ())
        assert full.known().counts == counted(routes)
        assert full.known().routers == len({one.router_id for one in routes if one.metric < 65535})


def counted(routes: list[Route]) -> RouteCounts:
    reachable = [one for one in routes if one.metric < 65535]
    installed = sum(one.installed for one in reachable)
    return RouteCounts(installed, len(reachable) - installed, len(routes) - len(reachable))


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

LINE = (
    b"change route 55a9d22d00a0 prefix 2001:db8:1::/48 from ::/0 installed yes id 02:00:00:00:00:00:00:0a metric 96 "
    b"refmetric 0 via fe80::1 if mesh0"
)
SAMPLES = (
    LINE,
    LINE.replace(b"2001:db8:1::/48", b"::/0"),
    b"add neighbour 55a9d22d0000 address fe80::1 if mesh0 reach fff0 ureach 0000 rxcost 96 txcost 96 rtt 1.250 "
    b"rttcost 3 cost 99",
    b"add interface mesh0 up true ipv6 fe80::9 ipv4 10.0.0.1",
    b"flush xroute ::/0-::/0 prefix ::/0 from ::/0 metric 0",
)


@given(
    st.sampled_from(SAMPLES),
    st.lists(
        st.tuples(st.integers(0, 200), st.integers(0, 2), st.binary(min_size=1, max_size=3)), min_size=1, max_size=4
    ),
    st.booleans(),
)
def test_a_garbled_line_harms_nothing_else(line: bytes, damages: list[tuple[int, int, bytes]], routes: bool) -> None:
    for place, width, text in damages:
        at = place % (len(line) + 1)
        line = line[:at] + text + line[at + width :]
    others = [LINE.replace(b"00a0", b"0f00").replace(b"fe80::1", b"fe80::77"), b"add interface other up false"]
    table = fresh(others, routes)
    table.take([line])
    # Whatever has come in can be looked at.
    assert all(row for row in table.known().routes or ())
    assert all(parsed in fresh(table.dump(), routes).dump() for parsed in table.dump())
    assert table.refused_lines_total <= 1
    assert any(one.name == "other" for one in table.known().interfaces)
    if routes:
        assert any(one.via == "fe80::77" for one in table.known().routes or ())


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_lines_are_the_same_however_they_come(data: bytes, cuts: list[int]) -> None:
    lines, got, start = Lines(), [], 0
    for end in [*sorted(cuts), len(data)]:
        got += lines.cut(data[start : max(start, end)])
        start = max(start, end)
    *expected, rest = data.split(b"\n")
    assert got == expected
    assert lines.begun == bool(rest)
