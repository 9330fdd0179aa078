"""One round: look, compare, refuse or change, look again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import random

from intent.resources.resource import Key, Resource
from reconciler.core.apply import Outcome, Result, Watcher, carry_out, lacking, to_be_tried
from reconciler.core.backend import Backend, Partitions, RowNews
from reconciler.core.desired import Desired
from reconciler.core.diff import diff
from reconciler.core.errors import RefusedError, StaleError, StellwerkError, UnsupportedError
from reconciler.core.inventory import Inventory, InventoryStore
from reconciler.core.observe import Observation, Observer
from reconciler.core.plan import Action, Impact, Plan
from reconciler.core.relations import references, retractable
from reconciler.core.retries import Fights, Random, Retries


@dataclass(frozen=True)
class Look:
    """What was seen, what is to be done about it, and what the node lacks for that."""

    observation: Observation
    plan: Plan
    lacks: tuple[UnsupportedError, ...] = ()


@dataclass(frozen=True)
class Round:
    """What was done, and a second look: its plan is empty when the node is what it should be.

    ``fought`` are the objects found in this round to be changed back by others again and again.
    """

    outcomes: tuple[Outcome, ...]
    remaining: Look
    fought: frozenset[Key] = field(default_factory=frozenset)

    @property
    def failed(self) -> bool:
        """Whether an operation did not succeed, or a difference is left that nothing accounts for."""
        left = self.remaining.plan
        return any(outcome.result is not Result.DONE for outcome in self.outcomes) or bool(
            left.operations or left.conflicts or left.unseen
        )


class InTheWayError(RefusedError):
    """Something keeps a plan from being carried out as a whole."""


class ConflictError(InTheWayError):
    """Objects that are not ours are in the way."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("; ".join(f"{conflict.key}: {conflict.reason}" for conflict in plan.conflicts))
        self.plan = plan


class LackError(InTheWayError):
    """The kernel or a program lacks what the plan needs."""

    def __init__(self, lacks: Sequence[UnsupportedError]) -> None:
        super().__init__("; ".join(map(str, lacks)))


def check_nothing_in_the_way(seen: Look) -> None:
    """Refuse a plan that could not be carried out as a whole. Raises ConflictError and LackError."""
    if seen.plan.conflicts:
        raise ConflictError(seen.plan)
    if seen.lacks:
        raise LackError(seen.lacks)


class Rounds:
    """Makes rounds on one node, and remembers between them what failed and what others keep changing back."""

    def __init__(self, backends: Sequence[Backend], store: InventoryStore, random: Random = random) -> None:
        self._backends = backends
        self._store = _OneWriter(store)
        self._observer = Observer(backends)
        self._made: set[Key] = set()
        self._needs = _Needs()
        self._last: Look | None = None
        self._last_desired = Desired()
        self._last_stuck: Set[Key] = frozenset()
        self._untold: set[Key] = set()
        self.retries = Retries(random)
        self.fights = Fights(random)

    @property
    def unrecorded(self) -> str | None:
        """Why the inventory could not be written last, ``None`` when it could."""
        return self._store.problem

    def forget(self) -> None:
        """Have the next look begin from nothing: whatever was believed without reason ends with it."""
        self._observer.forget()

    def listen(self, parts: Mapping[str, Partitions]) -> None:
        """Have the news tell of these parts of tables too, and of no others beside what is looked at."""
        for backend in self._backends:
            backend.listen({table: part for table, part in parts.items() if table in backend.tables})

    def begin(self) -> None:
        """Begin anew, with another intent: everything may be tried at once."""
        self._made.clear()
        self.retries.clear()
        self.fights.clear()

    def follow(self, before: Desired, desired: Desired) -> None:
        """Begin anew with those objects of which something else is desired by now than before.

        To change them is no repair of what others undid, and how they failed as they were says nothing.
        """
        known = self._made | self.retries.failures.keys() | self.fights.keys()
        changed = {key for key in known if before.by_key.get(key) != desired.by_key.get(key)}
        self._made -= changed
        self.retries.forget(changed)
        self.fights.forget(changed)

    def look(
        self,
        desired: Desired,
        tables: Set[str] | None = None,
        rows: Mapping[str, Sequence[RowNews]] | None = None,
    ) -> Look:
        """Look at the tables, ``None`` for all, and plan; change nothing. Raises PlanError, other StellwerkErrors.

        ``rows`` are what has changed in tables that need not be looked at for that. What is in other tables and stands
        on objects of any of these is looked at too.
        """
        rows = rows or {}
        if tables is not None:
            tables = self._needs.with_needers(tables) | (self._needs.with_needers(rows.keys()) - rows.keys())
        observation = self._observer.look(desired, self._store.load(), tables, rows)
        stuck = frozenset(self.retries.failures) if observation.vanished else frozenset()
        basis = self._last_desired, self._last_stuck
        if self._last is not None and observation is self._last.observation and (desired, stuck) == basis:
            # What decides is the same, and so is what is decided; only what the node lacks may be there by now.
            plan = self._last.plan
        else:
            self._needs.learn(desired, observation)
            plan = diff(desired, observation, stuck)
        self._last, self._last_desired = Look(observation, plan, lacking(plan, self._backends)), desired
        self._last_stuck = stuck
        return self._last

    def held(self, seen: Look, desired: Desired, now: float) -> frozenset[Key]:
        """Return the keys on which nothing is to be done now.

        What failed waits for its time, as does what is fought over, and what hangs together with something that is
        not ours and in the way is left as it is. That something is gone can be told all the same, unless that failed.
        """
        in_the_way = _standing_on({conflict.over for conflict in seen.plan.conflicts}, desired)
        connected = seen.plan.connected(in_the_way) if in_the_way else in_the_way
        told = {one.key for one in seen.plan.operations if one.impact is Impact.RETRACTION}
        left = {*self.retries.held(now), *self.fights.held(now), *in_the_way, *connected}
        return frozenset(left - (told - self._untold))

    def open(self, seen: Look, desired: Desired, now: float) -> bool:
        """Return whether there is anything to do now."""
        if not seen.plan.operations:
            return False
        held = self.held(seen, desired, now)
        return not held or bool(to_be_tried(seen.plan, held))

    def take_note(self, seen: Look, now: float) -> None:
        """Forget failures of what is in order by now, and fights over what was left in peace since."""
        if not seen.plan.unseen:
            self.retries.keep({operation.key for operation in seen.plan.operations})
        self.fights.forget_calm(now)

    def apply(
        self,
        seen: Look,
        desired: Desired,
        clock: Callable[[], float],
        actors: Mapping[str, str] | None = None,
        watch: Watcher = lambda _: None,
    ) -> Round:
        """Carry out what can be done now of the plan that was made of a look, and verify by looking again.

        ``clock`` tells the time by which what failed waits; ``actors`` says, by table, who last changed something
        there. Raises PlanError where the node has become one that no order of operations leads on from.
        """
        self.forget_what_is_gone(seen, desired)
        self._recover(seen)
        held = self.held(seen, desired, clock())
        lacks = self._lacks(seen, held)
        outcomes = carry_out(seen.plan, self._backends, self._store, watch, held | lacks.keys())
        outcomes = tuple(_lacking(outcome, lacks) for outcome in outcomes)
        after = self.look(desired)
        self.forget_what_is_gone(after, desired)
        # By now: what takes long to fail waits as long as what fails at once.
        fought = self._judge(outcomes, after.plan, clock(), actors or {})
        if after.observation.vanished:
            # What could not be made again is known only now.
            after = self.look(desired, frozenset())
        return Round(outcomes, after, fought)

    def _lacks(self, seen: Look, held: Set[Key]) -> dict[Key, UnsupportedError]:
        """Return what cannot be done on this node at all, of what would be tried."""
        found: dict[Key, UnsupportedError] = {}
        for operation in seen.plan.operations if seen.lacks else ():
            if operation.key not in held and (lacks := lacking(Plan((operation,)), self._backends)):
                found[operation.key] = lacks[0]
        return found

    def _judge(self, outcomes: Sequence[Outcome], left: Plan, now: float, actors: Mapping[str, str]) -> frozenset[Key]:
        """Note what to try again and when; return what is fought over from now on."""
        again = {operation.key for operation in left.operations}
        ends = _ends(outcomes)
        done = {key for key, outcome in ends.items() if outcome.result is Result.DONE}
        back = _half_done(outcomes, ends) & {one.key for one in left.operations if one.action is Action.DELETE}
        for key, outcome in ends.items() if again or len(done) < len(ends) else ():
            table = outcome.operation.resource.table
            if outcome.result is Result.FAILED and outcome.error is not None:
                self.retries.failed(key, table, outcome.error, now)
            elif outcome.result is Result.DONE and key in again:
                undone = StaleError(f"{key}: was done, and at a second look it was not so")
                self.retries.failed(key, table, undone, now)
            elif key in back:
                there = StaleError(
                    f"{key}: was removed, is there again, and what replaces it waits for {outcome.because}"
                )
                self.retries.failed(key, table, there, now)
        lasting = done - again if again else done
        self.retries.forget(lasting)
        told = {key for key, outcome in ends.items() if outcome.operation.impact is Impact.RETRACTION}
        self._untold = (self._untold | told) & self.retries.failures.keys() - (ends.keys() - told)
        # Nobody undoes that, and what has vanished and comes again is no repair.
        done, lasting = done - told, lasting - told
        self._made -= told | {whole for key in told if (whole := ends[key].operation.resource.part_of()) is not None}
        fought = {
            key
            for key in self._made & lasting
            if self.fights.repaired(key, actors.get(ends[key].operation.resource.table, ""), now)
        }
        if self._made:
            self._made |= done
        else:
            self._made = done
        self.fights.forget_calm(now)
        return frozenset(fought)

    def _recover(self, seen: Look) -> None:
        """After a loss of the inventory write down where what is ours was found; where that cannot be, later."""
        inventory = self._store.load()
        if inventory.lost and not seen.observation.unseen:
            found = (seen.observation.resources[key] for key in seen.observation.owned)
            with suppress(StellwerkError):
                self._store.save(inventory.with_parts_of(found))

    def forget_what_is_gone(self, seen: Look, desired: Desired) -> None:
        """Drop from the inventory what somebody else has removed: made again by others, it would not be ours.

        What came by itself with its whole, which is ours, is written down: others may have to be told when it vanishes.

        What cannot be written now is dropped after a later look, and what others are to be told of when they are.
        """
        observation = seen.observation
        if observation.unseen:
            return
        inventory = self._store.load()
        gone = [
            key
            for key in inventory.entries
            if key not in observation.resources and key not in desired.by_key and key not in observation.vanished
        ]
        used = [
            (want, observation.resources[key])
            for kind, (keys, members) in desired.kinds.items()
            if retractable(kind)
            for key, want in zip(keys, members, strict=True)
            if key not in inventory.entries and key in observation.resources and want.part_of() in observation.owned
        ]
        if gone or used:
            with suppress(StellwerkError):
                self._store.save(inventory.without(gone).with_made(used))


def look(desired: Iterable[Resource], backends: Sequence[Backend], store: InventoryStore) -> Look:
    """Look at the node and plan; change nothing. Raises PlanError, other StellwerkErrors."""
    return Rounds(backends, store).look(Desired(desired))


def apply(
    seen: Look,
    desired: Iterable[Resource],
    backends: Sequence[Backend],
    store: InventoryStore,
    watch: Watcher = lambda _: None,
) -> Round:
    """Carry out the plan that was made of a look, as a whole, and verify by looking again.

    Raises ConflictError and LackError, and then nothing was changed.
    """
    check_nothing_in_the_way(seen)
    return Rounds(backends, store).apply(seen, Desired(desired), clock=lambda: 0.0, watch=watch)


class _OneWriter:
    """An inventory store that nobody else writes to, so that it is read once.

    ``problem`` is why it could not be written last, ``None`` when it could.
    """

    def __init__(self, store: InventoryStore) -> None:
        self._store = store
        self._inventory: Inventory | None = None
        self.problem: str | None = None

    def load(self) -> Inventory:
        if self._inventory is None:
            self._inventory = self._store.load()
        return self._inventory

    def save(self, inventory: Inventory) -> None:
        try:
            self._store.save(inventory)
        except StellwerkError as exc:
            self._inventory, self.problem = None, str(exc)
            raise
        self.problem = None
        self._inventory = replace(inventory, lost=False)


class _Needs:
    """Which tables hold what stands on objects of which other tables, such as the addresses of links."""

    def __init__(self) -> None:
        self._needers: dict[str, set[str]] = {}

    def learn(self, desired: Desired, observation: Observation) -> None:
        """Take it from what is desired; the observed objects tell in which table a key is."""
        tables = {space: table.name for table in observation.tables for space in table.spaces}
        needs: dict[str, frozenset[str]] = {}
        for kind, (keys, members) in desired.kinds.items():
            tables[keys[0].space] = kind.table
            named = kind.refers_to
            if named is None:
                named = frozenset(need.space for one in members for need in references(one))
            needs[kind.table] = needs.get(kind.table, frozenset()) | named
        self._needers = {}
        for needer, spaces in needs.items():
            for space in spaces:
                self._needers.setdefault(tables.get(space, ""), set()).add(needer)

    def with_needers(self, tables: Set[str]) -> Set[str]:
        """Return the tables with those that stand on them, and on those."""
        found: set[str] = set()
        waiting = set(tables)
        while waiting:
            table = waiting.pop()
            found.add(table)
            waiting |= self._needers.get(table, set()) - found
        return found


def _lacking(outcome: Outcome, lacks: Mapping[Key, UnsupportedError]) -> Outcome:
    """Return the outcome as a failure where the object cannot be made on this node at all."""
    lack = lacks.get(outcome.operation.key)
    return outcome if lack is None else Outcome(outcome.operation, Result.FAILED, lack)


def _ends(outcomes: Sequence[Outcome]) -> dict[Key, Outcome]:
    """Return what became of each object: of the two operations of a replacement the failed one, else the last."""
    ends = {outcome.operation.key: outcome for outcome in outcomes}
    if len(ends) < len(outcomes):
        ends |= {outcome.operation.key: outcome for outcome in outcomes if outcome.result is Result.FAILED}
    return ends


def _half_done(outcomes: Sequence[Outcome], ends: Mapping[Key, Outcome]) -> frozenset[Key]:
    """Return the objects that were removed to be made anew, which then was not tried."""
    if len(ends) == len(outcomes):
        return frozenset()
    done = {outcome.operation.key for outcome in outcomes if outcome.result is Result.DONE}
    return frozenset(key for key in done if ends[key].result is Result.SKIPPED)


def _standing_on(keys: Set[Key], desired: Desired) -> frozenset[Key]:
    """Return the keys with all that is desired on them, and on that."""
    needers: dict[Key, list[Key]] = {}
    for resource in desired if keys else ():
        for need in {*resource.requires(), *filter(None, (resource.part_of(),))}:
            needers.setdefault(need, []).append(resource.key)
    found: set[Key] = set()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += needers.get(key, ())
    return frozenset(found)
