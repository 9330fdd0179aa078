"""Somebody keeps changing an object back."""

from __future__ import annotations

from random import Random

import pytest

from tests.pure.loop.rig import ToyStage, toy_stage

FOE = "process 812 (dhcpcd)"


def undo(toys: ToyStage, name: str = "a", **values: object) -> list[float]:
    """Have each repair of a toy undone at once; return the times of the repairs as they come."""
    times = list[float]()
    changed = values or {"size": 9}

    def foe() -> None:
        if any(getattr(toys.toy(name), field) != value for field, value in changed.items()):
            times.append(toys.clock.now())
            toys.alter(name, FOE, **changed)

    toys.after_turn = foe
    return times


@pytest.fixture
def calm(toys: ToyStage) -> ToyStage:
    toys.file("a; b; c needs=a")
    toys.run(1)
    toys.history.entries.clear()
    return toys


def test_the_first_repairs_are_made_at_once_and_later_ones_more_and_more_slowly(calm: ToyStage) -> None:
    times = undo(calm)
    calm.run(3600)
    start = times[0]
    assert 4 <= sum(time - start < 0.5 for time in times) <= 7
    assert len(times) < 40
    assert 200 <= times[-1] - times[-2] <= 300


def test_it_is_named_once_with_who_does_it(calm: ToyStage) -> None:
    undo(calm)
    calm.run(3600)
    (told,) = calm.history.of("fight")
    assert "thing a" in told["because"]
    assert FOE in told["because"]
    (shown,) = [one for one in calm.status["objects"] if one["state"] == "fought over"]
    assert shown["description"] == "thing a"
    assert FOE in shown["reason"]
    assert [FOE in reason for reason in calm.status["health"]["reasons"]] == [True]


def test_others_are_repaired_at_once_meanwhile(calm: ToyStage) -> None:
    undo(calm)
    calm.run(1000)
    calm.alter("b", size=3)
    calm.run()
    assert calm.toy("b").size == 0
    assert calm.toy("a").size == 9


def test_calm_is_taken_for_peace(calm: ToyStage) -> None:
    times = undo(calm)
    calm.run(20)
    calm.after_turn = lambda: None
    calm.run(3600)
    assert calm.status["health"]["state"] == "healthy"
    assert calm.toy("a").size == 0
    times.clear()
    calm.alter("a", FOE, size=9)
    calm.run()
    assert calm.toy("a").size == 0


def test_a_replacement_counts_as_one_repair(calm: ToyStage) -> None:
    times = undo(calm, "b", colour="red")
    calm.run(0.5)
    assert 5 <= len(times) <= 7


def test_a_change_once_a_minute_is_no_fight(calm: ToyStage) -> None:
    for _ in range(60):
        calm.alter("a", FOE, size=9)
        calm.run(60)
        assert calm.toy("a").size == 0
    assert calm.history.of("fight") == []


def test_a_new_intent_ends_it(calm: ToyStage) -> None:
    undo(calm)
    calm.run(1000)
    calm.after_turn = lambda: None
    calm.file("a; b; c needs=a; d")
    calm.run()
    assert calm.there() == "a; b; c needs=a; d"
    assert calm.status["health"]["state"] == "healthy"


@pytest.mark.parametrize("seed", range(3))
def test_the_pauses_vary(seed: int) -> None:
    toys = toy_stage(random=Random(seed).random)
    toys.file("a; b")
    toys.run(1)
    times = undo(toys)
    toys.run(3 * 3600)
    pauses = [round(later - earlier, 3) for earlier, later in zip(times[-8:], times[-7:], strict=False)]
    assert min(pauses) > 200
    assert max(pauses) <= 300
    assert len(set(pauses)) > 2


def test_what_stands_on_what_is_fought_over_does_not_make_the_loop_spin(calm: ToyStage) -> None:
    def foe() -> None:
        if "a" in calm.backend.things:
            calm.backend.things.pop("c", None)
            calm.lose("a")

    calm.after_turn = foe
    calm.run(60)
    tried = len(calm.backend.tried)
    calm.run(3600)
    assert len(calm.backend.tried) - tried < 60


def test_nobody_is_named_for_a_change_that_made_no_difference(calm: ToyStage) -> None:
    calm.hear("thing", actor=FOE)
    calm.run(1)

    def foe() -> None:
        if calm.toy("a").size != 9:
            calm.alter("a", size=9)

    calm.after_turn = foe
    calm.run(60)
    (told,) = calm.history.of("fight")
    assert FOE not in told["because"]


def test_a_fight_over_many_is_told_once_and_they_are_repaired_together(toys: ToyStage) -> None:
    names = [f"t{number}" for number in range(60)]
    toys.file("; ".join(names))
    toys.run(1)
    toys.history.entries.clear()
    rounds: list[float] = []

    def foe() -> None:
        if any(toys.toy(name).size != 9 for name in names):
            rounds.append(toys.clock.now())
            for name in names:
                toys.alter(name, FOE, size=9)

    toys.after_turn = foe
    toys.run(600)
    (told,) = toys.history.of("fight")
    assert "60 objects" in told["because"]
    assert FOE in told["because"]
    assert len(rounds) < 40
    assert len(toys.status["health"]["reasons"]) < 20
