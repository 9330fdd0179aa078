"""Killed at every step, the program begins again: the node ends at one document or the other, not in between."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from reconciler.core.errors import StellwerkError
from tests.pure.loop.rig import DeathError, Stage, ToyStage, document, toy_stage

A = "a; b needs=a; c holds=port; d size=1; g"
B = "a colour=red; b needs=a; e holds=port; d size=2; f needs=e"
FOREIGN = "z size=4 foreign"


def enforced(text: str) -> str:
    """Return what is there when a document was always the only one."""
    toys = toy_stage()
    toys.put(FOREIGN)
    toys.file(text)
    toys.run(10)
    return toys.there()


def at_a(**how: object) -> ToyStage:
    """Return a loop that holds a node at the first document."""
    toys = toy_stage(**how)
    toys.put(FOREIGN)
    toys.file(A)
    toys.run(10)
    toys.fate.steps = 0
    return toys


def killed_at(toys: ToyStage, step: int, scenario: Callable[[ToyStage], None]) -> bool:
    """Return whether a scenario came to so many steps; the program was killed then, and began again."""
    toys.fate.dies_at = step
    with contextlib.suppress(DeathError):
        scenario(toys)
        return False
    toys.fate.dies_at = None
    toys.restart()
    return True


def each_step(scenario: Callable[[ToyStage], None]) -> list[int]:
    """Return all the steps at which a scenario can be killed."""
    toys = at_a()
    scenario(toys)
    assert toys.fate.steps > 10
    return list(range(1, toys.fate.steps + 1))


def expire(toys: ToyStage) -> None:
    toys.file(f"confirm=60 | {B}")
    toys.run(100)


def confirm(toys: ToyStage) -> None:
    toys.file(f"confirm=60 | {B}")
    toys.run(10)
    toys.loop.confirm()
    toys.run(100)


def checks_pass(toys: ToyStage) -> None:
    toys.verdict = True
    toys.file(f"confirm=60 checks=1 | {B}")
    toys.run(100)


def by_hand(toys: ToyStage) -> None:
    toys.loop.apply(document(B), confirm_seconds=60)
    toys.run(100)


def straight(toys: ToyStage) -> None:
    toys.file(B)
    toys.run(10)


@pytest.mark.parametrize("reboots", [False, True], ids=["same boot", "another boot"])
@pytest.mark.parametrize("scenario", [expire, by_hand])
def test_what_nobody_confirms_ends_where_it_began(scenario: Callable[[ToyStage], None], reboots: bool) -> None:
    for step in each_step(scenario):
        toys = at_a()
        assert killed_at(toys, step, scenario)
        if reboots:
            toys.clock.reboot()
            toys.restart()
        toys.run(200)
        assert toys.there() == enforced(A), step
        assert toys.status["sync"]["state"] == "synced"


@pytest.mark.parametrize("reboots", [False, True], ids=["same boot", "another boot"])
def test_what_was_confirmed_stays_and_nothing_else_does(reboots: bool) -> None:
    ends = set()
    for step in each_step(confirm):
        toys = at_a()
        assert killed_at(toys, step, confirm)
        if reboots:
            toys.clock.reboot()
            toys.restart()
        confirmed = toys.disk.intents.trial is None and toys.disk.intents.adopted == document(f"confirm=60 | {B}")
        toys.run(200)
        assert toys.there() == enforced(B if confirmed else A), step
        ends.add(confirmed)
    assert ends == {True, False}


def test_checks_confirm_after_a_restart_too() -> None:
    for step in each_step(checks_pass):
        toys = at_a()
        assert killed_at(toys, step, checks_pass)
        toys.run(200)
        assert toys.there() == enforced(B), step
        assert toys.disk.intents.trial is None


def test_without_a_trial_it_goes_on_after_a_restart() -> None:
    for step in each_step(straight):
        toys = at_a()
        assert killed_at(toys, step, straight)
        toys.run(200)
        assert toys.there() == enforced(B), step


def test_killed_again_and_again_it_comes_to_an_end() -> None:
    for every in (1, 2, 3, 5):
        toys = at_a()
        for _ in range(60):
            toys.fate.steps = 0
            # The first save and the first request of a program are always made.
            if not killed_at(toys, 3 + every, expire):
                break
            toys.file(f"confirm=60 | {B}")
        toys.fate.dies_at = None
        toys.run(200)
        assert toys.there() == enforced(A), every


@pytest.mark.parametrize("part", ["intents", "inventory"])
@pytest.mark.parametrize("scenario", [expire, confirm, by_hand, checks_pass])
def test_a_disk_that_fills_up_at_any_step_leaves_the_one_or_the_other(
    scenario: Callable[[ToyStage], None], part: str
) -> None:
    for fills_at in each_step(scenario):
        toys = at_a()

        def fill(stage: Stage, at: int = fills_at) -> None:
            if stage.fate.steps >= at:
                stage.disk.full.add(part)

        step, stage = toys.fate.step, toys

        def filling(stage: ToyStage = stage, step: Callable[[], None] = step) -> None:
            step()
            fill(stage)

        toys.fate.step = filling  # type: ignore[method-assign]
        with contextlib.suppress(StellwerkError):
            scenario(toys)
        toys.disk.full.clear()
        toys.fate.step = step  # type: ignore[method-assign]
        toys.run(700)
        assert toys.there() in (enforced(A), enforced(B)), fills_at
        assert toys.loop.custody.intents.trial is None
        assert toys.disk.intents == toys.loop.custody.intents
