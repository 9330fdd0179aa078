"""What no two nodes of a fleet may have: a public key, an address, a port at one host, a prefix.

`facts` takes from a rendered node what concerns others, small and plain, so that it can be kept and sent between
processes; `check` compares those of all nodes. Which values these are, `intent.feature.Feature.shares` says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Network
from typing import NamedTuple

from intent.feature import Finding
from intent.fleet.rendered import Rendered
from intent.overlaps import overlaps
from intent.problems import Problem
from intent.shares import Prefixed, Share, Unique, UniqueAtHost
from intent.tree import Path

_KEY = "public key"
_PREFIX = "prefix"
_UNIQUE = "unique"


class Fact(NamedTuple):
    """A value that one node has, and where it is written.

    ``kind`` is how it is compared, ``thing`` what it is of, ``shared`` whether another may have the very same prefix.
    ``file``, ``line`` and ``column`` are its place, ``source`` that line as it may be shown, ``caret`` the cells before
    the column.
    """

    kind: str
    thing: str
    value: str
    shared: bool
    file: str
    line: int
    column: int
    source: str | None
    caret: int

    @property
    def place(self) -> str:
        """The place as ``file:line``."""
        return f"{self.file}:{self.line}"

    def problem(self, message: str, suggestion: str | None = None) -> Problem:
        """Return a problem at the place."""
        return Problem(self.file, self.line, self.column, message, suggestion, self.source, self.caret)


def facts(rendered: Rendered) -> tuple[Fact, ...]:
    """Return what of a node concerns the other nodes of its fleet."""
    return (*_keys(rendered), *_shared(rendered))


def to_json(found: Iterable[Fact]) -> bytes:
    """Return facts as JSON, for `from_json`."""
    return json.dumps([list(one) for one in found], separators=(",", ":")).encode()


def from_json(text: bytes) -> tuple[Fact, ...]:
    """Return the facts that `to_json` was given."""
    return tuple(Fact(*one) for one in json.loads(text))


def check(nodes: Mapping[str, Sequence[Fact]]) -> tuple[Problem, ...]:
    """Return what does not go together, each at the place in the later node, by name; the facts are by node."""
    found = [(fact, name) for name in sorted(nodes) for fact in nodes[name]]
    return (*_twice(found), *_overlapping(found))


def _keys(rendered: Rendered) -> Iterator[Fact]:
    places = dict(rendered.public.written)
    for name, key in rendered.public.keys:
        origin = places.get(("keys", name))
        if origin is not None:
            # The line would show a key: the beginning is enough to find it.
            yield Fact(_UNIQUE, _KEY, key, False, origin.file, origin.line, origin.column, None, 0)


def _shared(rendered: Rendered) -> Iterator[Fact]:
    node = rendered.node
    host = rendered.public.host or f"node {node.name}"
    for feature, model in node.parts():
        for share in feature.shares(model, node):
            said = _said(share, host)
            if said is None:
                continue
            path, kind, thing, value, shared = said
            at = node.problem(feature.name, Finding(path, ""))
            yield Fact(kind, thing, value, shared, at.file, at.line, at.column, at.source, at.caret)


def _said(share: Share, host: str) -> tuple[Path, str, str, str, bool] | None:
    """Return the way to a value, how it is compared, what it is of, the value, and whether it may be there twice."""
    if isinstance(share, Unique):
        return share.path, _UNIQUE, share.thing, share.value, False
    if isinstance(share, UniqueAtHost):
        return share.path, _UNIQUE, f"{share.thing} at {host}", str(share.value), False
    if isinstance(share, Prefixed):
        return share.path, _PREFIX, share.thing, share.prefix, bool(share.shared)
    return None


def _twice(found: Iterable[tuple[Fact, str]]) -> Iterator[Problem]:
    first: dict[tuple[str, str], tuple[Fact, str]] = {}
    for fact, name in found:
        if fact.kind != _UNIQUE:
            continue
        before, other = first.setdefault((fact.thing, fact.value), (fact, name))
        if other != name:
            where = "at the same place" if before.place == fact.place else f"in {before.place}"
            value = "" if fact.thing == _KEY else f" {fact.value}"
            yield fact.problem(f"node {name} has the {fact.thing}{value} that node {other} has {where}")


def _overlapping(found: Iterable[tuple[Fact, str]]) -> Iterator[Problem]:
    by_thing: dict[str, list[tuple[Fact, str]]] = {}
    for fact, name in found:
        if fact.kind == _PREFIX:
            by_thing.setdefault(fact.thing, []).append((fact, name))
    for thing, those in by_thing.items():
        for one, other in overlaps([IPv6Network(fact.value) for fact, _ in those]):
            (before, by), (fact, name) = those[one], those[other]
            if by == name or (fact.value == before.value and fact.shared and before.shared):
                continue
            same = fact.value == before.value
            said = "is also that" if same else f"overlaps `{before.value}`"
            advice = None
            if thing == "exit prefix" and same:
                advice = "where both serve it by right, write `shared: true` at both"
            yield fact.problem(
                f"the {thing} `{fact.value}` of node {name} {said} of node {by} in {before.place}", advice
            )
