"""One reference among many: what keeps it from being known keeps nothing else, and nothing goes on for nobody."""

from __future__ import annotations

import math
from collections.abc import Iterable
from ipaddress import IPv6Network
from typing import Any

import pytest

from intent.expansion import references
from intent.fitness import Carrier, CheckedHealth, Drained, Health, LinkCarrier
from intent.loading import loads
from intent.references import DelegatedPrefix
from intent.refusals import DrawingRoutes
from intent.resources.route import Route
from reconciler.backends.delegated_prefixes import DelegatedPrefixes, Delegations
from reconciler.backends.references import Resolution, Resolver, Resolvers
from reconciler.core.errors import DamagedStateError, RefusedError, StellwerkError
from reconciler.core.intents import Document
from reconciler.services.interpretation import NodeInterpreter, document
from tests.pure.docs.conftest import Kinds, Uplinks
from tests.pure.loop.rig import RealStage, real_stage

BASE = """version: 1
node: a
{confirm}mesh: {{prefixes: ["fd00:6d65:7368::/48"], interfaces: [{{name: mesh0}}]}}
exit:
  allow_special_purpose: true
  prefixes:
    - {{prefix: "2001:db8:42::/56", via: {{interface: wan}}, checks: [{{ping: "2001:db8:ffff::1"}}]}}
    - {{prefix: {{delegated: wan, length: {length}}}, via: {{interface: wan}}}}
"""
ONE = IPv6Network("2001:db8:100::/56")
OTHER = IPv6Network("2001:db8:200::/56")
DAMAGED = DamagedStateError("drains.json", "drains.json is damaged")


def node(length: int = 60, more: str = "", confirm: str = "") -> Document:
    return document(loads((BASE.format(length=length, confirm=confirm) + more).encode(), "node.yaml"))


class Live(Resolver[Any]):
    """The carrier, the checks, what is drained and what draws routes; ``broken`` is why no drain can be read."""

    reference_types = (LinkCarrier, Drained, CheckedHealth, DrawingRoutes)

    def __init__(self) -> None:
        self.carrier = Carrier.READY
        self.broken: StellwerkError | None = None
        self.wanted: set[Any] = set()

    def resolve(self, reference: Any) -> Resolution:
        match reference:
            case LinkCarrier():
                return Resolution(self.carrier)
            case Drained() if self.broken is not None:
                raise self.broken
            case Drained():
                return Resolution(None)
            case CheckedHealth():
                return Resolution(Health(True))
            case _:
                return Resolution(())

    def resolve_all(self, references: Iterable[Any]) -> Any:
        self.wanted = set(references)
        return super().resolve_all(self.wanted)


class Bench:
    """A loop that keeps a real node file, whose references are alive."""

    def __init__(self) -> None:
        self.stage: RealStage = real_stage()
        self.live = Live()
        self.seen = Delegations({ONE: math.inf})
        self.prefixes = DelegatedPrefixes(self.stage.clock, look=lambda: self.seen, look_at_own=lambda _: ())
        self.start()

    def start(self) -> None:
        """Start the daemon, which remembers nothing but what is on disk."""
        resolvers = Resolvers(Kinds(), Uplinks(), self.prefixes, self.live)
        self.stage.interpreter = NodeInterpreter(resolvers)  # type: ignore[assignment]
        self.stage.restart()

    def file(self, text: Document) -> None:
        self.stage.file_now = text, None
        self.stage.loop.give_file("node.yaml", text)
        self.stage.run(5)

    def news(self) -> None:
        self.stage.loop.references_changed()
        self.stage.run(5)

    def sources(self) -> set[str]:
        """Return the prefixes that have a way out."""
        wanted = self.stage.loop.wanted
        assert wanted is not None
        return {one.source for one in wanted.desired if isinstance(one, Route) and one.destination == "::/0"}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_carrier_that_is_lost_withdraws_though_the_drains_are_damaged(bench: Bench) -> None:
    bench.file(node())
    assert bench.sources() == {"2001:db8:42::/56", "2001:db8:100:f0::/60"}
    bench.live.broken = DAMAGED
    bench.live.carrier = Carrier.MISSING
    bench.news()
    assert bench.sources() == set()
    assert any("drains.json" in one for one in bench.stage.status["health"]["reasons"])
    bench.live.broken, bench.live.carrier = None, Carrier.READY
    bench.news()
    assert len(bench.sources()) == 2
    assert not any("drains.json" in one for one in bench.stage.status["health"]["reasons"])


def test_what_could_never_be_known_keeps_the_document_from_being_carried_out(bench: Bench) -> None:
    bench.live.broken = DAMAGED
    bench.file(node())
    assert bench.stage.loop.wanted is None
    assert any("drains.json" in one for one in bench.stage.status["health"]["reasons"])
    bench.live.broken = None
    bench.news()
    assert len(bench.sources()) == 2


def test_a_new_document_is_refused_where_a_reference_of_it_cannot_be_known_now(bench: Bench) -> None:
    bench.file(node())
    bench.live.broken = DAMAGED
    with pytest.raises(DamagedStateError):
        bench.stage.loop.apply(node(62))
    assert bench.stage.loop.custody.intents.trial is None


def test_a_node_that_is_held_at_nothing_refers_to_nothing(bench: Bench) -> None:
    """Neither does the loop spin when a time of grace from before is over, nor do checks go on for nobody."""
    bench.file(node(confirm="confirm: 60s\n"))
    assert bench.live.wanted
    bench.stage.run(50)
    bench.seen = Delegations({})
    bench.stage.loop.references.stale = True
    bench.stage.run(30)
    assert bench.stage.history.of("rolled back")
    assert bench.live.wanted == set()
    assert bench.prefixes.due() == math.inf


def test_a_document_that_is_only_looked_at_takes_nothing_from_what_is_held(bench: Bench) -> None:
    """The delegated prefix in use stays in use, and the checks of the exits go on."""
    bench.file(node())
    before = bench.sources()
    bench.seen = Delegations({ONE: math.inf, OTHER: math.inf})
    bench.news()
    held = set(references(loads(BASE.format(length=60, confirm="").encode(), "node.yaml")))
    checks = {one for one in held if isinstance(one, CheckedHealth)}

    def refuse(_: object) -> None:
        assert checks <= bench.live.wanted, "they were not wanted while the other was looked at"
        raise RefusedError("it is only looked at")

    more = 'addresses: [{interface: mesh0, addresses: ["fd00:6d65:7368:1::1/128"]}]\n'
    for other in (node(62), node(62, more)):
        with pytest.raises(RefusedError):
            bench.stage.loop.apply(other, check=refuse)
        assert any(isinstance(one, CheckedHealth) for one in bench.live.wanted)
    bench.news()
    assert bench.sources() == before
    assert not any(isinstance(one, DelegatedPrefix) and one.length == 62 for one in bench.prefixes._uses)


def test_a_roll_back_that_cannot_be_carried_out_is_not_called_done(bench: Bench) -> None:
    bench.file(node())
    more = 'addresses: [{interface: mesh0, addresses: ["fd00:6d65:7368:1::1/128"]}]\n'
    trial = node(more=more)
    bench.stage.loop.apply(trial, confirm_seconds=60.0)
    bench.live.broken = DAMAGED
    bench.start()
    bench.stage.run(120)
    assert bench.stage.history.of("rolled back")
    (told,) = bench.stage.history.of("not undone")
    assert told["digest"] == trial.digest
    assert "drains.json" in told["outcome"]
    why = [one for one in bench.stage.status["health"]["reasons"] if "is not undone" in one]
    assert len(why) == 1
    assert bench.stage.status["intent"]["not_undone"]["digest"] == trial.digest
    bench.live.broken = None
    bench.news()
    assert bench.stage.status["intent"]["not_undone"] is None
    assert not any("undone" in one for one in bench.stage.status["health"]["reasons"])
    assert bench.stage.loop.wanted is not None
    assert "fd00:6d65:7368:1::1/128" not in str(list(bench.stage.loop.wanted.desired))
