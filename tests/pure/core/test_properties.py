"""What holds of every plan, for generated states of things that need, hold and are part of one another."""

from __future__ import annotations

import random
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.resources.resource import Request
from reconciler.core.apply import Outcome, Result
from reconciler.core.diff import diff
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.observe import Observation, observe
from reconciler.core.plan import Impact, Operation
from reconciler.core.reconcile import ConflictError, Round, apply, look
from tests.pure.core.thing import Killed, Limb, Setting, Thing, World, key, plan_lines

NAMES = "abcdef"
FOREIGN = ("x", "y")
MANY = settings(derandomize=True, database=None, deadline=None, max_examples=400)
FEW = settings(MANY, max_examples=100)


@st.composite
def states(draw: st.DrawFn) -> list[Thing]:
    """A desired state: needs without a circle, each slot held once."""
    names: list[str] = draw(st.permutations(list(NAMES)))
    order = names[: draw(st.integers(0, len(names)))]
    holders = {slot: draw(st.sampled_from(order)) for slot in "pqrs" if bool(order) and draw(st.booleans())}
    below: dict[str, set[str]] = {}
    things = []
    for position, name in enumerate(order):
        grounds = st.sampled_from([*order[:position], *FOREIGN])
        needs = draw(st.lists(grounds, max_size=2, unique=True))
        below[name] = {need for need in needs if need in NAMES}.union(*(below.get(need, set()) for need in needs))
        whole = draw(st.sampled_from(["", *sorted(below[name])]))
        kind = draw(st.sampled_from([Thing, Thing, Limb] if whole in needs else [Thing]))
        things.append(
            kind(
                name=name,
                size=draw(st.integers(0, 1)),
                colour=draw(st.sampled_from(["", "", "red"])),
                needs=tuple(needs),
                whole=whole,
                holds=tuple(slot for slot in "pq" if holders.get(slot) == name),
                taken=tuple(slot for slot in "rs" if holders.get(slot) == name),
            )
        )
    return things


@dataclass
class Node(World):
    """A world in which things carry no mark, and at every request all that is ours must be in the inventory."""

    store: InventoryInMemory = field(default_factory=InventoryInMemory)
    marks: bool = False

    def __post_init__(self) -> None:
        self.things |= {name: Thing(name=name, size=7, marked=False, holds=(name,)) for name in FOREIGN}

    def foreign(self) -> list[Thing]:
        return [thing for thing in self.things.values() if thing.size == 7]

    def ours(self) -> dict[str, Thing]:
        return {name: replace(thing, marked=True) for name, thing in self.things.items() if thing.size != 7}

    def _carry_out(self, request: Request) -> object:  # type: ignore[override]
        self.check_inventory()
        answer = super()._carry_out(request)
        for name, thing in list(self.things.items()):
            self.things[name] = replace(thing, marked=self.marks and thing.size != 7)
        self.check_inventory()
        return answer

    def check_inventory(self) -> None:
        unknown = {
            key(name) for name, thing in self.ours().items() if thing.inventoried
        } - self.store.load().entries.keys()
        assert not unknown

    def apply(self, desired: Sequence[Thing]) -> Round:
        return apply(look(desired, [self], self.store), desired, [self], self.store)

    def become(self, desired: Sequence[Thing]) -> None:
        """Apply, and see that everything was done and nothing is left to do."""
        done = self.apply(desired)
        assert [outcome.error for outcome in done.outcomes if outcome.result is not Result.DONE] == []
        assert done.remaining.plan.empty, plan_lines(done.remaining.plan)
        assert not done.failed
        assert self.ours() == {thing.name: thing for thing in desired}
        assert self.store.load().entries.keys() == {thing.key for thing in desired if thing.inventoried}


@MANY
@given(states(), states(), st.booleans())
def test_the_desired_state_is_reached_and_the_next_plan_is_empty(
    before: list[Thing], after: list[Thing], marks: bool
) -> None:
    node = Node(marks=marks)
    foreign = node.foreign()
    for desired in (before, after, []):
        node.become(desired)
        assert node.foreign() == foreign


@MANY
@given(states())
def test_nothing_differs_from_itself(state: list[Thing]) -> None:
    things = {thing.key: thing for thing in state}
    things |= {key(name): Thing(name=name, marked=False) for name in FOREIGN}
    assert diff(state, Observation(things, frozenset(thing.key for thing in state))).empty


@FEW
@given(states(), states(), st.booleans())
def test_from_every_half_way_state_the_end_is_reached(before: list[Thing], after: list[Thing], marks: bool) -> None:
    node = Node(marks=marks)
    node.become(before)
    start = len(node.done)
    whole = deepcopy(node)
    whole.become(after)
    for count in range(len(whole.done) - start):
        halfway = deepcopy(node)
        halfway.dies_after = count
        with pytest.raises(Killed):
            halfway.apply(after)
        halfway.dies_after = None
        other_way = deepcopy(halfway)
        halfway.become(after)
        other_way.become(before)


@MANY
@given(states(), states(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_given_does_not_matter(
    before: list[Thing], after: list[Thing], shuffle: random.Random
) -> None:
    node = Node()
    node.become(before)
    plan = look(after, [node], node.store).plan
    shuffle.shuffle(after)
    things = list(node.things.items())
    shuffle.shuffle(things)
    node.things = dict(things)
    assert plan_lines(look(after, [node], node.store).plan) == plan_lines(plan)


@MANY
@given(states(), states(), st.sampled_from(NAMES), st.booleans())
def test_where_something_foreign_stands_nothing_is_touched(
    before: list[Thing], after: list[Thing], ground: str, automatic: bool
) -> None:
    node = Node()
    node.become(before)
    if ground not in node.things:
        return
    node.things["z"] = Thing(name="z", size=7, needs=(ground,), whole=ground, marked=False, made_by_itself=automatic)
    things = dict(node.things)
    try:
        node.become(after)
    except ConflictError:
        assert not automatic
        assert node.things == things
    else:
        assert automatic or node.things["z"] == things["z"]


@MANY
@given(states(), states(), st.sets(st.sampled_from(NAMES), min_size=1, max_size=2))
def test_a_refusal_stops_what_depends_on_it_and_nothing_else(
    before: list[Thing], after: list[Thing], refused: set[str]
) -> None:
    node = Node()
    node.become(before)
    node.refuses = frozenset(refused)
    done = node.apply(after)
    failed = {outcome.operation.key.name[0] for outcome in done.outcomes if outcome.result is Result.FAILED}
    assert failed <= refused
    for position, outcome in enumerate(done.outcomes):
        waited = [done.outcomes[earlier] for earlier in outcome.operation.after]
        waited += stood_for(done.outcomes[:position], outcome.operation, done.outcomes[position:])
        assert (outcome.result is Result.SKIPPED) is any(one.result is not Result.DONE for one in waited), position
        _check_cause(outcome, waited)
    assert done.failed is bool(failed)
    node.refuses = frozenset()
    node.become(after)


def stood_for(before: Sequence[Outcome], operation: Operation, rest: Sequence[Outcome]) -> list[Outcome]:
    """Return what was to be made of the same whole, where nothing that is to be made waits for the removal."""
    if operation.impact is not Impact.REMOVAL or operation.resource.part_of() is None:
        return []
    waiting = {len(before)}
    for position, one in enumerate(rest, len(before)):
        if waiting & {*one.operation.after}:
            waiting.add(position)
            if one.operation.impact is not Impact.REMOVAL:
                return []
    makings = [one for one in before if one.operation.impact is not Impact.REMOVAL]
    return [one for one in makings if one.operation.resource.part_of() == operation.resource.part_of()]


def _check_cause(outcome: Outcome, waited: list[Outcome]) -> None:
    if outcome.result is not Result.SKIPPED:
        assert outcome.because is None
        return
    causes = {one.because or one.operation.key for one in waited if one.result is not Result.DONE}
    assert outcome.because in causes


@FEW
@given(states(), states())
def test_what_is_adopted_is_changed_and_then_ours(before: list[Thing], after: list[Thing]) -> None:
    node = Node()
    node.things["s"] = Setting(name="s", size=3, marked=False)
    setting = Setting(name="s", size=4)
    for desired in ([*before, setting], [*after, setting]):
        node.become(desired)


def test_a_part_of_a_part_of_ours_is_ours_in_whatever_order_it_is_seen() -> None:
    chain = [Thing(name="a"), Limb(name="b", whole="a", needs=("a",)), Limb(name="c", whole="b", needs=("b",))]
    for order in (chain, chain[::-1]):
        world = World({thing.name: replace(thing, marked=thing.name == "a") for thing in order})
        assert observe([world], chain, InventoryInMemory().load()).owned == {thing.key for thing in chain}
