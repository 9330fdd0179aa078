"""The history of a node: what was changed or refused, each entry chained to the one before by its hash.

An entry is a JSON object on a line. ``hash`` is the SHA-256 of the entry without it, as JSON with sorted keys and
without white space; ``previous`` is the hash of the entry before, so that no line can be altered, dropped or put in
without all later hashes becoming wrong; ``number`` counts from 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

VERSION = 1
BEGINNING = "0" * 64
"""What the first entry has as the hash of the one before."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry: its number and its hash, none at the beginning."""

    number: int = 0
    hash: str = BEGINNING


@dataclass(frozen=True, slots=True)
class Flaw:
    """Where the chain is broken: the number of the entry after which, or at which, it is, and how."""

    number: int
    what: str


def chained(fact: Mapping[str, Any], head: Head, wall: float) -> dict[str, Any]:
    """Return the entry for a fact, which comes after the head. ``wall`` is in seconds since 1970."""
    entry = {
        "stellwerk_history": VERSION,
        "number": head.number + 1,
        "time": round(wall, 3),
        **fact,
        "previous": head.hash,
    }
    return {**entry, "hash": digest(entry)}


def digest(entry: Mapping[str, Any]) -> str:
    """Return the hash of an entry, which may hold its hash already."""
    bare = {name: value for name, value in entry.items() if name != "hash"}
    return sha256(json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()).hexdigest()


def verify(entries: Iterable[Any], head: Head | None) -> tuple[list[Flaw], Head]:
    """Hold entries in their order against their chain and its head; return what is wrong, and the last one's place.

    The first entry may have a past that was rotated away.
    """
    flaws: list[Flaw] = []
    last: Head | None = None
    for entry in entries:
        place = last.number + 1 if last else 1
        try:
            number, previous, told = int(entry["number"]), str(entry["previous"]), str(entry["hash"])
        except (LookupError, TypeError, ValueError):
            flaws.append(Flaw(place, "is no entry"))
            continue
        if told != digest(entry):
            flaws.append(Flaw(number, "was altered"))
        if last is not None and number != last.number + 1:
            flaws.append(Flaw(number, f"comes after {last.number}: entries were dropped or put in"))
        elif last is not None and previous != last.hash:
            flaws.append(Flaw(number, "does not follow from the one before: one of the two was altered"))
        elif last is None and number == 1 and previous != BEGINNING:
            flaws.append(Flaw(number, "is not the beginning"))
        last = Head(number, told)
    found = last or Head()
    if head is not None and head != found:
        flaws.append(Flaw(found.number, f"is the last one, but {head.number} was written: the end was cut or altered"))
    return flaws, found


class History(Protocol):
    """Where the history is kept."""

    def append(self, fact: Mapping[str, Any], wall: float) -> None:
        """Write a fact down, chained to the last one; ``wall`` is in seconds since 1970. Raises StellwerkError."""
        ...

    def recent(self, count: int) -> Sequence[Mapping[str, Any]]:
        """Return the last entries, the oldest first. Raises StellwerkError."""
        ...
