"""Our own table of nftables (nft(8)), compared and changed as one object.

A change is one transaction: no packet meets half a table. What is the same stays, with the counts of its counters, and
connections that are tracked are not the table's. The table carries an empty chain as our mark: a comment would not be
told by every nft.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

from intent.resources.nftables_lines import compact, elements
from intent.resources.nftables_parts import Hook, NftChain, NftRule, NftSet
from intent.resources.resource import Change, Key, Request, Resource

FAMILY = "inet"
TABLE = "stellwerk"
MARK = "made_by_stellwerk"
"""The name of the empty chain by which a table is known to be ours."""
_NOT_COUNTED = frozenset({"metainfo", "table"})


def table_key() -> Key:
    """Return the identity of our table."""
    return Key("nftables", (FAMILY, TABLE))


class NftTableRow(NamedTuple):
    """A table as ``nft -j list table`` lists it."""

    family: str
    name: str
    listing: str


@dataclass(frozen=True, slots=True)
class ChangeNftables(Request):
    """Carry out these commands of nft in one transaction; each is a JSON object (libnftables-json(5))."""

    commands: tuple[str, ...]
    about: str
    gone_is_done: bool = False

    @property
    def makes(self) -> bool:
        """Whether the table is made, so that nothing in it can be missing."""
        return self.commands[0].startswith('{"create":')


@dataclass(frozen=True, slots=True, kw_only=True)
class NftTable(Resource):
    """The table ``inet stellwerk``. ``others`` are things in it that we never make, by kind and name."""

    table: ClassVar[str] = "nftables"
    refers_to: ClassVar[frozenset[str] | None] = frozenset()
    compared: ClassVar[tuple[str, ...]] = ("counters", "sets", "chains", "others")
    partitioned: ClassVar[bool] = True
    searched: ClassVar[bool] = True

    counters: tuple[str, ...] = ()
    sets: tuple[NftSet, ...] = ()
    chains: tuple[NftChain, ...] = ()
    others: tuple[tuple[str, str], ...] = ()
    marked: bool = True

    @classmethod
    def of(cls, *, counters: Iterable[str] = (), sets: Iterable[NftSet] = (), chains: Iterable[NftChain] = ()) -> Self:
        """Return the table with these parts, in whatever order they are given."""
        return cls(
            counters=tuple(sorted(counters)),
            sets=tuple(sorted(sets, key=lambda one: one.name)),
            chains=tuple(sorted(chains, key=lambda one: one.name)),
        )

    @property
    def key(self) -> Key:
        """The family and the name."""
        return table_key()

    def describe(self) -> str:
        """Return the table's name."""
        return f"nftables table {FAMILY} {TABLE}"

    def partition(self) -> Hashable:
        """Return the family and the name: no other table is looked at."""
        return f"{FAMILY} {TABLE}"

    def owned(self) -> bool:
        """Return whether our mark is in it."""
        return self.marked

    def changes(self, observed: Self) -> dict[str, Change]:
        """Return what differs, each chain and each set by its name, the chains also in their order of rules."""
        found: dict[str, Change] = {}
        if self.counters != observed.counters:
            found["counters"] = Change(observed.counters, self.counters)
        for kind, here, there in (
            ("set", _by_name(self.sets), _by_name(observed.sets)),
            ("chain", _by_name(self.chains), _by_name(observed.chains)),
        ):
            for name in dict.fromkeys((*here, *there)):
                if here.get(name) != there.get(name):
                    found[f"{kind} {name}"] = Change(there.get(name), here.get(name))
        if self.others != observed.others:
            found["others"] = Change(observed.others, self.others)
        return found

    def show(self, field: str) -> str:
        """Return a chain or a set in the words of nft(8)."""
        kind, _, name = field.partition(" ")
        if kind == "set":
            return _words(_by_name(self.sets).get(name))
        if kind == "chain":
            return _words(_by_name(self.chains).get(name))
        if kind == "others":
            return ", ".join(" ".join(other) for other in self.others) or "none"
        return ", ".join(self.counters) or "none"

    @classmethod
    def decode(cls, row: Any, context: Any) -> Self | None:
        """Return the table in a row, ``None`` for one of another name. Raises ValueError or LookupError."""
        if not isinstance(row, NftTableRow) or (row.family, row.name) != (FAMILY, TABLE):
            return None
        try:
            return cls._read(json.loads(row.listing)["nftables"])
        except (TypeError, AttributeError) as exc:
            raise ValueError(f"nft lists the table in a way that is not known: {exc}") from exc

    @classmethod
    def _read(cls, listing: Sequence[Mapping[str, Any]]) -> Self:
        counters: list[str] = []
        sets: list[NftSet] = []
        hooks: dict[str, Hook | None] = {}
        rules: dict[str, list[NftRule]] = {}
        others: list[tuple[str, str]] = []
        for entry in listing:
            ((what, told),) = entry.items()
            if what == "counter":
                counters.append(told["name"])
            elif what == "set":
                sets.append(_set(told))
            elif what == "chain":
                hooks[told["name"]] = _read_hook(told)
            elif what == "rule":
                rules.setdefault(told["chain"], []).append(_rule(told))
            elif what not in _NOT_COUNTED:
                others.append((what, told["name"]))
        marked = MARK in hooks
        if MARK in hooks and hooks[MARK] is None and MARK not in rules:
            del hooks[MARK]
        return cls(
            counters=tuple(sorted(counters)),
            sets=tuple(sorted(sets, key=lambda one: one.name)),
            chains=tuple(NftChain(name, hooks[name], tuple(rules.get(name, ()))) for name in sorted(hooks)),
            others=tuple(sorted(others)),
            marked=marked,
        )

    def create(self) -> tuple[Request, ...]:
        """Return the request that makes the table with all that is in it, refused where there is one."""
        commands = [{"create": {"table": {"family": FAMILY, "name": TABLE}}}, _add("chain", {"name": MARK})]
        return (self._transaction((*commands, *self._from(NftTable()))),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the request that changes what differs, and nothing else."""
        whole = observed.marked and MARK not in _by_name(observed.chains)
        mark = () if whole else (_add("chain", {"name": MARK}),)
        return (self._transaction((*self._from(observed), *mark)),)

    def delete(self) -> tuple[Request, ...]:
        """Return the request that removes the table and all that is in it."""
        command = compact({"delete": {"table": {"family": FAMILY, "name": TABLE}}})
        return (ChangeNftables((command,), self.describe(), gone_is_done=True),)

    def _transaction(self, commands: Sequence[Mapping[str, Any]]) -> ChangeNftables:
        return ChangeNftables(tuple(map(compact, commands)), self.describe())

    def _from(self, observed: NftTable) -> Iterator[Mapping[str, Any]]:
        """Yield the commands that lead from what is there to this: first all rules go that something may be held by."""
        before, after = _by_name(observed.chains), _by_name(self.chains)
        changed = [name for name in before if before[name] != after.get(name)]
        for name in changed:
            yield {"flush": {"chain": _named(name)}}
        for name in changed:
            if name not in after or after[name].hook != before[name].hook:
                yield {"delete": {"chain": _named(name)}}
        for kind, name in observed.others:
            if (kind, name) not in self.others:
                yield {"delete": {kind: _named(name)}}
        yield from self._objects_from(observed)
        for name, chain in after.items():
            if name not in before or before[name].hook != chain.hook:
                yield _add("chain", {"name": name, **_hook(chain.hook)})
        for name, chain in after.items():
            for rule in chain.rules if before.get(name) != chain else ():
                yield _add("rule", {"chain": name, "expr": json.loads(rule.statements)})

    def _objects_from(self, observed: NftTable) -> Iterator[Mapping[str, Any]]:
        before, after = _by_name(observed.sets), _by_name(self.sets)
        for name in observed.counters:
            if name not in self.counters:
                yield {"delete": {"counter": _named(name)}}
        for name in self.counters:
            if name not in observed.counters:
                yield _add("counter", {"name": name})
        for name, there in before.items():
            if name not in after or not _alike(after[name], there):
                yield {"delete": {"set": _named(name)}}
        for name, wanted in after.items():
            known = before.get(name)
            if known == wanted:
                continue
            if known is None or not _alike(wanted, known):
                yield _add(
                    "set", {"name": name, "type": wanted.type} | ({"flags": ["interval"]} if wanted.interval else {})
                )
            elif known.elements:
                yield {"flush": {"set": _named(name)}}
            if wanted.elements:
                yield _add("element", {"name": name, "elem": wanted.listed()})


def _rule(told: Mapping[str, Any]) -> NftRule:
    rule = NftRule.of(told["expr"])
    return NftRule(f"{rule.line} comment {told['comment']}", rule.statements) if "comment" in told else rule


def _set(told: Mapping[str, Any]) -> NftSet:
    kind = told["type"] if isinstance(told["type"], str) else compact(told["type"])
    flags = told.get("flags", ())
    interval = (flags if isinstance(flags, str) else ",".join(flags)) == "interval"
    return NftSet(told["name"], kind, elements(kind, told.get("elem", ())), interval)


def _read_hook(told: Mapping[str, Any]) -> Hook | None:
    if "hook" not in told:
        return None
    return Hook(told["type"], told["hook"], told["prio"], told.get("policy", "accept"))


def _hook(hook: Hook | None) -> Mapping[str, Any]:
    if hook is None:
        return {}
    return {"type": hook.type, "hook": hook.hook, "prio": hook.priority, "policy": hook.policy}


def _named(name: str) -> Mapping[str, Any]:
    return {"family": FAMILY, "table": TABLE, "name": name}


def _add(what: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"add": {what: {"family": FAMILY, "table": TABLE, **told}}}


def _alike(one: NftSet, other: NftSet) -> bool:
    return (one.type, one.interval) == (other.type, other.interval)


def _by_name(parts: Sequence[Any]) -> dict[str, Any]:
    return {part.name: part for part in parts}


def _words(part: NftChain | NftSet | None) -> str:
    return "missing" if part is None else f"{{{part.words()}}}"
