"""The difference between desired and observed, as a plan: pure, and the same for apply, verify and roll-back.

First each object gets a verdict (make, change, replace, remove, or leave alone); then a replacement spreads to all
that stands on what is replaced; then the verdicts become operations, which `reconciler.core.ordering` puts in order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from intent.resources.resource import Change, Key, Resource
from reconciler.core.observe import Observation
from reconciler.core.ordering import in_order
from reconciler.core.plan import Action, Conflict, Impact, Operation, Pending, Plan, PlanError


@dataclass(slots=True)
class _Verdict:
    """What is to happen to one object, and why."""

    make: bool = False
    change: bool = False
    remove: bool = False
    reason: str = ""
    changes: Mapping[str, Change] = field(default_factory=dict)


def diff(desired: Iterable[Resource], observation: Observation) -> Plan:
    """Return the plan that turns what was observed into what is desired, touching only what is ours.

    What lies in a table that could not be seen is left alone and named in the plan. Raises PlanError when two
    desired objects hold the same thing, when a need is provided by nothing, or when needs form a circle.
    """
    want = _by_key(resource for resource in desired if resource.table not in observation.unseen)
    return _Comparison(want, observation).plan()


def _by_key(desired: Iterable[Resource]) -> dict[Key, Resource]:
    want: dict[Key, Resource] = {}
    holders: dict[Hashable, Resource] = {}
    problems = []
    for resource in desired:
        if resource.key in want:
            problems.append(f"{resource.key} is asked for twice")
        want[resource.key] = resource
        for claim in resource.claims():
            holder = holders.setdefault(claim, resource)
            if holder is not resource:
                problems.append(f"{holder.key} and {resource.key} both need {claim}, which only one can have")
    if problems:
        raise PlanError(problems)
    return want


class _Comparison:
    """One run of `diff`: the verdicts as they form."""

    def __init__(self, want: Mapping[Key, Resource], observation: Observation) -> None:
        self.want = want
        self.have = observation.resources
        self.owned = observation.owned
        self.unseen = observation.unseen
        self.verdicts: dict[Key, _Verdict] = {}
        self.conflicts: dict[Key, str] = {}
        self.pending: dict[Key, str] = {}
        self.needers: dict[Key, list[Key]] = {}
        for key, resource in self.have.items():
            for need in {*resource.requires(), *filter(None, (resource.part_of(),))}:
                self.needers.setdefault(need, []).append(key)

    def plan(self) -> Plan:
        """Return the finished plan."""
        for key in self.want:
            self._judge(key)
        for key in self.have:
            if key in self.owned and key not in self.want:
                self.verdicts[key] = _Verdict(remove=True, reason="no longer wanted")
        self._spread()
        self._hinder()
        self._wait()
        self._hold_claims()
        self._check_needs()
        return Plan(
            operations=in_order(self._operations(), self.want, self.have),
            pending=tuple(Pending(self._either(key), reason) for key, reason in self.pending.items()),
            conflicts=tuple(Conflict(key, reason) for key, reason in self.conflicts.items()),
            unseen=self.unseen,
        )

    def _either(self, key: Key) -> Resource:
        return self.want[key] if key in self.want else self.have[key]

    def _judge(self, key: Key) -> None:
        want, have = self.want[key], self.have.get(key)
        if have is None:
            self.verdicts[key] = _Verdict(make=True, reason="not there")
            return
        alike = type(want) is type(have)
        changes = want.changes(have) if alike else {}
        if alike and not changes:
            return
        if key not in self.owned and not want.adopts:
            self.conflicts[key] = f"not ours and different: {_difference(want, have, changes)}"
            return
        reason = _difference(want, have, changes)
        fixed = want.replace_on.intersection(changes)
        if not alike or fixed:
            if fixed:
                reason += f"; {', '.join(sorted(fixed))} cannot be changed in place"
            self.verdicts[key] = _Verdict(make=True, remove=True, reason=reason, changes=changes)
        else:
            self.verdicts[key] = _Verdict(change=True, reason=reason, changes=changes)

    def _spread(self) -> None:
        """Carry removals and replacements on to what stands on them, and renewals to what they make necessary."""
        for key, want in self.want.items():
            renewer = next((need for need in want.renewed_by() if need in self.verdicts), None)
            if renewer and key in self.have and key not in self.conflicts:
                self._replace(key, f"{renewer} changes")
        waiting = [key for key, verdict in self.verdicts.items() if verdict.remove]
        while waiting:
            key = waiting.pop()
            through = self.have[key].replaced_through()
            if through is not None and not self._vanishes(self.have[key]):
                if through not in self.want:
                    self.pending[key] = f"{self.verdicts.pop(key).reason}; it goes when {through} is restarted"
                    continue
                waiting += self._replace(through, f"{key} cannot be taken from it: {self.verdicts[key].reason}")
            for needer in self.needers.get(key, ()):
                waiting += self._shake(needer, key)

    def _removed(self, key: Key) -> bool:
        verdict = self.verdicts.get(key)
        return verdict is not None and verdict.remove

    def _replace(self, key: Key, reason: str) -> list[Key]:
        """Give the verdict to replace; return the key when that is new."""
        if self._removed(key):
            return []
        earlier = self.verdicts.get(key)
        changes = earlier.changes if earlier else {}
        reason = f"{earlier.reason}; {reason}" if earlier and earlier.reason else reason
        self.verdicts[key] = _Verdict(make=True, remove=True, reason=reason, changes=changes)
        return [key]

    def _shake(self, needer: Key, removed: Key) -> list[Key]:
        """Decide about an object whose ground is removed."""
        verdict = self.verdicts[removed]
        if needer in self.want and (needer in self.owned or self.want[needer].adopts):
            return self._replace(needer, f"{removed} is replaced") if verdict.make else []
        if needer not in self.owned and not self.have[needer].automatic():
            doing = "replaced" if verdict.make else "removed"
            self.conflicts[needer] = f"not ours, and stands on {removed}, which would be {doing}: {verdict.reason}"
        return []

    def _hinder(self) -> None:
        """Turn what may not be done now into pending, with the replacements that it alone called for."""
        for key in list(self.verdicts):
            verdict = self.verdicts[key]
            hindrance = self.want[key].hindrance(self.have.get(key)) if verdict.make else None
            if hindrance is None:
                continue
            self.pending[key] = f"{verdict.reason}; {hindrance}"
            del self.verdicts[key]
            for needer in self.needers.get(key, ()):
                held = self.verdicts.get(needer)
                if held is None or not held.remove:
                    continue
                calls = self.have[needer].replaced_through() == key
                if calls and (held.changes or not held.make):
                    self.pending[needer] = f"{held.reason}; {hindrance}"
                if calls or held.reason == f"{key} is replaced":
                    del self.verdicts[needer]

    def _wait(self) -> None:
        """Let what is to be made wait for what it needs, where that is pending."""
        waiting = list(self.pending)
        while waiting:
            held = waiting.pop()
            for key, want in self.want.items():
                verdict = self.verdicts.get(key)
                if verdict and verdict.make and not verdict.remove and held in want.requires():
                    self.pending[key] = f"{verdict.reason}; waits for {held}"
                    del self.verdicts[key]
                    waiting.append(key)

    def _hold_claims(self) -> None:
        """Find what is ours to make but holds a thing that an object which stays has already."""
        holders = {
            claim: key for key, resource in self.have.items() if not self._removed(key) for claim in resource.claims()
        }
        for key, verdict in self.verdicts.items():
            for claim in self.want[key].claims() if verdict.make or verdict.change else ():
                holder = holders.get(claim)
                if holder is not None and holder != key:
                    self.conflicts[key] = f"{holder} has {claim} already"

    def _check_needs(self) -> None:
        if self.unseen:
            return
        missing: dict[tuple[str, Key], list[Key]] = {}
        for key, verdict in self.verdicts.items():
            for need in self.want[key].requires() if verdict.make or verdict.change else ():
                if need not in self.want and (need not in self.have or self._removed(need)):
                    word = "will be removed" if need in self.have else "does not exist"
                    missing.setdefault((word, need), []).append(key)
        if missing:
            raise PlanError(
                [f"{need} {word}, and is needed by {_enumerate(keys)}" for (word, need), keys in missing.items()]
            )

    def _operations(self) -> list[Operation]:
        operations = []
        for key, verdict in self.verdicts.items():
            want, have = self.want.get(key), self.have.get(key)
            if verdict.remove and have is not None and not self._vanishes(have):
                impact = Impact.REPLACEMENT if verdict.make else Impact.REMOVAL
                operations.append(
                    Operation(Action.DELETE, key, None, have, verdict.reason, impact, verdict.changes, self._takes(key))
                )
            if verdict.make:
                impact = Impact.REPLACEMENT if verdict.remove else Impact.ADDITION
                operations.append(Operation(Action.CREATE, key, want, have, verdict.reason, impact, verdict.changes))
            elif verdict.change and want is not None:
                harmful = want.disruptive.intersection(verdict.changes)
                impact = Impact.DISRUPTIVE if harmful else Impact.IN_PLACE
                operations.append(Operation(Action.UPDATE, key, want, have, verdict.reason, impact, verdict.changes))
        return operations

    def _vanishes(self, resource: Resource) -> bool:
        whole = resource.part_of()
        return whole is not None and whole in self.have and self._removed(whole)

    def _takes(self, key: Key) -> tuple[Key, ...]:
        return tuple(
            needer
            for needer in self.needers.get(key, ())
            if self.have[needer].part_of() == key and self._removed(needer)
        )


def _difference(want: Resource, have: Resource, changes: Mapping[str, Change]) -> str:
    if type(want) is not type(have):
        return f"there is {have.describe()}"
    return ", ".join(f"{field} {have.show(field)} → {want.show(field)}" for field in changes)


def _enumerate(keys: list[Key]) -> str:
    shown = ", ".join(map(str, keys[:3]))
    return shown if len(keys) <= 3 else f"{shown} and {len(keys) - 3} more"
