"""Whom is answered, and when: named interfaces, limits, and answers that wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.services.statistics.respondd.rate import MOST_SOURCES, Limits, Rate
from tests.pure.respondd import as_yanic
from tests.pure.respondd.asked import ALL, MESH, OTHER, OWN, Asked

LINK_GROUP = "ff02::2:1001"
SITE_GROUP = "ff05::2:1001"
IN_SUM = Rate(each_second=10.0, at_once=20.0)
A_SOURCE = Rate(each_second=2.0, at_once=4.0)


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
    answered = sum(asked.ask(ALL, source=f"2001:db8:0:1::{number:x}") is not None for number in range(1, 4000))
    assert answered == 1500, "a host has all addresses of its /64"
    asked = Asked()
    answered = sum(asked.ask(ALL, source=f"2001:db8:0:{number:x}::1") is not None for number in range(1, 6000))
    assert answered == 2500, "whatever sources there are"
    assert len(asked.responder._limits) <= MOST_SOURCES


def test_link_local_addresses_are_sources_of_their_own_on_each_interface() -> None:
    limits = Limits(0.0, Rate(100.0, 100.0), A_SOURCE)
    for source in (("fe80::1", 1), ("fe80::2", 1), ("fe80::1%mesh0", 2)):
        assert [limits.allow(*source, 0.0) for _ in range(5)] == [True] * 4 + [False]


@given(
    st.lists(
        st.tuples(st.integers(0, 2**128 - 1 >> 8), st.floats(0, 2)),
        max_size=200,
    )
)
def test_never_more_than_the_limits_allow(asked: list[tuple[int, float]]) -> None:
    limits, now, answered = Limits(0.0, IN_SUM, A_SOURCE), 0.0, 0
    for number, later in asked:
        now += later
        text = ":".join(f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))
        answered += limits.allow(text, MESH, now)
        assert answered <= IN_SUM.at_once + now * IN_SUM.each_second
    assert len(limits) <= MOST_SOURCES


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    limits = Limits(100.0, IN_SUM, A_SOURCE)
    assert sum(limits.allow("fe80::1", 1, 100.0 - number) for number in range(50)) == 4
