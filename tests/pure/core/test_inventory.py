"""What is remembered of our objects: written before a change, dropped after a confirmed removal."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from intent.resources.route import Route
from reconciler.core.errors import StellwerkError
from reconciler.core.inventory import Inventory, InventoryInMemory
from reconciler.core.reconcile import apply, look
from tests.pure.core.thing import Killed, World, parse


def names(inventory: Inventory) -> set[str]:
    return {str(key.name[0]) for key in inventory.entries}


@dataclass
class Diary(InventoryInMemory):
    """A store that writes each saved inventory down among the requests of a world."""

    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        super().__init__()

    def save(self, inventory: Inventory) -> None:
        super().save(inventory)
        self.world.done.append("".join(["=", *sorted(names(inventory))]))


def run(diary: Diary, want: str) -> list[str]:
    """Apply, and return what was requested and saved, in its order."""
    desired = parse(want)
    start = len(diary.world.done)
    apply(look(desired, [diary.world], diary), desired, [diary.world], diary)
    return diary.world.done[start:]


def test_it_is_written_before_the_change_and_dropped_after_the_removal() -> None:
    diary = Diary()
    assert run(diary, "a; b needs=a") == ["=a", "+a", "=ab", "+b"]
    assert run(diary, "a; b needs=a") == []
    assert run(diary, "a size=1; b needs=a") == ["~a"]
    assert run(diary, "a size=1") == ["-b", "=a"]
    assert run(diary, "a colour=red") == ["-a", "=", "=a", "+a"]
    assert run(diary, "") == ["-a", "="]


def test_what_vanishes_with_its_whole_is_dropped_with_it() -> None:
    diary = Diary()
    run(diary, "a; b needs=a whole=a; c needs=b whole=b")
    assert run(diary, "") == ["-a", "="]


def test_what_could_not_be_removed_stays_remembered() -> None:
    diary = Diary()
    run(diary, "a; b")
    diary.world.refuses = frozenset("a")
    assert run(diary, "") == ["-b", "=a"]
    diary.world.refuses = frozenset()
    assert run(diary, "") == ["-a", "="]


def test_what_could_not_be_made_stays_remembered_for_it_may_have_been_made_after_all() -> None:
    diary = Diary(world=World(refuses=frozenset("a")))
    assert run(diary, "a; b needs=a") == ["=a"]
    assert names(diary.load()) == {"a"}


def test_what_somebody_else_removed_is_forgotten() -> None:
    diary = Diary()
    run(diary, "a; b")
    del diary.world.things["b"]
    assert run(diary, "a") == ["=a"]


def test_what_becomes_another_kind_half_way_and_back_again_is_not_remembered_as_the_other() -> None:
    diary = Diary()
    run(diary, "a; limb b needs=a whole=a")
    diary.world.dies_after = 1
    with pytest.raises(Killed):
        run(diary, "a; b needs=a")
    diary.world.dies_after = None
    assert names(diary.load()) == {"a", "b"}
    run(diary, "a; limb b needs=a whole=a")
    assert names(diary.load()) == {"a"}


def test_where_it_cannot_be_written_nothing_is_changed() -> None:
    class Full(Diary):
        def save(self, inventory: Inventory) -> None:
            raise StellwerkError("no room")

    diary = Full()
    run(diary, "a")
    assert diary.world.done == []


def test_the_parts_of_a_table_in_which_we_made_something_are_looked_at_from_then_on() -> None:
    routes = [Route(routing_table=table, destination="::/0", link="mesh0") for table in (10, 11, 10)]
    inventory = Inventory().with_made([(route, None) for route in routes])
    assert inventory.partitions == {"route": {10, 11}}
    assert inventory.entries == {}
    assert inventory.without([routes[1].key]).partitions == {"route": {10, 11}}
