"""Large mappings and sets as views on others: joined, or with a few changes laid over them, without a copy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import TypeVar

from intent.resources.resource import Key

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class Joined(Mapping[Key, V]):
    """Mappings of which each has all keys of some spaces."""

    def __init__(self, by_space: Mapping[str, Mapping[Key, V]]) -> None:
        self._by_space = by_space

    def __getitem__(self, key: Key) -> V:
        """Return the value. Raises KeyError."""
        return self._by_space[key.space][key]

    def __contains__(self, key: object) -> bool:
        """Return whether there is a value."""
        return isinstance(key, Key) and key in self._by_space.get(key.space, ())

    def __iter__(self) -> Iterator[Key]:
        """Yield the keys."""
        for part in self._parts():
            yield from part

    def __len__(self) -> int:
        """Return the number of values."""
        return sum(map(len, self._parts()))

    def _parts(self) -> Iterable[Mapping[Key, V]]:
        return {id(part): part for part in self._by_space.values()}.values()


class Overlay(Mapping[K, V]):
    """A mapping with some values that are other than below, and some that are gone (``None``)."""

    def __init__(self, below: Mapping[K, V], changes: Mapping[K, V | None]) -> None:
        self._below = below
        self._changes = changes

    def __getitem__(self, key: K) -> V:
        """Return the value. Raises KeyError."""
        if key not in self._changes:
            return self._below[key]
        value = self._changes[key]
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[K]:
        """Yield the keys."""
        for key in self._below:
            if self._changes.get(key, self) is not None:
                yield key
        for key, value in self._changes.items():
            if value is not None and key not in self._below:
                yield key

    def __len__(self) -> int:
        """Return the number of values."""
        gone = sum(value is None and key in self._below for key, value in self._changes.items())
        new = sum(value is not None and key not in self._below for key, value in self._changes.items())
        return len(self._below) - gone + new


class OverlaidSet(Set[K]):
    """A set with some members that are other than below: each with whether it is one."""

    def __init__(self, below: Set[K], changes: Mapping[K, bool]) -> None:
        self._below = below
        self._changes = changes

    @classmethod
    def _from_iterable(cls, members: Iterable[T]) -> Set[T]:
        # What `&`, `|`, `-` and `^` give is no view any more.
        return frozenset(members)

    def __contains__(self, key: object) -> bool:
        """Return whether it is a member."""
        known = self._changes.get(key)  # type: ignore[arg-type]
        return key in self._below if known is None else known

    def __iter__(self) -> Iterator[K]:
        """Yield the members."""
        for key in self._below:
            if self._changes.get(key, True):
                yield key
        for key, member in self._changes.items():
            if member and key not in self._below:
                yield key

    def __len__(self) -> int:
        """Return the number of members."""
        return len(self._below) + sum(member - (key in self._below) for key, member in self._changes.items())
