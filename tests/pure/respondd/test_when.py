"""Whom is answered, and when: named interfaces, limits, and answers that wait."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.services.statistics.respondd.rate import MOST_SOURCES, Limits, Rate, Shares
from reconciler.services.statistics.respondd.sources import packed
from tests.figures import SETTINGS
from tests.pure.respondd import as_yanic
from tests.pure.respondd.asked import ALL, MESH, OTHER, OWN, Asked

LINK_GROUP = "ff02::2:1001"
SITE_GROUP = "ff05::2:1001"
IN_SUM = Rate(each_second=10.0, at_once=20.0)
A_SOURCE = Rate(each_second=2.0, at_once=4.0)
KEPT = Rate(each_second=2.0, at_once=3.0)
SHARES = Shares(IN_SUM, A_SOURCE, KEPT, Rate(1.0, 1.0))


def test_what_comes_by_another_interface_is_not_answered() -> None:
    asked = Asked()
    for to in (OWN, LINK_GROUP, SITE_GROUP, "fe80::a"):
        for data in (ALL, b"nodeinfo", b"rubbish"):
            assert asked.ask(data, interface=OTHER, to=to) is None
    assert asked.dropped() == {"interface": 12}
    asked.now += 100
    assert asked.waited() == []


def test_the_group_of_the_link_is_answered_at_once() -> None:
    asked = Asked()
    assert asked.ask(ALL, to=LINK_GROUP)
    assert asked.waited() == []


def test_answers_to_the_site_are_spread_over_ten_seconds() -> None:
    delays = []
    for _ in range(50):
        asked = Asked()
        assert asked.ask(ALL, to=SITE_GROUP) is None
        delay = asked.responder.due() - asked.now
        asked.now += delay - 0.001
        assert asked.waited() == []
        asked.now += 0.002
        (reply,) = asked.waited()
        assert as_yanic.read(reply.data)["nodeinfo"]["hostname"] == "exit-berlin-7"
        asked.now += 100
        assert asked.waited() == [], "once"
        delays.append(delay)
    assert 0 <= min(delays) < 3
    assert 7 < max(delays) <= 10


def test_eight_wait_and_the_others_are_answered_at_once() -> None:
    asked = Asked()
    answers = [asked.ask(ALL, source=f"fe80::{number:x}", to=SITE_GROUP) for number in range(1, 12)]
    assert [answer is not None for answer in answers] == [False] * 8 + [True] * 3
    asked.now += 10
    replies = asked.waited()
    assert sorted(reply.packet.source[0] for reply in replies) == sorted(f"fe80::{number:x}" for number in range(1, 9))


def test_an_answer_that_waited_tells_what_is_known_then() -> None:
    asked = Asked()
    asked.ask(b"GET neighbours", to=SITE_GROUP)
    asked.figures.know(None)
    asked.now += 10
    (reply,) = asked.waited()
    assert as_yanic.read(reply.data)["neighbours"]["babel"] == {}


def test_a_thousand_queries_a_second_of_one_source_are_answered() -> None:
    asked = Asked()
    for _ in range(10_000):
        asked.now += 0.001
        assert asked.ask(ALL) is not None
    assert asked.dropped() == {}


def test_a_flood_is_held_and_the_others_are_answered_meanwhile() -> None:
    asked = Asked()
    flooded = others = 0
    for number in range(20_000):
        asked.now += 0.0001
        flooded += asked.ask(ALL, source="fe80::bad") is not None
        if number % 100 == 0:
            others += asked.ask(ALL) is not None
    assert flooded <= 1500 + 2 * 1500 + 1
    assert others == 200
    assert asked.dropped()["rate"] == 20_000 - flooded


def test_changing_addresses_does_not_help() -> None:
    asked = Asked()
    answered = sum(asked.ask(ALL, source=f"fe80::{number:x}") is not None for number in range(1, 6000))
    assert answered == 2500 + 100, "whatever sources there are"
    assert len(asked.responder._near) <= MOST_SOURCES


def test_from_another_link_a_few_are_answered() -> None:
    asked = Asked()
    answered = sum(asked.ask(ALL, source=f"fd00:6d65:0:1::{number:x}") is not None for number in range(1, 1000))
    assert answered == 30, "a host has all addresses of its /64"
    answered = sum(asked.ask(ALL, source=f"fd00:6d65:0:{number:x}::1") is not None for number in range(2, 2000))
    assert answered == 270 + 10, "whatever sources there are"
    assert asked.ask(ALL) is not None, "those on the link are counted apart"


FOREIGN = ("2001:db8::5", "2001:4860:4860::8888", "fd00:6d66::1", "fec0::1", "::", "::1", "ff02::1", "::ffff:192.0.2.1")


def test_who_is_neither_on_the_link_nor_of_the_mesh_is_not_answered() -> None:
    asked = Asked()
    for source in FOREIGN:
        for to in (OWN, LINK_GROUP, SITE_GROUP):
            assert asked.ask(ALL, source=source, to=to) is None
    assert asked.dropped() == {"source": 3 * len(FOREIGN)}
    assert asked.counted("requests", "get") == 0
    for source in ("fd00:6d65::1", "fd00:6d65:0:ffff::1", "fe80::1", "febf::1"):
        assert asked.ask(ALL, source=source) is not None


def test_where_the_prefixes_of_the_mesh_are_not_known_those_of_the_interfaces_are_taken() -> None:
    asked = Asked(
        replace(SETTINGS, mesh_prefixes=()), addresses={"mesh0": ("2001:db8:1:2::a",), "wan": ("2001:db8::1",)}
    )
    for source in ("2001:db8::5", "2001:db8:1:3::1", "fec0::1", "::1", "ff02::1"):
        assert asked.ask(ALL, source=source) is None
    assert asked.dropped() == {"source": 5}
    for source in ("2001:db8:1:2::b", "fd00:6d66::1", "fe80::1"):
        assert asked.ask(ALL, source=source) is not None
    asked.figures.set(addresses={"mesh0": ("2001:db8:1:3::a",)})
    assert asked.ask(ALL, source="2001:db8:1:3::1") is not None
    assert asked.ask(ALL, source="2001:db8:1:2::1") is None


def test_two_that_flood_leave_something_for_the_others() -> None:
    asked = Asked()
    flooded = others = 0
    for number in range(20_000):
        asked.now += 0.0001
        flooded += asked.ask(ALL, source=f"fe80::bad:{number % 8}") is not None
        if number % 2000 == 0:
            others += asked.ask(ALL) is not None
    assert others == 10
    assert flooded < 3 * 2500 + 3 * 100


def test_a_link_that_is_flooded_leaves_something_for_the_others() -> None:
    limits = Limits(0.0, SHARES)
    assert sum(limits.allow(packed(f"fe80::{number:x}"), 1, 0.0) for number in range(1, 100)) == 20 + 3
    assert [limits.allow(packed("fe80::1"), 2, 0.0) for _ in range(3)] == [True, False, False]


def test_link_local_addresses_are_sources_of_their_own_on_each_interface() -> None:
    limits = Limits(0.0, SHARES)
    for source in (("fe80::1", 1), ("fe80::2", 1), ("fe80::1%mesh0", 2)):
        assert [limits.allow(packed(source[0]), source[1], 0.0) for _ in range(5)] == [True] * 4 + [False]


@given(
    st.lists(
        st.tuples(st.integers(0, 2**128 - 1 >> 8), st.floats(0, 2)),
        max_size=200,
    )
)
def test_never_more_than_the_limits_allow(asked: list[tuple[int, float]]) -> None:
    limits, now, answered = Limits(0.0, SHARES), 0.0, 0
    for number, later in asked:
        now += later
        answered += limits.allow(number.to_bytes(16, "big"), MESH, now)
        assert answered <= IN_SUM.at_once + KEPT.at_once + now * (IN_SUM.each_second + KEPT.each_second)
    assert len(limits) <= MOST_SOURCES


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    limits = Limits(100.0, SHARES)
    assert sum(limits.allow(packed("fe80::1"), 1, 100.0 - number) for number in range(50)) == 4
