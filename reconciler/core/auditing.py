"""What a plan that nobody carries out says about a node: each difference as a finding, by what it means.

How much a difference matters is told by what the object is for: whether the intent fences the mesh with it, whether it
is offered to others, and whether the fields in which it differs are incidental. No kind is named here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from intent.offers import Offer
from intent.resources.resource import Key, Resource
from reconciler.core import offers as known_offers
from reconciler.core.audit import Finding, Severity
from reconciler.core.desired import Desired
from reconciler.core.observe import Observation
from reconciler.core.plan import Action, Impact, Operation, Plan

MOST_UNMANAGED_NAMED = 10
"""How many objects of a table that nobody asked for are named one by one."""


@dataclass(frozen=True)
class Case:
    """A node to be judged: what it is to have, what it was seen to have, and what would have to be done about that.

    ``fences`` are the keys of what must be there before the node forwards packets, ``offers`` what it offers to others,
    and ``needed`` what the intent refers to and does not make. In the spaces that are ``doubtful`` it is not known of
    what is ours whether the intent asks for it.
    """

    desired: Desired
    observation: Observation
    plan: Plan
    fences: Set[Key]
    offers: Sequence[Offer]
    needed: Set[Key] = frozenset()
    doubtful: Set[str] = frozenset()

    def others(self, kind: type[Resource]) -> Iterator[Resource]:
        """Yield the objects of a kind that are there and nobody asked for."""
        for view in self.observation.tables:
            if kind.table == view.name:
                for key, resource in view.resources.items():
                    if (
                        isinstance(resource, kind)
                        and key not in self.desired.by_key
                        and not self._may_be_asked(resource)
                    ):
                        yield resource

    def _may_be_asked(self, resource: Resource) -> bool:
        if resource.key.space not in self.doubtful:
            return False
        return any(key in self.observation.owned for key in (resource.key, *resource.requires()))


class Found(NamedTuple):
    """A finding, and the object that it is about, of which nothing else is said then."""

    key: Key | None
    finding: Finding


def differences(case: Case) -> Iterator[Found]:
    """Yield a finding for each difference: operations, what waits, what is in the way, and what is not offered."""
    offered = {key: offer.kind for offer in case.offers for key in offer.keys}
    for operation in case.plan.operations:
        if operation.action is not Action.DELETE or operation.impact is not Impact.REPLACEMENT:
            yield Found(operation.key, _operation(operation, case, offered))
    for held in case.plan.pending:
        key = held.resource.key
        missing = key in case.desired.by_key and key not in case.observation.resources
        rule, severity = _missing(key, case, offered) if missing else ("waiting", Severity.MINOR)
        yield Found(key, Finding(rule, severity, held.resource.describe(), held.reason))
    for conflict in case.plan.conflicts:
        fence = conflict.over in case.fences or conflict.key in case.fences
        wanted = case.desired.by_key.get(conflict.over)
        there = case.observation.resources.get(conflict.key) or wanted
        yield Found(
            conflict.key,
            Finding(
                "fence-in-the-way" if fence else "in-the-way",
                Severity.CRITICAL if fence else Severity.MAJOR,
                str(conflict.key) if there is None else there.describe(),
                conflict.reason,
                "remove it, or give one of the two another name",
            ),
        )
    yield from _withheld(case.offers)


def _operation(operation: Operation, case: Case, offered: Mapping[Key, str]) -> Finding:
    key, subject = operation.key, operation.resource.describe()
    if operation.impact is Impact.RETRACTION:
        return Finding("vanished", Severity.MAJOR, subject, operation.reason)
    if operation.action is Action.DELETE:
        used = operation.observed is not None and operation.observed.drain() is not None
        return Finding(
            "offered-unasked" if used else "unwanted",
            Severity.MAJOR if used else Severity.MINOR,
            subject,
            "it is ours and the intent does not ask for it" + (", and others are led to it" if used else ""),
        )
    if key not in case.observation.resources:
        rule, severity = _missing(key, case, offered)
        return Finding(rule, severity, subject, operation.reason or "not there")
    if key in case.fences:
        return Finding("fence-changed", Severity.CRITICAL, subject, operation.reason)
    if operation.changes and type(operation.resource).incidental.issuperset(operation.changes):
        return Finding("changed", Severity.MINOR, subject, operation.reason)
    return Finding("changed", Severity.MAJOR, subject, operation.reason)


def _missing(key: Key, case: Case, offered: Mapping[Key, str]) -> tuple[str, Severity]:
    if key in case.fences:
        return "fence-missing", Severity.CRITICAL
    return (f"{offered[key]}-missing" if key in offered else "missing"), Severity.MAJOR


def _withheld(offers: Iterable[Offer]) -> Iterator[Found]:
    for offer in offers:
        if offer.withheld is not None:
            fault = offer.withheld.cause in known_offers.FAULTS
            yield Found(
                None,
                Finding(
                    f"{offer.kind}-withdrawn",
                    Severity.MAJOR if fault else Severity.NOTE,
                    f"{offer.kind} {offer.name}",
                    f"it is withdrawn: {offer.withheld.reason}",
                ),
            )


def unmanaged(case: Case) -> tuple[Mapping[str, int], list[Found]]:
    """Return how many objects of each table nobody asked for, and notes of some of them.

    What a kernel or a daemon makes by itself is not counted, nor what an object that is asked for stands on.
    """
    asked = case.desired.by_key
    needed = case.needed | {need for one in case.desired for need in one.requires()}
    counts: Counter[str] = Counter()
    notes: list[Found] = []
    for view in case.observation.tables:
        left = [
            (key, one)
            for key, one in view.resources.items()
            if key not in asked and key not in needed and key not in case.observation.owned and not one.automatic()
        ]
        if not left:
            continue
        counts[view.name] += len(left)
        for key, one in sorted(left[:1000], key=lambda item: str(item[0]))[:MOST_UNMANAGED_NAMED]:
            notes.append(
                Found(key, Finding("unmanaged", Severity.NOTE, one.describe(), "nobody asked for it; it is left alone"))
            )
    return counts, notes
