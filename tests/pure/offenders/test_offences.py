"""Which routes of others touch ours, against `ipaddress`."""

from __future__ import annotations

from ipaddress import IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.offences import Announced, Offence, Prefixes, draws, is_default
from intent.refusals import REFUSAL_METRIC, Refusals
from intent.resources.route import PROTOCOL_ANNOUNCED, PROTOCOL_HELD, Route
from tests.pure.offenders.prefixes import pairs

EXIT = Prefixes("::/0", "2001:db8:42::/56")
NETWORK = Prefixes("2001:db8:7::/64", "::/0")
OURS = Announced([EXIT, NETWORK, Prefixes("10.0.0.0/8", "0.0.0.0/0")])


@pytest.mark.parametrize(
    ("route", "offence", "ours", "drawn"),
    [
        (("::/0", "::/0"), Offence.DEFAULT, None, False),
        (("::/1", "::/0"), Offence.DEFAULT, None, False),
        (("2000::/3", "::/0"), Offence.DEFAULT, None, False),
        (("3000::/4", "::/0"), Offence.DEFAULT, None, False),
        (("2000::/15", "::/0"), Offence.DEFAULT, None, False),
        (("::/0", "2001:db8:42::/56"), Offence.EXIT, EXIT, False),
        (("::/0", "2001:db8:42:5::/64"), Offence.EXIT, EXIT, True),
        (("2000::/3", "2001:db8:42::/56"), Offence.EXIT, EXIT, True),
        (("::/0", "2001:db8::/32"), Offence.AROUND, EXIT, False),
        (("2001:db8:7::/64", "::/0"), Offence.NETWORK, NETWORK, False),
        (("2001:db8:7::/80", "::/0"), Offence.NETWORK, NETWORK, True),
        (("2001:db8:7::/64", "2001:db8:42::/64"), Offence.NETWORK, NETWORK, True),
    ],
)
def test_what_touches_us(route: tuple[str, str], offence: Offence, ours: Prefixes | None, drawn: bool) -> None:
    touch = OURS.touched_by(Prefixes(*route))
    assert touch == (offence, ours)
    assert touch is not None
    assert draws(touch, Prefixes(*route)) == drawn


@pytest.mark.parametrize(
    "route",
    [
        ("::/0", "2001:db8:43::/56"),
        ("2001:db8:8::/64", "::/0"),
        ("2001:db8::/32", "::/0"),
        ("2000::/16", "::/0"),
        ("fc00::/7", "::/0"),
        ("fd00::/8", "::/0"),
        ("64:ff9b::/96", "::/0"),
        ("2000::/3", "2001:db8::/32"),
        ("10.0.0.0/8", "0.0.0.0/0"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_what_does_not(route: tuple[str, str]) -> None:
    assert OURS.touched_by(Prefixes(*route)) is None


def _inside(route: Prefixes, ours: Prefixes) -> bool:
    return all(IPv6Network(one).subnet_of(IPv6Network(other)) for one, other in zip(route, ours, strict=True))


@given(st.lists(pairs, max_size=12), pairs)
def test_whatever_would_draw_our_traffic_touches_us_and_says_so(announced: list[Prefixes], route: Prefixes) -> None:
    # What is announced is a network or an exit.
    ours = [one for one in announced if (one.destination == "::/0") != (one.source == "::/0")]
    touch = Announced(ours).touched_by(route)
    if is_default(route):
        assert touch == (Offence.DEFAULT, None)
        return
    around = {one for one in ours if _inside(route, one)}
    assert (touch is not None and touch.offence in (Offence.NETWORK, Offence.EXIT)) == bool(around)
    if around:
        assert touch is not None
        assert touch.ours in around
        assert draws(touch, route) == (route not in around)


@given(st.lists(pairs, max_size=12), pairs)
def test_a_default_around_an_exit_is_named_as_such(announced: list[Prefixes], route: Prefixes) -> None:
    exits = [one for one in announced if one.destination == "::/0" != one.source]
    touch = Announced(exits).touched_by(route)
    wider = route.source != "::/0" == route.destination and any(_inside(one, route) for one in exits)
    if touch is not None and touch.offence is Offence.AROUND:
        assert wider
    elif wider:
        assert touch is not None
        assert touch.offence is Offence.EXIT


@given(st.lists(pairs, max_size=12), pairs)
def test_against_each_route_inside_ours_there_is_one_that_goes_our_way(others: list[Prefixes], ours: Prefixes) -> None:
    route = Route(
        routing_table=10, destination=ours.destination, source=ours.source, link="wan", protocol=PROTOCOL_ANNOUNCED
    )
    found = {Prefixes(one.destination, one.source): one for one in Refusals(others).of(route)}
    assert found.keys() == {one for one in others if _inside(one, ours) and one != ours}
    for one in found.values():
        assert (one.link, one.gateway, one.metric, one.protocol) == ("wan", None, REFUSAL_METRIC, PROTOCOL_HELD)


@pytest.mark.parametrize("text", ["", "::", "::/129", "x/1", "2001:db8::/x", ":::/1"])
def test_what_is_no_prefix_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 every kind of it is meant
        OURS.touched_by(Prefixes(text + ":", "::/0"))
