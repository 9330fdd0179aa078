"""What is noticed: since when, what is told of it, and that a flood of it fills nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from intent.offences import Offence, Prefixes, Touch
from intent.refusals import REFUSAL_METRIC
from intent.resources.babel_announcement import BabelAnnouncement
from intent.resources.babel_daemon import BabelDaemon
from intent.resources.babel_route import BabelRoute
from intent.resources.resource import Key, Resource
from intent.resources.route import PROTOCOL_HELD, Route
from reconciler.core.errors import UnreachableError
from reconciler.core.notices import GONE_SECONDS, MOST_KEPT, MOST_TOLD, SETTLED_SECONDS, TOLD_SECONDS, Notices
from reconciler.core.observe import Observation, TableView

SOCKET = "/run/babeld.sock"
EXIT = Prefixes("::/0", "2001:db8:42::/56")
PART = Prefixes("::/0", "2001:db8:42:1::/64")
OUR_EXIT = BabelAnnouncement(*EXIT, SOCKET, None, 0)
WALL = 1.8e9


def offender(
    route: Prefixes = Prefixes("::/0", "::/0"),  # noqa: B008 it is a constant
    offence: Offence = Offence.DEFAULT,
    router: str = "02:0d",
    neighbour: str = "fe80::7",
    installed: bool = False,
) -> BabelRoute:
    touch = Touch(offence, None if offence is Offence.DEFAULT else EXIT)
    return BabelRoute(*route, router, neighbour, "mesh0", 96, installed, touch, SOCKET)


def seen(*resources: Resource, unseen: bool = False) -> Observation:
    by_key = {one.key: one for one in resources}
    babel = {key: one for key, one in by_key.items() if one.table == "babel"}
    view = TableView("babel", set(map(type, babel.values())), {key.space for key in babel}, babel)
    error = UnreachableError("babeld hangs")
    return Observation(by_key, unseen={"babel": error} if unseen else {}, tables=() if unseen else (view,))


class Watch:
    """Notices, looked at by a clock."""

    def __init__(self, *desired: Resource) -> None:
        self.notices = Notices()
        self.desired: dict[Key, Resource] = {one.key: one for one in desired}
        self.now = 1000.0
        self.told: list[dict[str, Any]] = []

    def look(self, observation: Observation, after: float = 30.0) -> list[dict[str, Any]]:
        self.now += after
        told = self.notices.take(self.desired, observation, self.now, WALL + self.now)
        self.told += told
        return told

    def shown(self) -> list[dict[str, Any]]:
        return self.notices.shown()["offenders"]


def outcomes(told: Iterable[dict[str, Any]]) -> list[str]:
    return [one["outcome"] for one in told]


def test_it_is_told_when_it_comes_and_when_it_is_gone_and_shown_meanwhile() -> None:
    watch = Watch()
    (told,) = watch.look(seen(offender()))
    assert told["event"] == "offender"
    assert told["because"] == (
        "a default route without `from` is announced by router 02:0d, learned from fe80::7 on mesh0"
    )
    assert told["outcome"] == "refused here"
    (shown,) = watch.shown()
    assert {name: shown[name] for name in ("kind", "destination", "source", "router_id", "neighbour", "interface")} == {
        **{"kind": "default", "destination": "::/0", "source": "::/0", "router_id": "02:0d", "neighbour": "fe80::7"},
        "interface": "mesh0",
    }
    assert (shown["refused"], shown["since"], shown["metric"]) == (True, WALL + 1030, 96)
    assert watch.notices.counts() == {"offenders": {"default": 1}}
    assert watch.notices.reasons() == []
    assert watch.look(seen()) == []
    assert watch.shown() == []
    assert outcomes(watch.look(seen(), GONE_SECONDS)) == ["it is gone"]


def test_since_when_stays_when_it_comes_by_another_neighbour_or_is_away_for_a_moment() -> None:
    watch = Watch()
    watch.look(seen(offender()))
    for observation in (seen(offender(neighbour="fe80::8")), seen(), seen(offender())):
        assert watch.look(observation, GONE_SECONDS / 3) == []
    assert watch.shown()[0]["since"] == WALL + 1030
    assert len(watch.look(seen(offender(router="02:0e")))) == 1, "another router is another offender"


def test_what_draws_traffic_is_told_as_such_only_after_it_could_be_refused() -> None:
    way = BabelDaemon(SOCKET, routing_table=10)
    drawing = offender(PART, Offence.EXIT, installed=True)
    ours = Route(
        routing_table=10, destination="::/0", source=PART.source, metric=REFUSAL_METRIC, protocol=PROTOCOL_HELD
    )
    watch = Watch(way, OUR_EXIT)
    assert watch.look(seen(drawing)) == []
    assert watch.notices.reasons() == []
    assert watch.notices.due() == watch.now + SETTLED_SECONDS
    assert outcomes(watch.look(seen(drawing, ours), 0.2)) == ["refused here"]
    # Without our route, which somebody took away.
    watch.look(seen(drawing))
    watch.look(seen(drawing), SETTLED_SECONDS)
    (reason,) = watch.notices.reasons()
    assert "inside our exit for 2001:db8:42::/56" in reason
    assert "draws our traffic away" in reason
    assert watch.shown()[0]["refused"] is False


def test_the_same_exit_elsewhere_offends_unless_it_is_shared() -> None:
    for shared in (False, True):
        watch = Watch(BabelAnnouncement(*EXIT, SOCKET, None, 0, shared))
        watch.look(seen(offender(EXIT, Offence.EXIT, installed=True)))
        assert [one["refused"] for one in watch.shown()] == ([] if shared else [True])


def test_nobody_offends_by_announcing_what_is_about_to_be_withdrawn_here() -> None:
    """While an exit is drained, those who share its prefix go on, and whether it is shared is not desired any more."""
    watch = Watch()
    for route, offence in (
        (EXIT, Offence.EXIT),
        (PART, Offence.EXIT),
        (Prefixes("::/0", "2001:db8::/32"), Offence.AROUND),
    ):
        watch.look(seen(offender(route, offence, installed=True)))
    assert watch.shown() == []


def test_a_wider_exit_is_named_and_does_no_harm() -> None:
    watch = Watch(OUR_EXIT)
    watch.look(seen(offender(Prefixes("::/0", "2001:db8::/32"), Offence.AROUND, installed=True)))
    watch.look(seen(offender(Prefixes("::/0", "2001:db8::/32"), Offence.AROUND, installed=True)))
    assert watch.shown()[0]["state"] == "the longer prefix wins, and that is ours"
    assert watch.notices.reasons() == []


@pytest.mark.parametrize("installed", [False, True])
def test_a_part_of_an_exit_of_the_mesh_is_refused_by_babeld_or_does_harm(installed: bool) -> None:
    watch = Watch()
    observation = seen(offender(PART, Offence.PART, installed=installed))
    watch.look(observation)
    watch.look(observation, SETTLED_SECONDS)
    (shown,) = watch.shown()
    assert (shown["kind"], shown["router_id"], shown["refused"]) == ("exit", "02:0d", not installed)
    assert "inside the exit prefix 2001:db8:42::/56 of this mesh" in shown["description"]
    assert [("draws our traffic away" in reason) for reason in watch.notices.reasons()] == [True] * installed


def test_a_way_out_for_our_clients_alone_does_harm_and_says_what_helps() -> None:
    watch = Watch()
    network = Prefixes("2001:db8:42:1::/64", "::/0")
    drawing = replace(offender(PART, Offence.EXIT, installed=True), touch=Touch(Offence.CLIENTS, network))
    watch.look(seen(drawing))
    watch.look(seen(drawing), SETTLED_SECONDS)
    (reason,) = watch.notices.reasons()
    assert "inside our network 2001:db8:42:1::/64" in reason
    assert "02:0d" in reason
    assert "`mesh.exits`" in reason
    assert watch.shown()[0]["kind"] == "exit"


def test_while_babeld_cannot_be_seen_nothing_is_gone() -> None:
    watch = Watch()
    watch.look(seen(offender()))
    watch.look(seen(unseen=True), 2 * GONE_SECONDS)
    assert len(watch.shown()) == 1
    assert len(watch.told) == 1


def test_a_flood_of_changing_routers_fills_no_history() -> None:
    watch = Watch()
    hours = 3
    for number in range(int(hours * TOLD_SECONDS / 30)):
        watch.look(seen(*(offender(router=f"02:{number:x}:{n:x}") for n in range(20))))
    assert len(watch.told) <= (hours + 1) * (MOST_TOLD + 2)
    assert any("more came or went" in one["because"] for one in watch.told)
    assert watch.notices.counts() == {"offenders": {"default": 20}}
    assert len(watch.notices._all) <= 20 * (GONE_SECONDS / 30 + 2), "what is gone is forgotten"


def test_one_that_comes_and_goes_fast_is_told_once() -> None:
    watch = Watch()
    for number in range(200):
        watch.look(seen(offender()) if number % 2 else seen(), 20)
    assert len(watch.told) == 1


def test_when_it_is_due_something_becomes_of_it() -> None:
    watch = Watch(OUR_EXIT)
    observation = seen(offender(PART, Offence.EXIT, installed=True))
    watch.look(observation)
    for _ in range(10):
        due = watch.notices.due()
        if due == float("inf"):
            break
        watch.look(observation, due - watch.now)
        assert watch.notices.due() > watch.now
    assert watch.notices.reasons()


def test_a_flood_of_new_routers_a_second_is_not_all_kept() -> None:
    watch = Watch()
    watch.look(seen(offender(router="02:01")))
    for number in range(20):
        watch.look(seen(offender(router="02:01"), *(offender(router=f"02:{number:x}:{n:x}") for n in range(1000))), 1.0)
    assert len(watch.notices._all) <= MOST_KEPT
    assert watch.notices.counts() == {"offenders": {"default": 1001}}
    assert any(one["router_id"] == "02:01" for one in watch.shown()), "the first ones stay"
    watch.look(seen(), 1.0)
    watch.look(seen(), GONE_SECONDS)
    assert watch.notices.counts() == {"offenders": {}}
