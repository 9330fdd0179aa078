"""Notifications of the kernel as bytes in, which tables to look at and who changed them out."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.resources import netlink
from intent.resources.address import RTM_NEWADDR
from intent.resources.link import IFLA_IFNAME, IFLA_MTU, RTM_NEWLINK
from intent.resources.netlink import Body
from intent.resources.route import RTA_TABLE, RTM_DELROUTE, RTM_NEWROUTE
from intent.resources.rule import RTM_DELRULE, RTM_NEWRULE
from reconciler.backends import netlink_events
from reconciler.backends.netlink_events import (
    AF_BRIDGE,
    IFLA_WIRELESS,
    NLMSG_OVERRUN,
    RTM_DELADDR,
    RTM_DELLINK,
    Digest,
)
from reconciler.backends.netlink_filter import FILTERED_TABLES, RTM_F_CLONED, program
from reconciler.core.backend import News, Partitions

OURS = 5000
GONE = 4_294_960_001
"""No process has this number."""
IPV4, IPV6 = 2, 10
EVERYTHING = News(tables=None)


def message(kind: int, payload: bytes, port: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, 0, 0, port) + payload


def parts(body: Body) -> bytes:
    return b"".join(part for part in body if isinstance(part, bytes))


def link(kind: int = RTM_NEWLINK, family: int = 0, change: int = 0, inside: Body = ()) -> bytes:
    header = struct.pack("=BxHiII", family, 1, 2, 0x1043, change)
    name = netlink.string(IFLA_IFNAME, "mesh0")
    return message(kind, header + parts((*name, *(inside or netlink.u32(IFLA_MTU, 1500)))))


def address(kind: int, family: int, port: int = 0) -> bytes:
    return message(kind, struct.pack("=BBBBI", family, 64, 0, 0, 2), port)


def route(table: int, kind: int = RTM_NEWROUTE, port: int = 0, protocol: int = 4, flags: int = 0) -> bytes:
    header = struct.pack("=BBBBBBBBI", IPV6, 0, 0, 0, table if table < 256 else 252, protocol, 0, 1, flags)
    return message(kind, header + parts(netlink.u32(RTA_TABLE, table)), port)


def rule(kind: int, family: int, port: int = 0) -> bytes:
    return message(kind, bytes([family]) + bytes(11), port)


def news(*datagrams: bytes, tables: Partitions = None) -> News:
    digest = Digest(tables, {OURS})
    for datagram in datagrams:
        digest.add(datagram)
    return digest.news()


@pytest.mark.parametrize(
    ("told", "tables"),
    [
        (link(RTM_NEWLINK), {"link", "address", "route"}),
        (link(RTM_DELLINK), {"link", "address", "route"}),
        (address(RTM_NEWADDR, IPV6), {"address"}),
        (address(RTM_NEWADDR, IPV4), {"address"}),
        (address(RTM_DELADDR, IPV6), {"address", "route"}),
        (route(10), {"route"}),
        (route(10, RTM_DELROUTE), {"route"}),
        (rule(RTM_NEWRULE, IPV4), {"rule"}),
        (rule(RTM_DELRULE, IPV6), {"rule"}),
        (b"", set()),
    ],
)
def test_each_change_names_the_tables_to_look_at(told: bytes, tables: set[str]) -> None:
    assert news(told).tables == frozenset(tables)


def test_news_add_up_over_datagrams_and_over_messages_in_one() -> None:
    assert news(route(10) + rule(RTM_NEWRULE, IPV4), address(RTM_NEWADDR, IPV4)).tables == frozenset(
        {"route", "rule", "address"}
    )


def test_a_carrier_that_comes_or_goes_counts_although_no_flag_is_said_to_change() -> None:
    assert news(link(change=0)).tables == frozenset({"link", "address", "route"})


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(link(inside=netlink.attribute(IFLA_WIRELESS, bytes(16))), id="a wireless event"),
        pytest.param(link(family=AF_BRIDGE), id="a port of a bridge"),
        pytest.param(link(RTM_DELLINK, family=AF_BRIDGE), id="a port that leaves a bridge"),
        pytest.param(route(10, flags=RTM_F_CLONED), id="a remembered lookup"),
        pytest.param(message(28, bytes(12)), id="a neighbour"),
        pytest.param(route(10, port=OURS), id="our own change"),
    ],
)
def test_what_no_table_holds_makes_no_news(told: bytes) -> None:
    assert news(told) == News()


@pytest.mark.parametrize("table", [10, 252, 254, 266, 1000, 4_000_000_000])
def test_only_routes_of_the_tables_looked_at_count(table: int) -> None:
    others = frozenset({10, 252, 254, 266, 1000, 4_000_000_000} - {table})
    assert news(route(table), tables=frozenset({table})).tables == frozenset({"route"})
    assert news(route(table), tables=others) == News()
    assert news(route(table), tables=frozenset()) == News()
    assert news(route(table)).tables == frozenset({"route"})


def listening(*datagrams: bytes, listened: Partitions, later: bool = True) -> News:
    """Return the news where table 10 is looked at."""
    digest = Digest(frozenset({10}), {OURS}, later, listened)
    for datagram in datagrams:
        digest.add(datagram)
    return digest.news()


def test_routes_that_are_only_listened_to_are_heard_of_and_have_nothing_looked_at() -> None:
    heard = News(heard=frozenset({"route"}))
    for kind in (RTM_NEWROUTE, RTM_DELROUTE):
        assert listening(route(254, kind), listened=frozenset({254})) == heard
        assert listening(route(254, kind), listened=None) == heard
        assert listening(route(254, kind), listened=frozenset({77})) == News()
    assert listening(route(254, flags=RTM_F_CLONED), listened=None) == News()
    assert listening(route(254, port=OURS), listened=None) == News()


def test_routes_that_are_looked_at_and_not_listened_to_are_not_heard_of() -> None:
    told = listening(route(10), listened=frozenset({254}))
    assert told.rows.keys() == {"route"}
    assert told.heard == frozenset()
    both = listening(route(10), route(254), listened=frozenset({254}))
    assert both.rows == told.rows
    assert both.heard == frozenset({"route"})
    assert listening(route(10), listened=frozenset({10})).heard == frozenset({"route"})


def test_routes_may_go_with_a_link_unheard() -> None:
    for told in (link(RTM_DELLINK), address(RTM_DELADDR, IPV6)):
        assert listening(told, listened=frozenset({254})).heard == frozenset({"route"})
        assert listening(told, listened=frozenset()).heard == frozenset()


def test_a_kernel_that_cuts_off_the_table_in_the_header_is_understood() -> None:
    told = bytearray(route(1000))
    told[16 + 4] = 1000 & 0xFF
    assert news(bytes(told), tables=frozenset({1000})).tables == frozenset({"route"})
    assert news(bytes(told), tables=frozenset({1000 & 0xFF})) == News()


def test_lost_messages_mean_that_all_has_to_be_looked_at() -> None:
    assert news(route(10), message(NLMSG_OVERRUN, b"")) == EVERYTHING
    assert news(route(10)[:-4]) == EVERYTHING
    assert news(struct.pack("=IHHII", 3, RTM_NEWROUTE, 0, 0, 0)) == EVERYTHING


def test_a_route_that_cannot_be_read_counts() -> None:
    broken = message(RTM_NEWROUTE, bytes(12) + b"\xff\xff\x0f\0")
    assert news(broken, tables=frozenset({10})).tables == frozenset({"route"})
    assert news(message(RTM_NEWROUTE, b""), tables=frozenset({10})).tables == frozenset({"route"})


@given(st.lists(st.binary(max_size=80) | st.builds(message, st.integers(0, 40), st.binary(max_size=60))))
def test_no_bytes_raise(datagrams: list[bytes]) -> None:
    news(*datagrams, tables=frozenset({10}))


def test_who_changed_it_is_named() -> None:
    program = "open('/proc/self/comm', 'wb').write(b'od\\x1b[1m\\nd'); print(flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        told = news(route(10, port=child.pid, protocol=42), rule(RTM_NEWRULE, IPV4, port=GONE))
    finally:
        child.communicate(b"\n")
    assert told.actors == {
        "route": f"process {child.pid} (od?[1m?d), protocol babel",
        "rule": f"a process that has ended or hides (netlink port {GONE})",
    }


@pytest.mark.parametrize(("protocol", "name"), [(4, "static"), (12, "bird"), (99, "99"), (242, "stellwerk")])
def test_a_route_is_named_with_its_protocol(protocol: int, name: str) -> None:
    assert news(route(10, protocol=protocol)).actors == {"route": f"the kernel, protocol {name}"}


def test_the_latest_change_counts() -> None:
    assert news(rule(RTM_NEWRULE, IPV4, port=GONE), rule(RTM_DELRULE, IPV4)).actors == {"rule": "the kernel"}
    assert news(address(RTM_NEWADDR, IPV4, port=GONE)).actors.keys() == {"address"}


def test_nobody_is_named_where_the_kernel_does_not_tell() -> None:
    """It is port 0 for links and IPv6 addresses, whoever asked."""
    assert news(link()).actors == {}
    assert news(address(RTM_NEWADDR, IPV4, port=GONE), address(RTM_NEWADDR, IPV6)).actors == {}


def test_a_process_is_looked_up_once_however_much_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def asker(port: int) -> str:
        asked.append(port)
        return f"process {port}"

    monkeypatch.setattr(netlink_events, "_asker", asker)
    told = news(*[route(10, port=7), rule(RTM_NEWRULE, IPV6, port=7)] * 100)
    assert set(told.actors) == {"route", "rule"}
    assert asked == [7]


def test_a_filter_for_very_many_tables_lets_all_pass_and_stays_small() -> None:
    most = program(frozenset(range(FILTERED_TABLES)), {OURS})
    assert len(most) * 8 < 10_000
    assert program(frozenset(range(FILTERED_TABLES + 1)), {OURS}) == program(None, {OURS})
