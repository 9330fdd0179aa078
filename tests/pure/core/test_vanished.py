"""What vanished by itself: others are told once, unless it is made again at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.apply import Outcome, Result
from reconciler.core.desired import Desired
from reconciler.core.errors import BackendError, BusyError
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.plan import Impact
from reconciler.core.reconcile import Round, Rounds
from tests.pure.core.test_inventory import names
from tests.pure.core.test_properties import MANY
from tests.pure.core.thing import Killed, Thing, World, key, parse, plan_lines


@dataclass
class Scene:
    """A world with a foreign ``x``, and the rounds that are made in it."""

    world: World = field(default_factory=World)
    store: InventoryInMemory = field(default_factory=InventoryInMemory)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.foreign("x")
        self.rounds = Rounds([self.world], self.store, lambda: 0.0)

    def foreign(self, name: str) -> None:
        self.world.things[name] = Thing(name=name, size=7, marked=False)

    def plan(self, want: Desired) -> list[str]:
        return plan_lines(self.rounds.look(want).plan)

    def apply(self, want: Desired) -> list[str]:
        """Make a round, and return what was requested."""
        start = len(self.world.done)
        self.round(want)
        return self.world.done[start:]

    def round(self, want: Desired) -> Round:
        return self.rounds.apply(self.rounds.look(want), want, lambda: self.now)

    def loses(self, *vanishing: str) -> None:
        """Have things vanish with all that stands on them."""
        gone = set(vanishing)
        while new := {name for name, thing in self.world.things.items() if gone & {*thing.needs}} - gone:
            gone |= new
        for name in gone:
            self.world.things.pop(name, None)


WANT = Desired(parse("a needs=x; echo b needs=a whole=a"))


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    assert made.apply(WANT) == ["+a", "+b"]
    return made


def test_others_are_told_once_and_it_is_made_again_when_it_can_be(scene: Scene) -> None:
    scene.loses("x")
    (operation,) = scene.rounds.look(WANT).plan.operations
    assert operation.impact is Impact.RETRACTION
    assert operation.reason == "vanished with thing a: others are told"
    assert scene.plan(WANT) == ["-b", "?a", "?b"]
    assert scene.apply(WANT) == ["+b'", "!b", "-b'"]
    assert "b" not in names(scene.store.load())
    assert scene.plan(WANT) == ["?a", "?b"]
    assert scene.apply(WANT) == []
    scene.foreign("x")
    assert scene.apply(WANT) == ["+a", "+b"]
    assert "b" in names(scene.store.load())


def test_what_can_be_made_again_at_once_is_nothing_to_tell_of(scene: Scene) -> None:
    scene.loses("a")
    assert scene.apply(WANT) == ["+a", "+b"]
    scene.loses("b")
    assert scene.apply(WANT) == ["+b"]


def test_what_still_shows_though_its_whole_is_gone_has_vanished_too(scene: Scene) -> None:
    del scene.world.things["x"], scene.world.things["a"]
    assert "b" in scene.world.things
    assert scene.apply(WANT) == ["+b'", "!b", "-b'"]


@pytest.mark.parametrize("shows", [True, False])
def test_of_what_is_not_wanted_any_more_and_vanished_first_others_are_told_too(scene: Scene, shows: bool) -> None:
    scene.loses("a")
    if shows:
        scene.world.things["b"] = parse("echo b whole=a")[0]
    want = Desired(parse("c"))
    assert scene.plan(want) == ["-b", "+c"]
    assert scene.apply(want) == ["+b'", "!b", "-b'", "+c"]
    assert names(scene.store.load()) == {"c"}


def test_what_could_not_be_made_again_does_not_come_again_at_once(scene: Scene) -> None:
    scene.world.refuses = frozenset("a")
    scene.loses("a")
    done = scene.round(WANT)
    assert [outcome.result for outcome in done.outcomes] == [Result.FAILED, Result.SKIPPED]
    assert plan_lines(done.remaining.plan)[0] == "-b"
    assert scene.rounds.open(done.remaining, WANT, scene.now)
    assert scene.apply(WANT) == ["+b'", "!b", "-b'"]
    assert plan_lines(scene.rounds.look(WANT).plan) == ["+a", "+b"]


def test_the_stand_in_goes_though_nobody_could_be_told_and_that_is_said(scene: Scene) -> None:
    scene.loses("x")
    scene.world.refuses = frozenset("b")
    done = scene.round(WANT)
    (outcome,) = done.outcomes
    assert outcome.result is Result.DONE
    assert str(outcome.undrained) == "nobody can be told of b"
    assert scene.world.things == {}
    assert "b" not in names(scene.store.load())


@pytest.mark.parametrize("requests", range(3))
def test_killed_in_between_it_is_done_again_and_nothing_stays(scene: Scene, requests: int) -> None:
    scene.loses("x")
    scene.world.dies_after = 1 + requests
    with pytest.raises(Killed):
        scene.apply(WANT)
    scene.world.dies_after = None
    again = Scene(scene.world, scene.store)
    scene.loses("x")
    assert again.apply(WANT).count("!b") == 1
    assert again.world.things == {}
    assert "b" not in names(again.store.load())
    assert again.plan(WANT) == ["?a", "?b"]


def test_what_cannot_be_seen_has_not_vanished(scene: Scene) -> None:
    scene.loses("x")
    hidden: BackendError = BusyError("not now")
    scene.world.hidden = hidden
    assert scene.plan(WANT) == []
    scene.world.hidden = None
    assert scene.plan(WANT) == ["-b", "?a", "?b"]


def test_what_came_by_itself_with_its_whole_is_retracted_like_what_we_waited_for(scene: Scene) -> None:
    scene.loses("x")
    scene.round(WANT)
    scene.foreign("x")
    # It still shows, or shows again before it is waited for.
    scene.world.things["b"] = parse("echo b whole=a foreign")[0]
    assert scene.apply(WANT) == ["+a"]
    scene.loses("x")
    assert scene.apply(WANT) == ["+b'", "!b", "-b'"]


def test_that_it_is_lost_again_and_again_is_no_fight(scene: Scene) -> None:
    for _ in range(20):
        scene.loses("x")
        done = scene.round(WANT)
        assert [outcome.operation.impact for outcome in done.outcomes] == [Impact.RETRACTION]
        assert not done.fought
        scene.foreign("x")
        assert not scene.round(WANT).fought
        assert "b" in scene.world.things


def test_it_is_told_though_it_could_not_be_made_just_now(scene: Scene) -> None:
    scene.world.refuses = frozenset("b")
    scene.loses("b")
    assert scene.round(WANT).outcomes[0].result is Result.FAILED
    assert key("b") in scene.rounds.retries.held(scene.now)
    scene.loses("x")
    scene.world.refuses = frozenset()
    assert scene.apply(WANT) == ["+b'", "!b", "-b'"]


def test_what_could_not_be_taken_away_again_waits_for_its_time(scene: Scene) -> None:
    scene.loses("x")
    # A thing of another's, which nobody may remove.
    scene.world.refuses = frozenset(["b'"])
    scene.world.things["b'"] = Thing(name="b'", size=7, marked=False)
    done = scene.round(WANT)
    assert done.outcomes[0].result is Result.FAILED
    assert not scene.rounds.open(done.remaining, WANT, scene.now)
    scene.world.refuses = frozenset()
    scene.rounds.begin()
    assert scene.apply(WANT) == ["-b'", "+b'", "!b", "-b'"]


def test_it_is_told_though_repairs_are_fought_over(scene: Scene) -> None:
    while key("b") not in scene.rounds.fights.held(scene.now):
        scene.loses("a")
        assert len(scene.round(WANT).outcomes) == 2
    scene.loses("x")
    outcomes: tuple[Outcome, ...] = scene.round(WANT).outcomes
    assert [(one.operation.impact, one.result) for one in outcomes] == [(Impact.RETRACTION, Result.DONE)]


@MANY
@given(st.lists(st.sampled_from(["x", "a", "b", "c", "d", "+x", "round", "other"]), max_size=12))
def test_whatever_goes_and_comes_nobody_is_left_untold_and_nothing_stays(deeds: list[str]) -> None:
    """Others know of what was made; of each that is gone for good they were told."""
    scene = Scene()
    whole = Desired(parse("a needs=x; echo b needs=a whole=a; c; echo d needs=c whole=c"))
    part = Desired(parse("a needs=x; echo b needs=a whole=a"))
    want = whole
    for deed in deeds:
        if deed == "+x":
            scene.foreign("x")
        elif deed == "other":
            want = part if want is whole else whole
            scene.rounds.begin()
        elif deed == "round":
            scene.now += 3600.0
            scene.round(want)
        else:
            scene.loses(deed)
    scene.now += 3600.0
    scene.round(want)
    known: set[str] = set()
    for done in scene.world.done:
        # What goes in order takes its parts along, and those who use them.
        gone = {"-a": {"b"}, "-c": {"d"}}.get(done, {done[1:]})
        known = known | {done[1:]} if done[0] == "+" else known - gone
    there = {name for name, thing in scene.world.things.items() if thing.size != 7}
    assert known & {"b", "d"} == there & {"b", "d"}
    assert not any(name.endswith("'") for name in scene.world.things)
    assert names(scene.store.load()) & {"b", "d"} == there & {"b", "d"}
