"""The difference between desired and observed, as a plan: pure, and the same for apply, verify and roll-back.

Only what is not settled, and all that hangs together with it, is compared: of 100,000 routes that are as desired but
for one, that one and its link. First each object gets a verdict (make, change, replace, remove, or leave alone); then a
replacement spreads to all that stands on what is replaced; then the verdicts become operations, which
`reconciler.core.ordering` puts in order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from intent.resources.resource import Change, Key, Resource
from reconciler.core.desired import Desired
from reconciler.core.observe import Observation
from reconciler.core.ordering import CircleError, in_order
from reconciler.core.plan import Action, Conflict, Impact, Operation, Pending, Plan, PlanError
from reconciler.core.relations import claiming, hindered, keeping, partial, renewable
from reconciler.core.together import hanging_together

SMALL_SHARE = 0.1
"""Up to which share of all objects it pays to find out what hangs together with those that are not settled."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is to happen to one object, and why."""

    make: bool = False
    change: bool = False
    remove: bool = False
    reason: str = ""
    changes: Mapping[str, Change] = field(default_factory=dict)


_NOT_THERE = _Verdict(make=True, reason="not there")


class _Held(NamedTuple):
    """Why something would be done to an object, and why it is not done now."""

    reason: str
    cause: str


def diff(desired: Iterable[Resource], observation: Observation, stuck: Set[Key] = frozenset()) -> Plan:
    """Return the plan that turns what was observed into what is desired, touching only what is ours.

    What lies in a table that could not be seen is left alone and named in the plan. What needs something that does
    not exist is pending. Of what has vanished others are told, unless it is made again now; that is not expected of
    what is ``stuck``, or needs such a thing: it could not be made the last time. Raises PlanError when two desired
    objects hold the same thing, when one needs what is to be removed, or when needs form a circle.
    """
    desired = desired if isinstance(desired, Desired) else Desired(desired)
    if desired.problems:
        raise PlanError(desired.problems)
    want, have = desired.by_key, observation.resources
    unsettled = observation.unsettled
    if observation.unseen:
        want = {key: resource for key, resource in want.items() if resource.table not in observation.unseen}
    elif unsettled is not None and unsettled.desired is desired:
        if not unsettled.keys:
            return Plan()
        if len(unsettled.keys) < SMALL_SHARE * (len(want) + len(have)):
            together = hanging_together(unsettled.keys, desired, observation)
            want = {key: want[key] for key in together if key in want}
            have = {key: have[key] for key in together if key in have}
    return _Comparison(want, have, observation, stuck).plan()


class _Comparison:
    """One run of `diff`: the verdicts as they form.

    What turns out to have to wait is held, and then the verdicts form anew without it: so nothing is done for the
    sake of what is not done, in whatever order the objects were given.
    """

    def __init__(
        self,
        want: Mapping[Key, Resource],
        have: Mapping[Key, Resource],
        observation: Observation,
        stuck: Set[Key],
    ) -> None:
        self.want = want
        self.have = have
        self.stuck = stuck
        self.vanished = observation.vanished
        self.owned = observation.owned
        self.unseen = observation.unseen
        self.judged: dict[Key, _Verdict] = {}
        self.foreign: dict[Key, str] = {}
        self.held: dict[Key, _Held] = {}
        self.verdicts: dict[Key, _Verdict] = {}
        self.conflicts: dict[Key, Conflict] = {}
        self.kinds = set(map(type, want.values()))
        self.renewals: dict[Key, list[Key]] = {}
        for key, resource in want.items() if any(map(renewable, self.kinds)) else ():
            for renewer in resource.renewed_by():
                self.renewals.setdefault(renewer, []).append(key)

    @cached_property
    def needers(self) -> Mapping[Key, Sequence[Key]]:
        """What was observed to stand on each object."""
        found: dict[Key, list[Key]] = {}
        for key, resource in self.have.items():
            whole = resource.part_of() if partial(type(resource)) else None
            for need in {*resource.requires(), *(() if whole is None else (whole,))}:
                found.setdefault(need, []).append(key)
        return found

    @cached_property
    def kept(self) -> Mapping[Key, Sequence[tuple[Key, str]]]:
        """What was observed to keep an object from being removed, with the reason."""
        found: dict[Key, list[tuple[Key, str]]] = {}
        for key, resource in self.have.items():
            for kept, reason in resource.keeps().items() if keeping(type(resource)) else ():
                found.setdefault(kept, []).append((key, reason))
        return found

    @cached_property
    def wanters(self) -> Mapping[Key, Sequence[Key]]:
        """What is desired on each object that is not desired."""
        found: dict[Key, list[Key]] = {}
        for key, resource in self.want.items():
            for need in resource.requires():
                if need not in self.want:
                    found.setdefault(need, []).append(key)
        return found

    def plan(self) -> Plan:
        """Return the finished plan."""
        for key in self.want:
            self._judge(key)
        for key in self.have:
            if key in self.owned and key not in self.want:
                self.judged[key] = _Verdict(remove=True, reason="no longer wanted")
        return Plan(
            operations=_first(self._ordered(), self._retractions() if self.vanished else ()),
            pending=tuple(
                Pending(self._either(key), f"{held.reason}; {held.cause}") for key, held in self.held.items()
            ),
            conflicts=tuple(self.conflicts.values()),
            unseen=self.unseen,
        )

    def _ordered(self) -> tuple[Operation, ...]:
        while True:
            held = self.held
            self.verdicts = {key: verdict for key, verdict in self.judged.items() if not held or key not in held}
            self.conflicts = {key: Conflict(key, reason, over=key) for key, reason in self.foreign.items()}
            if new := self._spread() or self._hindered() or self._lacking() or self._waiting():
                self.held |= new
                continue
            self._hold_claims()
            self._check_needs()
            try:
                return in_order(self._operations(), self.want, self.have)
            except CircleError as circle:
                self._cut(circle)

    def _cut(self, circle: CircleError) -> None:
        """Turn one change in place of the circle into a replacement, which lets go first. Raises the circle again."""
        changing = [operation.key for operation in circle.operations if operation.action is Action.UPDATE]
        if not changing:
            raise circle
        key = min(changing, key=str)
        verdict = self.verdicts[key]
        reason = f"{verdict.reason}; changed in place it would have to wait for itself"
        self.judged[key] = _Verdict(make=True, remove=True, reason=reason, changes=verdict.changes)

    def _either(self, key: Key) -> Resource:
        return self.want[key] if key in self.want else self.have[key]

    def _judge(self, key: Key) -> None:
        want, have = self.want[key], self.have.get(key)
        if have is want:
            return
        if have is None:
            self.judged[key] = _NOT_THERE
            return
        alike = type(want) is type(have)
        changes = want.changes(have) if alike else {}
        if alike and not changes:
            return
        if key not in self.owned and not want.adopts:
            self.foreign[key] = f"not ours and different: {_difference(want, have, changes)}"
            return
        reason = _difference(want, have, changes)
        fixed = want.replace_on.intersection(changes)
        if not alike or fixed:
            if fixed:
                reason += f"; {', '.join(sorted(fixed))} cannot be changed in place"
            self.judged[key] = _Verdict(make=True, remove=True, reason=reason, changes=changes)
        else:
            self.judged[key] = _Verdict(change=True, reason=reason, changes=changes)

    def _spread(self) -> dict[Key, _Held]:
        """Carry removals on to what stands on them, and changes to what they renew; return what cannot take part."""
        new: dict[Key, _Held] = {}
        if not self.renewals and not self._removing():
            return new
        waiting = list(self.verdicts)
        while waiting:
            key = waiting.pop()
            for renewed in self.renewals.get(key, ()) if self._renews(key) else ():
                if renewed in self.have and renewed not in self.held and renewed not in self.foreign:
                    waiting += self._replace(renewed, f"{key} changes")
            for needer in self.needers.get(key, ()) if self._removed(key) else ():
                if needer in self.held and self.verdicts[key].make:
                    new[key] = _Held(self.verdicts[key].reason, f"{needer} stands on it and waits")
                else:
                    waiting += self._shake(needer, key)
            if not waiting:
                # Only now it is known what vanishes with something else, and needs no other way to go.
                waiting = self._go_through(new)
        return new

    def _go_through(self, new: dict[Key, _Held]) -> list[Key]:
        """Replace what something that is removed can only go with; return what is replaced now."""
        replaced: list[Key] = []
        for key, verdict in list(self.verdicts.items()):
            through = self.have[key].replaced_through() if verdict.remove and key in self.have else None
            if through is None or self._goes_anyway(key, verdict):
                continue
            if through not in self.want:
                new[key] = _Held(verdict.reason, f"it goes when {through} is restarted")
            elif through in self.held:
                new[key] = _Held(verdict.reason, self.held[through].cause)
            else:
                replaced += self._replace(through, f"{key} cannot be taken from it: {verdict.reason}")
        return replaced

    def _goes_anyway(self, key: Key, verdict: _Verdict) -> bool:
        """Return whether nothing has to be restarted for the sake of an object that is removed."""
        whole = self.have[key].part_of()
        if not verdict.make and whole is not None and whole not in self.have and not self.unseen:
            # What is left of it without the object that it was part of does nothing.
            return True
        # What comes again with its whole has again what it had before.
        return self._vanishes(self.have[key]) and not (verdict.make and verdict.changes)

    def _renews(self, key: Key) -> bool:
        verdict = self.verdicts[key]
        return not verdict.change or self.want[key].renews(verdict.changes)

    def _removing(self) -> bool:
        return any(verdict.remove for verdict in self.verdicts.values())

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
        if needer in self.want and verdict.make and self.have[needer].automatic():
            # Whoever made it may not make it again.
            self.verdicts.setdefault(needer, _Verdict(make=True, reason=f"{removed} is replaced"))
            return []
        if needer not in self.owned and not self.have[needer].automatic():
            doing = "replaced" if verdict.make else "removed"
            reason = f"not ours, and stands on {removed}, which would be {doing}: {verdict.reason}"
            self.conflicts[needer] = Conflict(needer, reason, over=removed)
        return []

    def _hindered(self) -> dict[Key, _Held]:
        """Return what may not be done now."""
        if not any(map(hindered, self.kinds)) and not self._removing():
            return {}
        return {
            key: _Held(verdict.reason, hindrance)
            for key, verdict in self.verdicts.items()
            if (hindrance := self._hindrance(key, verdict)) is not None
        }

    def _hindrance(self, key: Key, verdict: _Verdict) -> str | None:
        if verdict.make:
            want = self.want[key]
            return want.hindrance(self.have.get(key)) if hindered(type(want)) else None
        keepers = self.kept.get(key, ()) if verdict.remove else ()
        return next((reason for keeper, reason in keepers if not (self._made(keeper) or self._goes(keeper))), None)

    def _made(self, key: Key) -> bool:
        verdict = self.verdicts.get(key)
        return verdict is not None and verdict.make

    def _lacking(self) -> dict[Key, _Held]:
        """Return what needs something that is not there and that nobody asks for, such as a radio that died."""
        if self.unseen:
            return {}
        found: dict[Key, _Held] = {}
        there: tuple[Key, ...] = ()
        for key, verdict in self.verdicts.items():
            needs = self.want[key].requires() if verdict.make or verdict.change else ()
            if needs is there:
                continue
            missing = [need for need in needs if need not in self.want and need not in self.have]
            if missing:
                found[key] = _Held(verdict.reason, f"waits for {missing[-1]}, which does not exist")
            else:
                # Thousands of routes in a row need the same link.
                there = needs
        return found

    def _waiting(self) -> dict[Key, _Held]:
        """Return what is to be made and needs what is held, and what is to be changed and needs what is not there."""
        new: dict[Key, _Held] = {}
        held = self.held.keys() & self.want.keys()
        for key, verdict in self.verdicts.items() if held else ():
            for need in self.want[key].requires() if verdict.make or verdict.change else ():
                if need in held and (key not in self.have or need not in self.have):
                    new[key] = _Held(verdict.reason, f"waits for {need}")
        return new

    def _hold_claims(self) -> None:
        """Find what is ours to make but holds a thing that an object which stays has already."""
        holders: dict[Hashable, Key] = {}
        for key, resource in self.have.items():
            claims = resource.claims() if claiming(type(resource)) else ()
            if claims and not self._goes(key):
                verdict = self.verdicts.get(key)
                kept = self.want[key].claims() if verdict is not None and verdict.change else claims
                holders |= {claim: key for claim in claims if claim in kept}
        for key, verdict in self.verdicts.items() if holders else ():
            for claim in self.want[key].claims() if verdict.make or verdict.change else ():
                holder = holders.get(claim)
                if holder is not None and holder != key:
                    self.conflicts[key] = Conflict(key, f"{holder} has {claim} already", over=key)

    def _check_needs(self) -> None:
        if self.unseen:
            return
        missing: dict[Key, list[Key]] = {}
        for key, verdict in self.verdicts.items():
            for needer in self._left_on(key) if verdict.remove and not verdict.make else ():
                missing.setdefault(key, []).append(needer)
        if missing:
            raise PlanError(
                [f"{need} will be removed, and is needed by {_enumerate(keys)}" for need, keys in missing.items()]
            )

    def _left_on(self, removed: Key) -> list[Key]:
        """Return what is wanted on an object that is removed for good: what is to be made too, and what is there."""
        return [key for key in self.wanters.get(removed, ()) if key not in self.held]

    def _goes(self, key: Key) -> bool:
        """Return whether the observed object is removed, or vanishes with one that is."""
        whole = self.have[key].part_of()
        return self._removed(key) or (whole is not None and whole in self.have and self._goes(whole))

    def _operations(self) -> list[Operation]:
        operations = []
        for key, verdict in self.verdicts.items():
            want = self.want.get(key)
            if verdict is _NOT_THERE:
                operations.append(Operation(Action.CREATE, key, want, None, verdict.reason, Impact.ADDITION))
                continue
            have = self.have.get(key)
            gone = key in self.vanished and want is None
            if verdict.remove and have is not None and not gone and not self._vanishes(have):
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

    def _retractions(self) -> Iterator[Operation]:
        """Yield for what has vanished and is not made again now that others are told."""
        for key, lost in self.vanished.items():
            want = self.want.get(key)
            if want is None or not self._comes_again(want.part_of() or key):
                whole = lost.part_of()
                reason = f"vanished{'' if whole is None else f' with {whole}'}: others are told"
                yield Operation(Action.DELETE, key, None, lost, reason, Impact.RETRACTION)

    def _comes_again(self, key: Key) -> bool:
        return self._made(key) and not self._is_stuck(key)

    def _is_stuck(self, key: Key) -> bool:
        """Return whether an object that is to be made, or one that it needs, could not be made the last time."""
        return self._made(key) and (key in self.stuck or any(map(self._is_stuck, self.want[key].requires())))

    def _vanishes(self, resource: Resource) -> bool:
        """Return whether a removed object goes with the one that it is part of.

        One with another need, which goes by itself, has to go before that and so is removed by itself too.
        """
        whole = resource.part_of()
        if whole is None or whole not in self.have or not self._removed(whole):
            return False
        needs = [need for need in resource.requires() if need != whole and need in self.have and self._removed(need)]
        return not needs or {self._goes_with(need) for need in needs} == {self._goes_with(whole)}

    def _goes_with(self, key: Key) -> Key:
        """Return the removed object with which this removed one goes at last, itself if it goes by itself."""
        resource = self.have[key]
        whole = resource.part_of()
        return self._goes_with(whole) if whole is not None and self._vanishes(resource) else key

    def _takes(self, key: Key) -> tuple[Key, ...]:
        """Return what vanishes with an object, and what vanishes with that."""
        taken: list[Key] = []
        for needer in self.needers.get(key, ()):
            if self.have[needer].part_of() == key and self._removed(needer) and self._vanishes(self.have[needer]):
                taken += (needer, *self._takes(needer))
        return tuple(taken)


def _first(operations: Sequence[Operation], urgent: Iterable[Operation]) -> tuple[Operation, ...]:
    """Return the operations with others, which wait for nothing, before them."""
    urgent = tuple(urgent)
    if not urgent:
        return tuple(operations)
    later = (
        one._replace(generation=one.generation + 1, after=tuple(number + len(urgent) for number in one.after))
        for one in operations
    )
    return (*urgent, *later)


def _difference(want: Resource, have: Resource, changes: Mapping[str, Change]) -> str:
    if type(want) is not type(have):
        return f"there is {have.describe()}"
    return ", ".join(f"{field} {have.show(field)} → {want.show(field)}" for field in changes)


def _enumerate(keys: list[Key]) -> str:
    shown = ", ".join(map(str, keys[:3]))
    return shown if len(keys) <= 3 else f"{shown} and {len(keys) - 3} more"
