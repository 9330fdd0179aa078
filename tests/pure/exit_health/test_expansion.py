"""An exit is expanded to its way out and its announcement only while it is fit; the rest of it stays."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

import pytest

from intent.checks import Ping
from intent.document import Node
from intent.expansion import expand, offers, references
from intent.fitness import Carrier, CheckedHealth, Drained, DrainOrder, Health, LinkCarrier
from intent.loading import loads
from intent.offers import Cause
from intent.problems import IntentError
from intent.references import References
from reconciler.core.offers import OfferBook
from tests.pure.intent.conftest import resolved

HEAD = """
version: 1
node: exit-1
mesh: {interfaces: [{name: mesh0, type: wired}]}
"""
PREFIX = "2a00:42::/48"
OTHER = "2a00:43::/48"
ONE = f'exit:\n  prefixes:\n    - {{prefix: "{PREFIX}", via: {{interface: wan}}, checks: [{{ping: "2a00::1"}}]}}\n'
TWO = ONE + f'    - {{prefix: "{OTHER}", via: {{interface: gre1}}}}\n'
TUNNEL = 'gre: [{name: gre1, mode: ip6gre, local: "2a00:1::2", remote: "2a00:1::1"}]\n'


def node(text: str) -> Node:
    return loads(HEAD + text, "node.yaml")


def values(node: Node, **instead: Any) -> References:
    """Return the values of all that is referred to, those of a class by its name instead."""
    found = resolved(node)
    return References(
        {one: instead[name] if (name := type(one).__name__) in instead else found[one] for one in references(node)}
    )


def lines(node: Node, values: References) -> set[str]:
    return {one.describe() for one in expand(node, values)}


UNFIT = {
    "drained": ({"Drained": DrainOrder("new kernel", 1.0, 2.0)}, Cause.DRAINED, "drained by hand: new kernel"),
    "down": ({"LinkCarrier": Carrier.DOWN}, Cause.CARRIER, "wan is down"),
    "without carrier": ({"LinkCarrier": Carrier.MISSING}, Cause.CARRIER, "wan has no carrier"),
    "failing": ({"CheckedHealth": Health(False, "ping: no answer", 3.0)}, Cause.CHECKS, "ping: no answer"),
    "unknown": ({"CheckedHealth": Health(None)}, Cause.UNKNOWN, "its checks have not said anything yet"),
}


@pytest.mark.parametrize(("instead", "cause", "reason"), UNFIT.values(), ids=UNFIT)
def test_an_exit_that_is_not_fit_loses_the_way_out_and_nothing_else(
    instead: dict[str, Any], cause: Cause, reason: str
) -> None:
    asked = node(ONE)
    gone = lines(asked, values(asked)) - lines(asked, values(asked, **instead))
    assert gone == {
        f"route default from {PREFIX} dev wan table 10 proto stellwerk metric 512",
        f"babel announcement ::/0 from {PREFIX} metric 0",
    }
    assert not lines(asked, values(asked, **instead)) - lines(asked, values(asked))
    (offer,) = offers(asked, values(asked, **instead))
    assert offer.withheld is not None
    assert (offer.withheld.cause, offer.withheld.reason) == (cause, reason)
    by_key = expand(asked, values(asked)).by_key
    assert {by_key[key].describe() for key in offer.keys} == gone


def test_each_exit_is_judged_for_itself() -> None:
    asked = node(TWO)
    found = {one: resolved(asked)[one] for one in references(asked)}
    found[LinkCarrier("gre1")] = Carrier.MISSING
    told = {one.name: one.withheld for one in offers(asked, References(found))}
    assert told[PREFIX] is None
    assert told[OTHER] is not None


DELEGATED = """
exit:
  allow_special_purpose: true
  prefixes: [{prefix: {delegated: wan, length: 60}, via: {interface: wan}}]
"""


@pytest.mark.parametrize("now", ["2001:db8:12:f0::/60", None])
def test_an_exit_of_a_delegated_prefix_is_shown_with_the_prefix_that_it_is_for_now(now: str | None) -> None:
    asked = node(DELEGATED)
    values_now = values(asked, DelegatedPrefix=None if now is None else IPv6Network(now))
    book = OfferBook()
    book.take(offers(asked, values_now))
    (shown,) = book.shown(None)
    assert (shown["name"], shown["prefix"]) == ("delegated:wan/60", now)


def test_an_interface_that_the_file_makes_is_told_from_others() -> None:
    assert LinkCarrier("gre1", made_here=True) in references(node(TWO + TUNNEL))
    assert LinkCarrier("gre1", made_here=False) in references(node(TWO))


@pytest.mark.parametrize(
    ("health", "item", "seconds"),
    [
        ("", "", 1),
        ("  health: {every: 10s}\n", "", 5),
        ("  health: {every: 1m}\n", "", 5),
        ("  health: {every: 1s}\n", "", 1),
        ("", ", timeout: 7s", 7),
    ],
)
def test_a_check_has_failed_before_the_next_begins_unless_another_time_is_written(
    health: str, item: str, seconds: int
) -> None:
    text = ONE.replace('"2a00::1"', f'"2a00::1"{item}') + health
    (checked,) = (one for one in references(node(text)) if isinstance(one, CheckedHealth))
    assert [check.timeout_seconds for check in checked.checks] == [seconds]


def test_the_defaults() -> None:
    (checked,) = (one for one in references(node(ONE)) if isinstance(one, CheckedHealth))
    assert (checked.every_seconds, checked.fall, checked.rise) == (2, 3, 5)
    assert Drained(PREFIX) in references(node(ONE))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ONE.replace('ping: "2a00::1"', "ping: fe80::1"), "link-local address"),
        (ONE.replace('ping: "2a00::1"', "wireguard_handshake: wg0"), "`wireguard_handshake` needs"),
        (ONE.replace('ping: "2a00::1"', "timeout: 1s"), "a check needs"),
        (ONE + "  health: {every: 0s}\n", "must be a time from 1s to 5m"),
        (ONE + "  health: {fall: 0}\n", "`fall` must be a whole number from 1 to 100"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(text: str, words: str) -> None:
    with pytest.raises(IntentError, match=words) as refused:
        node(text)
    assert "node.yaml:" in str(refused.value)


@pytest.mark.parametrize(("written", "out_of"), [("", "wan"), (', interface: "backup"', "backup")])
def test_a_ping_of_an_exit_goes_out_there_unless_it_says_otherwise(written: str, out_of: str) -> None:
    """Routing may lead it another way, which would show nothing about this one."""
    asked = node(ONE.replace('ping: "2a00::1"', f'ping: "2a00::1"{written}'))
    (health,) = (one for one in references(asked) if isinstance(one, CheckedHealth))
    assert [one.interface for one in health.checks if isinstance(one, Ping)] == [out_of]
