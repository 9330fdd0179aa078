"""Which objects of one kind a babeld has: by the identifier it gives them, and by what only one of them can have."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, Protocol, TypeVar


class Told(Protocol):
    """What a line says of an object."""

    @property
    def verb(self) -> bytes:
        """``add``, ``change`` or ``flush``."""
        ...

    @property
    def identifier(self) -> bytes:
        """The one by which babeld speaks of it: unique while it lives, and then another's."""
        ...

    @property
    def place(self) -> bytes:
        """What of two objects at the same time only one can have."""
        ...


T = TypeVar("T", bound=Told)


class Entries(Generic[T]):
    """The objects of one kind, each as the line that told of it last, which is in ``kept`` too.

    The lines alone are kept, and read once more when they change: there may be 100,000.
    """

    def __init__(self, read: Callable[[bytes], T], kept: set[bytes]) -> None:
        self._read = read
        self._kept = kept
        self._lines: dict[bytes, bytes] = {}
        self._identifiers: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._lines)

    def lines(self) -> Collection[bytes]:
        """Return the line of each."""
        return self._lines.values()

    def clear(self) -> None:
        """Forget all of them; what is in ``kept`` is for who shares it."""
        self._lines.clear()
        self._identifiers.clear()

    def has(self, told: T) -> bool:
        """Return whether there is one with this identifier or in this place."""
        return told.identifier in self._lines or told.place in self._identifiers

    def has_place(self, place: bytes) -> bool:
        """Return whether there is one in this place."""
        return place in self._identifiers

    def put(self, told: T, line: bytes) -> list[T]:
        """Keep an object, and return what it comes instead of.

        That is what was said of it before, if anything. It is also another object in its place, of which babeld had
        no occasion to say that it is gone, or an older one whose identifier it has got.
        """
        identifier, place = told.identifier, told.place
        gone = []
        if (former := self._lines.get(identifier)) is not None:
            before = self._read(former)
            gone.append(before)
            self._kept.discard(former)
            if before.place == place:
                # Nearly always.
                self._lines[identifier] = line
                self._kept.add(line)
                return gone
            del self._lines[identifier], self._identifiers[before.place]
        if (other := self._identifiers.get(place)) is not None and (removed := self.remove(other)) is not None:
            gone.append(removed)
        self._lines[identifier] = line
        self._identifiers[place] = identifier
        self._kept.add(line)
        return gone

    def remove(self, identifier: bytes) -> T | None:
        """Forget an object and return what was said of it, None when it is unknown."""
        line = self._lines.pop(identifier, None)
        if line is None:
            return None
        self._kept.discard(line)
        told = self._read(line)
        del self._identifiers[told.place]
        return told
