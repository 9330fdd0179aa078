"""What babelds of several versions told, as it was recorded, and what is known then."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.backends.babel_lines import Lines
from reconciler.backends.babel_table import BabelTable, Interface, Known, Neighbour, Route, RouteCounts, Xroute

STREAMS = Path(__file__).parent / "streams"
VERSIONS = ("1.8.5", "1.12.1", "1.14")
ROUTER = "02:00:00:00:00:00:00:0a"


def recorded(name: str) -> list[bytes]:
    return [line for line in (STREAMS / f"{name}.txt").read_bytes().splitlines() if line != b"ok"]


def snapshot(name: str) -> list[bytes]:
    return (STREAMS / f"{name}.txt").read_bytes().split(b"\nok\n")[0].splitlines()


def table_of(lines: list[bytes], routes: bool = True) -> BabelTable:
    table = BabelTable(routes)
    table.begin("babeld-1.12.1", ROUTER)
    table.take(lines)
    assert table.refused_lines_total == 0
    return table


def facts(known: Known) -> Known:
    """Return what is known with the routes as values, in an order of their own."""
    return known._replace(routes=None if known.routes is None else tuple(sorted(known.routes)))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_learner_knows_at_first_what_babeld_tells_at_first(version: str) -> None:
    known = table_of(snapshot(f"{version}-learner")).known()
    assert known.interfaces == (Interface("vB", True, "fe80::206b:e7ff:fee9:9805", None),)
    (neighbour,) = known.neighbours
    assert (neighbour.address, neighbour.interface) == ("fe80::180f:37ff:feef:4e2b", "vB")
    assert neighbour.reach in (0xFC00, 0xF000, 0xFE00, 0xF800)
    assert neighbour.rtt_ms is not None
    assert neighbour.rtt_ms > 0
    via = "fe80::180f:37ff:feef:4e2b"
    assert known.defaults == (Route("::/0", "2001:db8:1::/64", True, ROUTER, 96, 0, via, "vB"),)
    assert known.routes is not None
    assert sorted(known.routes) == [
        Route("2001:db8:aa::/48", "::/0", True, ROUTER, 96, 0, via, "vB"),
        Route("::/0", "2001:db8:1::/64", True, ROUTER, 96, 0, via, "vB"),
    ]
    assert (known.counts, known.routers) == (RouteCounts(2, 0, 0), 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_learner_knows_nothing_any_more_when_its_neighbour_is_gone(version: str) -> None:
    known = facts(table_of(recorded(f"{version}-learner")).known())
    assert known.interfaces == (Interface("vB", True, "fe80::206b:e7ff:fee9:9805", None),)
    assert known[3:] == ((), (), (), RouteCounts(0, 0, 0), 0, ())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_route_that_is_installed_and_down_is_unreachable(version: str) -> None:
    stream = recorded(f"{version}-learner")
    down = next(number for number, line in enumerate(stream) if b"yes id" in line and b" metric 65535" in line)
    before, after = table_of(stream[:down]).known(), table_of(stream[: down + 1]).known()
    assert before.counts is not None
    assert after.counts is not None
    assert before.counts.unreachable == 0
    assert after.counts.unreachable == 1
    assert len(after.defaults) == len(before.defaults) - 1


@pytest.mark.parametrize("version", VERSIONS)
def test_an_announcer_knows_what_it_announces(version: str) -> None:
    known = table_of(recorded(f"{version}-announcer")).known()
    # Its link is down at the end, and it was told to take up `lo` and to forget it.
    assert known.interfaces == (Interface("vA", False, None, None),)
    announced = [Xroute("2001:db8:aa::/48", "::/0", 0), Xroute("::/0", "2001:db8:1::/64", 0)]
    if version == "1.8.5":
        # It does not say that an announcement has changed or is gone.
        announced.append(Xroute("::/0", "2001:db8:2::/64", 0))
    assert list(known.xroutes) == announced


def test_ipv4_beside_ipv6() -> None:
    known = table_of(recorded("1.12.1-ipv4")).known()
    assert known.interfaces == (Interface("vB", True, "fe80::3405:c0ff:fe19:de1d", "10.9.0.2"),)
    via = "fe80::fcea:73ff:feb3:ca7"
    assert known.neighbours == (Neighbour(via, "vB", 0xFFF0, 0, 96, 96, 96, None, None),)
    assert known.xroutes == (Xroute("10.77.0.0/16", "0.0.0.0/0", 0),)
    assert known.defaults == (Route("0.0.0.0/0", "0.0.0.0/0", True, "94:53:70:e8:e9:c5:10:7a", 96, 0, via, "vB"),)
    assert known.counts == RouteCounts(3, 0, 0)


@pytest.mark.parametrize("routes", [True, False])
def test_what_monitor_repeats_changes_nothing(routes: bool) -> None:
    stream = recorded("1.12.1-steady")
    table = table_of(stream, routes)
    before, known = (table.changes, table.route_changes), table.known()
    for _ in range(3):
        table.take(stream)
        table.take([line.replace(b"change", b"add", 1) for line in stream])
    assert (table.changes, table.route_changes) == before
    assert table.known() is known
    assert table.lines_total == 7 * len(stream)


@pytest.mark.parametrize("name", [path.stem for path in sorted(STREAMS.glob("*.txt"))])
def test_without_routes_the_rest_is_the_same(name: str) -> None:
    """Also after each single line."""
    full, lean = table_of([]), table_of([], routes=False)
    for line in recorded(name):
        full.take([line])
        lean.take([line])
        assert lean.known() == full.known()._replace(counts=None, routers=None, routes=None)
        assert lean.changes == full.changes


@pytest.mark.parametrize("name", [path.stem for path in sorted(STREAMS.glob("*.txt"))])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 160, 1000, 100_000])
def test_a_stream_may_come_in_parts_of_any_size(name: str, size: int) -> None:
    stream = (STREAMS / f"{name}.txt").read_bytes()
    lines, table = Lines(), table_of([])
    for start in range(0, len(stream), size):
        table.take([line for line in lines.cut(stream[start : start + size]) if line != b"ok"])
    assert not lines.begun
    assert facts(table.known()) == facts(table_of(recorded(name)).known())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stream_may_be_cut_at_any_byte(version: str) -> None:
    """The half line is not there yet; what was told before it is known."""
    stream = b"\n".join(recorded(f"{version}-learner")) + b"\n"
    table = table_of([])
    expected = facts(table.known())
    for end in range(len(stream)):
        lines = Lines()
        complete = lines.cut(stream[:end])
        assert lines.begun == (end > 0 and stream[end - 1 : end] != b"\n")
        rest = lines.cut(stream[end:])
        assert b"\n".join(complete + rest) + b"\n" == stream
        if end and stream[end - 1 : end] == b"\n":
            table.take(complete[-1:])
            expected = facts(table.known())
        assert facts(table.known()) == expected
    assert table.refused_lines_total == 0
