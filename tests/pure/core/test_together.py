"""A comparison of what hangs together, of things that need, hold and are part of one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.desired import Desired
from reconciler.core.observe import Observer
from tests.pure.core.comparisons import of_all, of_what_hangs_together
from tests.pure.core.test_properties import FOREIGN, MANY, NAMES, Node, states
from tests.pure.core.thing import Echo, Thing


@st.composite
def drift(draw: st.DrawFn) -> list[tuple[str, str, str]]:
    """What others do: to which thing, what, and with which other one."""
    deeds = st.sampled_from(
        ["delete", "size", "colour", "needs", "whole", "holds", "through", "renewed", "foreign", "forget", "stand"]
    )
    names = st.sampled_from([*NAMES, "x", "y"])
    return draw(st.lists(st.tuples(names, deeds, names), max_size=4))


def drifted(node: Node, deeds: list[tuple[str, str, str]]) -> None:
    for name, deed, other in deeds:
        thing = node.things.get(name)
        if deed == "stand":
            node.things[f"z{name}"] = Thing(name=f"z{name}", size=7, needs=(name,), whole=name, marked=False)
        elif thing is None:
            node.things[name] = Thing(name=name, needs=(other,) * (other in FOREIGN), marked=node.marks)
        elif deed == "delete":
            del node.things[name]
        elif deed == "forget":
            node.store.save(node.store.load().without([thing.key]))
        else:
            held = {slot for there in node.things.values() for slot in (*there.holds, *there.taken)}
            node.things[name] = replace(thing, **altered(thing, deed, other, sorted({*"pqrs"} - held)))


def altered(thing: Thing, deed: str, other: str, free: Sequence[str]) -> dict[str, Any]:
    values: dict[str, dict[str, Any]] = {
        "size": {"size": 5},
        "colour": {"colour": "green"},
        # Never in a circle, which no kernel has.
        "needs": {"needs": (*thing.needs, other) if other in FOREIGN and thing.name not in FOREIGN else ()},
        "whole": {"whole": "" if other in NAMES or thing.name in FOREIGN else other},
        "holds": {"holds": (*thing.holds, *free)},
        "through": {"through": other},
        "renewed": {"renewed": (other,)},
        "foreign": {"marked": not thing.marked, "made_by_itself": other in "abc"},
    }
    return values[deed]


def echoing(state: list[Thing], names: frozenset[str]) -> list[Thing]:
    """Return the state with echoes in the places of some things."""
    values = ((thing, {one.name: getattr(thing, one.name) for one in fields(thing)}) for thing in state)
    return [Echo(**given) if type(thing) is Thing and thing.name in names else thing for thing, given in values]


@MANY
@given(states(), states(), drift(), st.booleans(), st.booleans(), st.frozensets(st.sampled_from(NAMES)), st.data())
def test_a_comparison_of_what_hangs_together_finds_what_one_of_all_finds(
    before: list[Thing],
    after: list[Thing],
    deeds: list[tuple[str, str, str]],
    marks: bool,
    same: bool,
    echoes: frozenset[str],
    data: st.DataObject,
) -> None:
    before, after = echoing(before, echoes), echoing(after, echoes)
    node = Node(marks=marks)
    node.become(before)
    drifted(node, deeds)
    desired = Desired(before if same else after)
    seen = Observer([node]).look(desired, node.store.load())
    stuck = data.draw(st.frozensets(st.sampled_from([one.key for one in desired]))) if len(desired) else frozenset()
    assert of_what_hangs_together(desired, seen, stuck) == of_all(desired, seen, stuck)
