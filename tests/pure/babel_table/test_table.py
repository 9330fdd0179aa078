from __future__ import annotations

import tracemalloc

import pytest

from reconciler.backends import babel_table
from reconciler.backends.babel_lines import LONGEST_LINE_BYTES, Lines, parse
from reconciler.backends.babel_table import BabelTable, Interface, Neighbour, RouteCounts, Xroute

VIA = "fe80::1"


def route(
    identifier: str = "a1",
    prefix: str = "2001:db8:1::/48",
    source: str = "::/0",
    *,
    verb: str = "add",
    installed: str = "yes",
    metric: int = 96,
    via: str = VIA,
    router: str = "02:00:00:00:00:00:00:0a",
) -> bytes:
    return (
        f"{verb} route {identifier} prefix {prefix} from {source} installed {installed} id {router} metric {metric} "
        f"refmetric 0 via {via} if mesh0"
    ).encode()


def neighbour(identifier: str = "b1", address: str = "fe80::1", cost: int = 96, verb: str = "add") -> bytes:
    return (
        f"{verb} neighbour {identifier} address {address} if mesh0 reach ffff ureach 0000 rxcost 96 txcost 96 "
        f"cost {cost}"
    ).encode()


@pytest.fixture
def table() -> BabelTable:
    table = BabelTable(True)
    table.begin("babeld-1.12.1", "02:00:00:00:00:00:00:01")
    return table


def destinations(table: BabelTable) -> list[str]:
    return sorted(row.destination for row in table.known().routes or ())


def test_a_new_connection_begins_with_nothing(table: BabelTable) -> None:
    table.take([route(), route("a2", "::/0"), neighbour(), b"add interface mesh0 up true"])
    before = table.changes, table.route_changes
    table.begin("babeld-1.14", "02:00:00:00:00:00:00:02")
    assert table.changes > before[0]
    assert table.route_changes > before[1]
    known = table.known()
    assert (known.version, known.router_id) == ("babeld-1.14", "02:00:00:00:00:00:00:02")
    assert known[2:-1] == ((), (), (), (), RouteCounts(0, 0, 0), 0)
    assert list(known.routes or ()) == []
    assert table.dump() == []


def test_numbers_rise_with_what_they_are_of(table: BabelTable) -> None:
    table.take([neighbour(), route(), route("a2", "::/0")])

    def rises(line: bytes) -> tuple[bool, bool]:
        before = table.changes, table.route_changes
        table.take([line])
        return table.changes > before[0], table.route_changes > before[1]

    assert rises(neighbour(cost=97, verb="change")) == (True, False)
    assert rises(route(metric=97, verb="change")) == (False, True)
    assert rises(route("a2", "::/0", metric=97, verb="change")) == (True, True)
    assert rises(route("a2", "::/0", metric=65535, verb="change")) == (True, True)
    # What is down and stays so is no way out before and after.
    assert rises(route("a2", "::/0", metric=65535, installed="no", verb="change")) == (False, True)
    assert rises(route("a2", "::/0", metric=65535, installed="no", verb="flush")) == (False, True)
    assert rises(b"add interface lo up false") == (True, False)
    assert rises(b"add xroute a-b prefix 2001:db8::/32 from ::/0 metric 0") == (True, False)
    assert rises(b"change xroute a-b prefix 2001:db8::/32 from ::/0 metric 0") == (False, False)
    assert rises(neighbour("ffff", verb="flush")) == (False, False)


def test_an_identifier_is_used_again(table: BabelTable) -> None:
    table.take([route("a1", "2001:db8:1::/48"), route("a1", "2001:db8:1::/48", verb="flush")])
    table.take([route("a1", "2001:db8:2::/48")])
    assert destinations(table) == ["2001:db8:2::/48"]
    # The flush got lost with a garbled line.
    table.take([route("a1", "2001:db8:3::/48")])
    assert destinations(table) == ["2001:db8:3::/48"]
    assert table.known().counts == RouteCounts(1, 0, 0)


def test_an_identifier_is_used_again_for_what_another_was(table: BabelTable) -> None:
    """Neither was said to be gone."""
    table.take([route("a1", "2001:db8:1::/48", router="0a"), route("a2", "::/0", router="0b")])
    table.take([route("a1", "::/0", router="0c", metric=99)])
    known = table.known()
    assert [one.metric for one in known.defaults] == [99]
    assert (known.counts, known.routers) == (RouteCounts(1, 0, 0), 1)
    assert table.dump() == [route("a1", "::/0", router="0c", metric=99)]


def test_what_is_added_again_by_another_identifier_is_there_once(table: BabelTable) -> None:
    table.take([route("a1", "::/0"), neighbour("b1", cost=96)])
    table.take([route("a2", "::/0", metric=100), neighbour("b2", cost=100)])
    # Of the ones that are no more.
    table.take([route("a1", "::/0", verb="flush"), neighbour("b1", verb="flush")])
    known = table.known()
    assert [one.cost for one in known.neighbours] == [100]
    assert [one.metric for one in known.defaults] == [100]
    assert known.counts == RouteCounts(1, 0, 0)
    table.take([route("a2", "::/0", metric=100, verb="flush"), neighbour("b2", cost=100, verb="flush")])
    assert table.known()[2:-1] == ((), (), (), (), RouteCounts(0, 0, 0), 0)


def test_the_same_by_another_identifier_goes_with_that_one(table: BabelTable) -> None:
    table.take([route("a1", "::/0"), neighbour("b1")])
    changes = table.changes
    table.take([route("a2", "::/0"), neighbour("b2")])
    assert table.changes == changes
    table.take([route("a2", "::/0", verb="flush"), neighbour("b2", verb="flush")])
    assert table.known().defaults == ()
    assert table.known().neighbours == ()


def test_a_change_of_what_is_unknown_adds_it(table: BabelTable) -> None:
    table.take([route(verb="change"), neighbour(verb="change"), b"change interface mesh0 up true ipv6 fe80::9"])
    known = table.known()
    assert (len(known.routes or ()), len(known.neighbours)) == (1, 1)
    assert known.interfaces == (Interface("mesh0", True, "fe80::9", None),)


def test_routes_are_counted_by_state(table: BabelTable) -> None:
    table.take(
        [
            route("a1", via="fe80::1", router="0a"),
            route("a2", via="fe80::2", router="0a", installed="no"),
            route("a3", "2001:db8:2::/48", router="0b", metric=65535),
            route("a4", "2001:db8:3::/48", router="0c", metric=70000, installed="no"),
            route("a5", "2001:db8:4::/48", router="0d"),
        ]
    )
    assert table.known().counts == RouteCounts(installed=2, fallback=1, unreachable=2)
    assert table.known().routers == 2
    table.take([route("a5", "2001:db8:4::/48", router="0a", verb="change")])
    assert table.known().routers == 1


def test_defaults_are_the_reachable_ones_the_best_first(table: BabelTable) -> None:
    table.take(
        [
            route("a1", "::/0", "2001:db8:1::/48", metric=50, installed="no", via="fe80::1"),
            route("a2", "::/0", "2001:db8:1::/48", metric=300, via="fe80::2"),
            route("a3", "0.0.0.0/0", metric=200),
            route("a4", "::/0", metric=65535),
            route("a5", "2000::/3", metric=10),
        ]
    )
    assert [(one.destination, one.metric) for one in table.known().defaults] == [
        ("0.0.0.0/0", 200),
        ("::/0", 300),
        ("::/0", 50),
    ]


def test_prefixes_and_addresses_have_one_spelling(table: BabelTable) -> None:
    table.take(
        [b"add xroute x prefix 2001:DB8:0:0::/48 from 0::/0 metric 3", route("a1", "10.1.2.3/8", via="FE80:0::1")]
    )
    assert table.known().xroutes == (Xroute("2001:db8::/48", "::/0", 3),)
    (row,) = table.known().routes or ()
    assert (row.destination, row.via) == ("10.0.0.0/8", "fe80::1")


def test_fields_of_a_newer_babeld_are_passed_over(table: BabelTable) -> None:
    table.take(
        [
            b"add interface mesh0 up true speed 7 ipv6 fe80::9 colour red",
            b"add neighbour b1 address fe80::1 if mesh0 reach fff0 ureach 000f loss 3 rxcost 96 txcost 97 "
            b"rtt 1.250 jitter 7 rttcost 2 cost 98 mood good",
            b"add xroute x prefix 2001:db8::/32 tag 5 from ::/0 metric 0 new",
            route().replace(b" metric", b" seqno 17 metric") + b" age 5",
            b"add policy 7 whatever it says",
        ]
    )
    known = table.known()
    assert known.interfaces == (Interface("mesh0", True, "fe80::9", None),)
    assert known.neighbours == (Neighbour("fe80::1", "mesh0", 0xFFF0, 0x000F, 96, 97, 98, 1.25, 2),)
    assert known.xroutes == (Xroute("2001:db8::/32", "::/0", 0),)
    assert destinations(table) == ["2001:db8:1::/48"]
    assert table.refused_lines_total == 0


def test_a_very_long_line_of_a_newer_babeld_is_kept_short(table: BabelTable) -> None:
    line = route() + b" why " + b"x" * 3000
    for _ in range(2):
        table.begin_snapshot()
        table.take([line])
        table.end_snapshot()
        assert destinations(table) == ["2001:db8:1::/48"]
    assert table.dump() == [route()]
    assert table.refused_lines_total == 0


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"ok",
        b"add",
        b"add route",
        b"add route ",
        b"remove" + route()[3:],
        route()[:60],
        route("a1", "2001:db8:::/48"),
        route("a1", "2001:db8::/129"),
        route("a1", "10.0.0.0/33"),
        route("a1", "::/0", "nonsense"),
        route("a1", via="fe80::x"),
        route("a1", via="fe80:::1"),
        route("0xa1"),
        route(installed="maybe"),
        route() + b"withanameastoolong",
        neighbour(address="1.2.3"),
        b"add interface  up true",
        b"add interface mesh0 up perhaps",
        b"add xroute x prefix 2001:db8::/32 from ::/0 metric -1",
        b"\x00\xff\xfe",
        route() + b" " + b"x" * LONGEST_LINE_BYTES,
    ],
)
def test_a_line_that_no_babeld_writes_is_counted_and_does_no_harm(table: BabelTable, line: bytes) -> None:
    table.take([route("a1", "2001:db8:5::/48"), neighbour()])
    before = table.dump()
    table.take([line, route("a2", "2001:db8:6::/48")])
    assert table.refused_lines_total == 1
    assert table.dump() == [*before, route("a2", "2001:db8:6::/48")]
    assert destinations(table) == ["2001:db8:5::/48", "2001:db8:6::/48"]


def test_what_a_dump_does_not_repeat_is_gone(table: BabelTable) -> None:
    table.take([route("a1", "::/0"), route("a2"), neighbour(), b"add interface mesh0 up true"])
    table.take([neighbour(cost=97, verb="change")])
    table.begin_snapshot()
    table.take([b"add interface mesh0 up true", neighbour(cost=97)])
    table.take([route("a3", "2001:db8:3::/48")])
    # While it comes nothing is missing.
    assert len(table.known().routes or ()) == 3
    table.end_snapshot()
    known = table.known()
    assert destinations(table) == ["2001:db8:3::/48"]
    assert known.defaults == ()
    assert len(known.neighbours) == len(known.interfaces) == 1


def test_a_dump_that_repeats_everything_changes_nothing(table: BabelTable) -> None:
    table.take([route("a1", "::/0", verb="change"), route("a2"), neighbour(verb="change")])
    before, known = (table.changes, table.route_changes), table.known()
    for _ in range(2):
        table.begin_snapshot()
        table.take([route("a1", "::/0"), route("a2"), neighbour()])
        table.end_snapshot()
    assert (table.changes, table.route_changes) == before
    assert table.known() is known


def test_an_end_without_a_beginning_forgets_nothing(table: BabelTable) -> None:
    table.take([route()])
    table.end_snapshot()
    table.begin_snapshot()
    table.begin("babeld-1.12.1", "")
    table.take([route()])
    table.end_snapshot()
    assert destinations(table) == ["2001:db8:1::/48"]


def test_there_is_a_bound_to_what_is_kept(table: BabelTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(babel_table, "MOST_KEPT", 10)
    lines = [route(f"{number:x}", f"2001:db8:{number:x}::/48") for number in range(1, 15)]
    table.take(lines)
    assert len(table.known().routes or ()) == 10
    assert table.dropped_lines_total == 4
    # What is known may change, and makes room where it goes.
    table.take([lines[0].replace(b"metric 96", b"metric 97"), lines[1].replace(b"add", b"flush"), lines[12]])
    assert len(table.known().routes or ()) == 10
    assert table.dropped_lines_total == 4


def test_a_dump_is_as_babeld_would_give_it(table: BabelTable) -> None:
    table.take([route(verb="change"), neighbour(verb="change"), b"change interface mesh0 up false"])
    table.take([b"change xroute x prefix 2001:db8::/32 from ::/0 metric 0"])
    assert table.dump() == [
        b"add interface mesh0 up false",
        neighbour(),
        b"add xroute x prefix 2001:db8::/32 from ::/0 metric 0",
        route(),
    ]


def test_routes_that_are_not_kept_take_no_memory() -> None:
    table = BabelTable(False)
    table.begin("babeld-1.12.1", "")
    tracemalloc.start()
    try:
        for start in range(0, 20_000, 1000):
            table.take([route(f"{start + n:x}", f"2001:db8:{start + n:x}::/48") for n in range(1, 1001)])
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
    known = table.known()
    assert (known.routes, known.counts, known.routers) == (None, None, None)
    assert (table.lines_total, table.refused_lines_total) == (20_000, 0)


def test_ten_thousand_routes_take_six_mebibytes(table: BabelTable) -> None:
    text = b"\n".join(
        route(f"{0x55A9D22D0000 + 160 * n:x}", f"2001:db8:{n:x}::/64", via="fe80::180f:37ff:feef:4e2b")
        for n in range(1, 10_001)
    )
    tracemalloc.start()
    try:
        table.take(text.split(b"\n"))
        table.known()
        assert tracemalloc.get_traced_memory()[0] < 6 << 20
    finally:
        tracemalloc.stop()


def test_routes_are_read_when_they_are_looked_at(table: BabelTable) -> None:
    table.take([route(f"{n:x}", f"2001:db8:{n:x}::/48") for n in range(1, 5)])
    routes = table.known().routes
    assert routes is not None
    table.take([route("1", "2001:db8:1::/48", verb="flush")])
    # Those of that moment.
    assert len(routes) == 4
    assert routes[0].destination == "2001:db8:1::/48"
    assert [one.destination for one in routes[2:]] == ["2001:db8:3::/48", "2001:db8:4::/48"]
    assert routes[-1] in routes


def test_a_flush_says_what_is_gone() -> None:
    event = parse(neighbour(verb="flush"))
    assert event is not None
    assert (event.verb, event.identifier) == (b"flush", b"b1")


def test_a_line_that_is_too_long_is_left_out() -> None:
    lines = Lines()
    assert lines.cut(b"one\n" + b"x" * 5000) == [b"one"]
    assert lines.cut(b"x" * 5000) == []
    assert lines.begun
    assert lines.cut(b"x\ntwo\nthr") == [b"two"]
    assert lines.cut(b"ee\n") == [b"three"]
    assert lines.refused_total == 1
    assert not lines.begun


def test_the_link_that_only_lets_babeld_start_is_none_of_its_interfaces(table: BabelTable) -> None:
    table.take([b"add interface stellwerk-none up false", b"add interface mesh0 up false"])
    assert [one.name for one in table.known().interfaces] == ["mesh0"]
