"""A document that refers to what is alive: interpreted anew when it has changed, with words for it, and not else."""

from __future__ import annotations

import math
from ipaddress import IPv6Network
from typing import Any

import pytest

from intent.expansion import offers
from intent.loading import loads
from intent.offers import Offer
from intent.references import DelegatedPrefix, References
from intent.resources.route import Route
from reconciler.backends.references import Resolution, Resolver, Resolvers
from reconciler.core.wanted import Wanted
from reconciler.services.interpretation import NodeInterpreter, document
from tests.pure.docs.conftest import Kinds, Uplinks
from tests.pure.intent.conftest import resolved

NODE = b"""
version: 1
node: a
mesh: {interfaces: [{name: mesh0}]}
exit:
  allow_special_purpose: true
  prefixes:
    - {prefix: "2001:db8:42::/56", via: {interface: wan}}
    - {prefix: {delegated: wan, length: 60}, via: {interface: wan, gateway: "2001:db8:ffff::1"}}
"""
HERE = document(loads(NODE, "node.yaml"))


class Provider(Resolver[DelegatedPrefix]):
    """Delegates what it is told to."""

    reference_types = (DelegatedPrefix,)

    def __init__(self) -> None:
        self.prefix: IPv6Network | None = None
        self.notes: tuple[str, ...] = ()
        self.due_at = math.inf

    def resolve(self, reference: DelegatedPrefix) -> Resolution:
        return Resolution(self.prefix, self.notes)

    def due(self) -> float:
        return self.due_at


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def interpreter(provider: Provider) -> NodeInterpreter:
    return NodeInterpreter(Resolvers(Kinds(), Uplinks(), provider))


def sources(wanted: Wanted) -> list[str]:
    return [one.source for one in wanted.desired if isinstance(one, Route) and one.destination == "::/0"]


def test_while_there_is_none_there_is_no_such_exit(provider: Provider, interpreter: NodeInterpreter) -> None:
    wanted = interpreter.interpret(HERE)
    assert sources(wanted) == ["2001:db8:42::/56"]
    assert interpreter.interpret(HERE) is wanted


def test_another_prefix_is_another_exit_of_the_same_document(provider: Provider, interpreter: NodeInterpreter) -> None:
    provider.prefix = IPv6Network("2001:db8:1:f0::/60")
    first = interpreter.interpret(HERE)
    provider.prefix = IPv6Network("2001:db8:2:f0::/60")
    second = interpreter.interpret(HERE)
    assert sources(second) == ["2001:db8:42::/56", "2001:db8:2:f0::/60"]
    assert second.document is first.document
    assert second.because == "the prefix delegated on wan changed from 2001:db8:1:f0::/60 to 2001:db8:2:f0::/60"
    # Forwarding comes after the rules of all prefixes, so that it is another object where one of them is.
    untouched = [key for key in second.desired.by_key if key in first.desired.by_key and key.space != "sysctl"]
    assert not any(
        second.desired.by_key[key].changes(first.desired.by_key[key])
        for key in first.desired.by_key
        if key in second.desired.by_key
    )
    assert all(second.desired.by_key[key] is first.desired.by_key[key] for key in untouched)


def test_other_notes_expand_nothing_anew(provider: Provider, interpreter: NodeInterpreter) -> None:
    first = interpreter.interpret(HERE)
    provider.notes = ("it is waited for",)
    second = interpreter.interpret(HERE)
    assert "it is waited for" in second.notes
    assert second.desired is first.desired
    assert interpreter.interpret(HERE) is second


def test_what_it_lives_on_and_when_it_is_due_are_known(provider: Provider, interpreter: NodeInterpreter) -> None:
    assert interpreter.lives_on == {}
    interpreter.interpret(HERE)
    parts = interpreter.lives_on["route"]
    assert parts is not None
    assert 254 in parts
    assert interpreter.lives_on["address"] is None
    provider.due_at = 7.0
    assert interpreter.due() == 7.0
    assert interpreter.refresh(7.0)


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        (None, "waits for the provider to delegate a prefix on wan"),
        ("2001:db8:42:f0::/60", "overlaps 2001:db8:42::/56"),
        ("2001:db8:ffff::/60", "the gateway 2001:db8:ffff::1 is inside"),
    ],
)
def test_a_prefix_that_cannot_be_an_exit_s_is_said_not_to_be_offered(prefix: str | None, reason: str) -> None:
    node = loads(NODE, "node.yaml")
    values: Any = resolved(node)._values
    values[DelegatedPrefix("wan", 60, special_purpose=True)] = None if prefix is None else IPv6Network(prefix)
    found: tuple[Offer, ...] = offers(node, References(values))
    assert [one.withheld is None for one in found] == [True, False]
    assert found[1].withheld is not None
    assert reason in found[1].withheld.reason
