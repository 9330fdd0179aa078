"""The nodes of a fleet held beside each other: what two of them may not have, and what they have to agree on.

`facts` takes from a rendered node what concerns others, small and plain, so that it can be kept and sent between
processes; `check` compares those of all nodes. Which values these are, `intent.feature.Feature.shares` says.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Network, ip_address
from typing import NamedTuple

from intent.fleet.facts import NodeFacts, facts, from_json, of_kind, to_json
from intent.fleet.meetings import meetings
from intent.fleet.reach import unreached
from intent.fleet.rendered import Origin
from intent.fleet.repository import Fleet
from intent.fleet.told import OTHER, Told, named
from intent.overlaps import overlaps
from intent.problems import Problem
from intent.shares import Prefixed, Unique, UniqueAtHost

__all__ = ["NodeFacts", "check", "facts", "from_json", "to_json"]

_KEY = "public key"


class _Holder(NamedTuple):
    """A node that has a value, and where that is written."""

    node: str
    at: Origin


def check(nodes: Mapping[str, NodeFacts], fleet: Fleet) -> tuple[Problem, ...]:
    """Return what does not go together; the facts are by node. A node that is wrong by itself has none.

    Many nodes that have the same at the same place are one problem.
    """
    ordered = {name: nodes[name] for name in sorted(nodes)}
    found = meetings(ordered, fleet)
    told = [*_twice(ordered, fleet), *_overlapping(ordered), *found.told]
    # A node that is not known could be what connects the others.
    told += unreached(ordered, fleet, found) if len(nodes) == len(fleet.nodes) else ()
    return tuple(one.problem(fleet) for one in dict.fromkeys(told))


def _twice(nodes: Mapping[str, NodeFacts], fleet: Fleet) -> Iterator[Told]:
    """Yield values that several nodes have, once for each place beside the first one's."""
    holders: dict[tuple[str, str], list[_Holder]] = {}
    for name, known in nodes.items():
        for _, key, at in known.keys:
            holders.setdefault((_KEY, key), []).append(_Holder(name, at))
        for one in known.shares:
            if isinstance(one.share, Unique):
                holders.setdefault((one.share.thing, one.share.value), []).append(_Holder(name, one.at))
            elif isinstance(one.share, UniqueAtHost) and known.host is not None:
                thing = f"{one.share.thing} at {known.host}"
                holders.setdefault((thing, str(one.share.value)), []).append(_Holder(name, one.at))
    for (thing, value), those in holders.items():
        first = those[0]
        others: dict[Origin, list[_Holder]] = {}
        for holder in those:
            if holder.node != first.node:
                others.setdefault(holder.at, []).append(holder)
        if not others or (thing == "address" and _is_shared(value, fleet)):
            continue
        shown = "" if thing == _KEY else f" {value}"
        for same in others.values():
            where = "at the same place" if same[0].at == first.at else f"in {OTHER}"
            who, has = named([one.node for one in same])
            advice = "if they are to have it, name it under `shared_addresses` in fleet.yaml"
            yield Told(
                same[0].at,
                f"{who} {has} the {thing}{shown} that node {first.node} has {where}",
                advice if thing == "address" else None,
                first.at,
            )


def _is_shared(address: str, fleet: Fleet) -> bool:
    parsed = ip_address(address)
    return any(parsed in prefix for prefix in fleet.shared_addresses)


class _Claim(NamedTuple):
    node: str
    at: Origin
    prefix: IPv6Network
    shared: bool | None


def _overlapping(nodes: Mapping[str, NodeFacts]) -> Iterator[Told]:
    """Yield prefixes of several nodes that overlap, once for each two places."""
    claims: dict[str, list[_Claim]] = {}
    for name, known in nodes.items():
        for one in of_kind(known.shares, Prefixed):
            assert isinstance(one.share, Prefixed)  # noqa: S101 - asked for
            claim = _Claim(name, one.at, IPv6Network(one.share.prefix), one.share.shared)
            claims.setdefault(one.share.thing, []).append(claim)
    for thing, those in claims.items():
        together: dict[Hashable, list[tuple[_Claim, _Claim]]] = {}
        for before, later in _pairs(those):
            if before.node != later.node and not (before.prefix == later.prefix and before.shared and later.shared):
                together.setdefault((before.at, later.at, before.prefix, later.prefix), []).append((before, later))
        for pairs in together.values():
            yield _overlap(thing, pairs)


def _pairs(claims: Sequence[_Claim]) -> Iterable[tuple[_Claim, _Claim]]:
    return ((claims[one], claims[other]) for one, other in overlaps([claim.prefix for claim in claims]))


def _overlap(thing: str, pairs: Sequence[tuple[_Claim, _Claim]]) -> Told:
    before, one = pairs[0]
    whose, _ = named([one.node for _, one in pairs])
    where = "at the same place" if before.at == one.at else f"in {OTHER}"
    said = "is also that" if before.prefix == one.prefix else f"overlaps `{before.prefix}`"
    advice = None
    if before.prefix == one.prefix and one.shared is not None:
        silent = [claim.node for claim in (before, one) if not claim.shared]
        says = f"node {silent[0]} does not say so" if len(silent) == 1 else "neither says so"
        advice = f"where both serve it by right, both write `shared: true`; {says}"
    return Told(
        one.at, f"the {thing} `{one.prefix}` of {whose} {said} of node {before.node} {where}", advice, before.at
    )
