"""What we own and could not mark, and where in large tables our marks are to be looked for."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from intent.resources.resource import Key, Resource


@dataclass(frozen=True)
class Inventory:
    """The objects that only we know to be ours, with what is remembered of each.

    ``partitions`` are, by table, the parts in which we have made something. ``lost`` says that there was no
    inventory on disk: then the marks in the kernel are searched everywhere.
    """

    entries: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict)
    partitions: Mapping[str, frozenset[Hashable]] = field(default_factory=dict)
    lost: bool = False

    def with_made(self, made: Iterable[tuple[Resource, Resource | None]]) -> Inventory:
        """Return the inventory for objects about to be made, each with what is there before."""
        made = list(made)
        entries = dict(self.entries)
        for desired, observed in made:
            if (remembered := desired.remember(observed)) is not None:
                entries[desired.key] = remembered
            elif entries:
                # Of an earlier kind, or an earlier wish, of that key.
                entries.pop(desired.key, None)
        return replace(self.with_parts_of(desired for desired, _ in made), entries=entries)

    def with_parts_of(self, resources: Iterable[Resource]) -> Inventory:
        """Return the inventory with the parts of tables that the objects are in."""
        parts: dict[str, set[Hashable]] = {}
        for resource in resources:
            if resource.partitioned:
                parts.setdefault(resource.table, set()).add(resource.partition())
        known = self.partitions
        return replace(
            self, partitions={**known, **{table: known.get(table, frozenset()) | new for table, new in parts.items()}}
        )

    def without(self, keys: Iterable[Key]) -> Inventory:
        """Return the inventory without objects whose removal is confirmed."""
        gone = set(keys)
        return replace(self, entries={key: held for key, held in self.entries.items() if key not in gone})


class InventoryStore(Protocol):
    """Where the inventory is kept between runs."""

    def load(self) -> Inventory:
        """Return the inventory, a lost one when none was kept. Raises StellwerkError when it is damaged."""
        ...

    def save(self, inventory: Inventory) -> None:
        """Keep the inventory so that it survives a crash from the moment this returns."""
        ...


class InventoryInMemory:
    """An inventory that lives as long as the process, for tests and for looking without a trace."""

    def __init__(self) -> None:
        self.inventory = Inventory()

    def load(self) -> Inventory:
        """Return what was saved last."""
        return self.inventory

    def save(self, inventory: Inventory) -> None:
        """Keep the inventory."""
        self.inventory = inventory
