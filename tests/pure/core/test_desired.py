"""What is desired, asked in several ways, is what was given."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given

from intent.resources import kinds
from intent.resources.resource import Key, Resource
from reconciler.core.desired import Desired
from tests.pure.core.test_node_properties import SETTINGS, states
from tests.pure.core.thing import parse

REAL_KINDS = True


@SETTINGS
@given(states())
def test_each_way_to_ask_tells_of_all_objects(state: list[Resource]) -> None:
    by_key: Mapping[Key, Resource] = {one.key: one for one in state}
    for desired in (Desired(state), Desired(iter(state)), Desired(by_key)):
        assert desired.by_key == by_key
        assert list(desired) == state
        assert len(desired) == len(state)
        assert desired.problems == ()
        for kind, (keys, resources) in desired.kinds.items():
            assert list(zip(keys, resources, strict=True)) == [(one.key, one) for one in state if type(one) is kind]
        assert {type(one) for one in state} == desired.kinds.keys()
        for table in kinds():
            assert dict(desired.of_table(table)) == {one.key: one for one in state if one.table == table}
            parts = {one.partition() for one in state if one.table == table}
            assert desired.partitions.get(table, frozenset()) == parts


def test_what_is_asked_for_twice_or_held_twice_is_told() -> None:
    desired = Desired(parse("a holds=p; b taken=p; a size=1; c holds=q"))
    # What the first one holds is not asked for any more.
    assert desired.problems == ("thing a is asked for twice",)
    desired = Desired(parse("a holds=p; b taken=p; c holds=p,q"))
    assert desired.problems == (
        "thing a and thing b both need slot p, which only one can have",
        "thing a and thing c both need slot p, which only one can have",
    )
