"""The history of a node: what was changed or refused, each entry chained to the one before by its hash.

An entry is a JSON object on a line, with sorted keys, without white space, in ASCII: there is one spelling of it.
``hash`` is the SHA-256 of that spelling of the entry without it; ``previous`` is the hash of the entry before, so that
no line can be altered, dropped, moved or put in without later hashes becoming wrong; ``number`` counts from 1.

What the chain alone cannot show is a cut at its ends. The end is held by the *head*, the number and hash of the last
entry, which is kept apart, and which an auditor can note elsewhere: who can write the files can make a whole new
chain, but not one that runs through a head noted before. The beginning may go, since a history is bounded: it is kept
in several files of which the oldest is dropped. The first entry of each file says in ``kept_from`` with which number
the history began at that time; nothing later may be missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

VERSION = 1
BEGINNING = "0" * 64
"""What the first entry has as the hash of the one before."""
LONGEST_TEXT = 2000
"""How many characters of each text in a fact are kept."""
DISAGREED = "disagreed"
"""The event of an entry before which the end of the history was found cut or altered."""
REPAIRED = "repaired"
"""The event of an entry before which what a crash had left unfinished was mended."""

_HEAD = re.compile(r"(0|[1-9][0-9]{0,17}):([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry: its number and its hash, none at the beginning."""

    number: int = 0
    hash: str = BEGINNING

    def __str__(self) -> str:
        """Return the head as ``NUMBER:HASH``."""
        return f"{self.number}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Return the head that is spelled ``NUMBER:HASH``. Raises ValueError for any other spelling."""
        if not (match := _HEAD.fullmatch(text)):
            raise ValueError("a head is the number of an entry, a colon, and its hash: 64 digits from 0 to 9, a to f")
        return cls(int(match[1]), match[2])


@dataclass(frozen=True, slots=True)
class Flaw:
    """Where the chain is broken: the number of the entry after which, or at which, it is, and how."""

    number: int
    what: str

    def __str__(self) -> str:
        """Return the flaw as words."""
        return f"entry {self.number} {self.what}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a history is worth: its flaws, how many entries it has, the first one's number, and the last one."""

    flaws: tuple[Flaw, ...]
    entries: int
    first: int
    last: Head


CHAIN = frozenset({"stellwerk_history", "number", "previous", "hash", "kept_from"})
"""The fields that an entry has for its place in the history, beside the fact and its time."""


def fact_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fact of an entry, with its time."""
    return {name: value for name, value in entry.items() if name not in CHAIN}


def chained(fact: Mapping[str, Any], head: Head, wall: float) -> dict[str, Any]:
    """Return the entry for a fact, which comes after the head. ``wall`` is in seconds since 1970."""
    entry = {
        **_bounded(dict(fact)),
        "stellwerk_history": VERSION,
        "number": head.number + 1,
        "time": round(wall, 3),
        "previous": head.hash,
    }
    return {**entry, "hash": digest(entry)}


def digest(entry: Mapping[str, Any]) -> str:
    """Return the hash of an entry, which may hold its hash already."""
    return sha256(_spelled({name: value for name, value in entry.items() if name != "hash"})).hexdigest()


def line(entry: Mapping[str, Any]) -> bytes:
    """Return the line of an entry."""
    return _spelled(entry) + b"\n"


def entry_of(line: bytes) -> dict[str, Any] | None:
    """Return the entry on a line, ``None`` for a line that is none; whether it is unaltered is not looked at."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not line.endswith(b"\n"):
        return None
    fits = type(found.get("number")) is int and all(isinstance(found.get(one), str) for one in ("previous", "hash"))
    return found if fits else None


def head_of(entry: Mapping[str, Any]) -> Head:
    """Return the head when the entry is the last one."""
    return Head(entry["number"], entry["hash"])


def unaltered(line_: bytes, entry: Mapping[str, Any]) -> bool:
    """Return whether a line is, byte by byte, the one that was written for its entry."""
    return entry["hash"] == digest(entry) and line(entry) == line_


def verify(lines: Iterable[bytes], head: Head | None, noted: Head | None = None) -> Verdict:
    """Hold the lines of a history in their order, each with its line break, against their chain and their head.

    The head is ``None`` when there is none or it cannot be read; ``noted`` is one that was noted elsewhere, earlier.
    """
    found = _Chain(noted)
    for one in lines:
        found.follow(one)
    found.close(head)
    return Verdict(tuple(found.flaws), found.entries, found.first, found.last or Head())


@dataclass(slots=True)
class _Chain:
    """A chain as far as it was followed."""

    noted: Head | None
    flaws: list[Flaw] = field(default_factory=list)
    entries: int = 0
    first: int = 0
    last: Head | None = None
    kept_from: int = 1

    def follow(self, line_: bytes) -> None:
        """Hold one more line against the chain."""
        entry = entry_of(line_)
        if entry is None:
            self._flaw(self.last.number if self.last else 0, "is followed by a line that is no entry, or not whole")
            return
        here = head_of(entry)
        self.entries += 1
        if not unaltered(line_, entry):
            self._flaw(here.number, "was altered")
        self._place(here.number, entry["previous"])
        if type(entry.get("kept_from")) is int:
            self.kept_from = entry["kept_from"]
        if entry.get("event") == DISAGREED:
            self._flaw(here.number, f"says that the end before it was cut or altered: {entry.get('because')}")
        if self.noted is not None and self.noted.number == here.number and self.noted != here:
            self._flaw(here.number, "is another one than that which was noted")
        self.last = here

    def _place(self, number: int, previous: str) -> None:
        last = self.last
        if last is None:
            self.first = number
            if number < 1 or (number == 1 and previous != BEGINNING):
                self._flaw(number, "is not the beginning")
        elif number != last.number + 1:
            self._flaw(number, f"comes after {last.number}: entries were dropped, moved or put in")
        elif previous != last.hash:
            self._flaw(number, "does not follow from the one before: one of the two was altered or exchanged")

    def close(self, head: Head | None) -> None:
        """Hold the ends of the chain against the head, and against what was noted."""
        last = self.last or Head()
        if self.first > self.kept_from:
            self._flaw(self.first, f"is the first one, but {self.kept_from} was kept: the beginning was cut")
        if head is None and self.last is not None:
            self._flaw(last.number, "is the last one, but the head is missing or damaged: the end may have been cut")
        elif head is not None and head != last:
            self._flaw(last.number, f"is the last one, but the head is {head.number}: {_how(head, last)}")
        if self.noted is not None and not self.first <= self.noted.number <= last.number:
            self._flaw(self.noted.number, _how_missing(self.noted, self.first))

    def _flaw(self, number: int, what: str) -> None:
        self.flaws.append(Flaw(number, what))


def _how(head: Head, last: Head) -> str:
    if head.number > last.number:
        return "the end was cut"
    return "it was altered" if head.number == last.number else "the rest was put in, or power was cut at that moment"


def _how_missing(noted: Head, first: int) -> str:
    if noted.number < first:
        return "was noted, but is not kept any more; nothing can be said about it"
    return "was noted, but is not there: the end was cut"


def _spelled(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _bounded(value: Any) -> Any:
    """Return a value with its long texts cut."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else value[: LONGEST_TEXT - 1] + "…"
    if isinstance(value, Mapping):
        return {str(name): _bounded(part) for name, part in value.items()}
    return [_bounded(part) for part in value] if isinstance(value, list | tuple) else value


class History(Protocol):
    """Where the history is kept."""

    def append(self, fact: Mapping[str, Any], wall: float) -> None:
        """Write a fact down, chained to the last one; ``wall`` is in seconds since 1970. Raises StellwerkError."""
        ...

    def recent(self, count: int) -> Sequence[Mapping[str, Any]]:
        """Return the last entries, the oldest first. Raises StellwerkError."""
        ...
