"""Carry out a plan: in order, in batches, with an outcome for every operation."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from intent.resources.resource import Drain, Key, Request, Resource
from reconciler.core.backend import Backend
from reconciler.core.errors import BackendError, StellwerkError, UnrecordedError, UnsupportedError
from reconciler.core.inventory import Inventory, InventoryStore
from reconciler.core.plan import FOR_GOOD, Action, Impact, Operation, Plan


class Result(StrEnum):
    """What became of an operation."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Outcome(NamedTuple):
    """An operation and what became of it.

    ``because`` is the key of the failed one that a skipped one waited for, or that was to stand in for it;
    ``undrained`` why others may not know yet that a deleted object is gone.
    """

    operation: Operation
    result: Result
    error: BackendError | None = None
    because: Key | None = None
    undrained: BackendError | None = None


Watcher = Callable[[Outcome], None]


def carry_out(
    plan: Plan,
    backends: Sequence[Backend],
    store: InventoryStore,
    watch: Watcher = lambda _: None,
    held: Set[Key] = frozenset(),
) -> tuple[Outcome, ...]:
    """Carry out the operations; a failed one stops what comes after it, the independent ones go on.

    Operations on what is ``held`` are skipped as if they had failed.

    What a failed or skipped one may have been to stand in for is not removed in this round (see `_bonds`), such as
    the old address of a link that was not given its new one. Removals that something is waiting for to be made go on.

    Ownership that the kernel cannot keep is in the store before the change, and leaves it after a confirmed removal.
    Where the store cannot be written, what needs a record fails and all else goes on; what is gone stays recorded.
    ``watch`` is told each outcome as soon as it is known. Raises StellwerkError when the store cannot be read.
    """
    inventory = store.load()
    course = _Course(plan, held)
    for group in course.groups():
        stops = course.stops(group)
        ready = [operation for operation, stop in zip(group, stops, strict=True) if stop is None]
        inventory, unrecorded = _recorded(store, inventory, ready)
        going = [operation for operation in ready if operation.key not in unrecorded]
        undrained = _drained(going, backends)
        errors = _send(going, _requests, backends)
        sent = map(_tried, going, errors, undrained)
        tried = (_tried(one, unrecorded[one.key], None) if one.key in unrecorded else next(sent) for one in ready)
        news = [
            Outcome(operation, Result.SKIPPED, because=stop) if stop is not None else next(tried)
            for operation, stop in zip(group, stops, strict=True)
        ]
        with suppress(StellwerkError):
            # What stays recorded though it is gone is forgotten at a later look.
            inventory = _write(store, inventory, inventory.without(_gone(news, plan)))
        course.go_on(news)
        for outcome in news:
            watch(outcome)
    return tuple(course.outcomes)


def to_be_tried(plan: Plan, held: Set[Key]) -> tuple[Operation, ...]:
    """Return the operations that `carry_out` would try if none of them failed."""
    course = _Course(plan, held)
    tried: list[Operation] = []
    for group in course.groups():
        stops = course.stops(group)
        tried += [operation for operation, stop in zip(group, stops, strict=True) if stop is None]
        course.go_on(
            [
                Outcome(operation, Result.DONE if stop is None else Result.SKIPPED, because=stop)
                for operation, stop in zip(group, stops, strict=True)
            ]
        )
    return tuple(tried)


class _Course:
    """The operations of a plan on their way, and what keeps some of them from being tried."""

    def __init__(self, plan: Plan, held: Set[Key]) -> None:
        self.outcomes: list[Outcome] = []
        self._operations = plan.operations
        self._held = held
        self._making_way = _making_way(plan.operations)
        self._lost: dict[Hashable, Key] = {}
        self._anything_undone = False

    def groups(self) -> Iterator[list[Operation]]:
        """Yield the operations that can be taken together."""
        for _, members in groupby(self._operations, key=lambda operation: operation.generation):
            yield list(members)

    def stops(self, group: Sequence[Operation]) -> list[Key | None]:
        """Return for each operation of the next group the key for whose sake it is not tried, ``None`` if it is."""
        if not self._held and not self._anything_undone:
            return [None] * len(group)
        return [
            _stopped(operation, self.outcomes, self._held)
            or (None if position in self._making_way else _kept_for(operation, self._lost))
            for position, operation in enumerate(group, len(self.outcomes))
        ]

    def go_on(self, news: Sequence[Outcome]) -> None:
        """Take what became of the group."""
        self.outcomes += news
        self._lost |= _lost(news)
        self._anything_undone = self._anything_undone or any(one.result is not Result.DONE for one in news)


def lacking(plan: Plan, backends: Sequence[Backend]) -> tuple[UnsupportedError, ...]:
    """Return what the node lacks to carry out the plan, found out before anything is changed."""
    requests = [
        request for operation in plan.operations if operation.resource.may_be_lacked for request in _requests(operation)
    ]
    errors: list[UnsupportedError] = []
    for backend in backends:
        mine = [request for request in requests if isinstance(request, backend.requests)]
        errors += backend.lacks(mine) if mine else []
    return tuple(errors)


def _stopped(operation: Operation, outcomes: Sequence[Outcome], held: Set[Key]) -> Key | None:
    """Return the key of the failed or held operation that this one waits for."""
    if operation.key in held:
        return operation.key
    failed = next((outcomes[n] for n in operation.after if outcomes[n].result is not Result.DONE), None)
    return None if failed is None else failed.because or failed.operation.key


def _making_way(operations: Sequence[Operation]) -> frozenset[int]:
    """Return the positions of what something that is made or changed waits for."""
    found: set[int] = set()
    for position in reversed(range(len(operations))):
        operation = operations[position]
        if operation.after and (position in found or operation.impact not in FOR_GOOD):
            found.update(operation.after)
    return frozenset(found)


def _kept_for(operation: Operation, lost: Mapping[Hashable, Key]) -> Key | None:
    """Return the key of the failed operation for whose sake the object is not removed now."""
    if operation.impact is not Impact.REMOVAL:
        return None
    return next((lost[bond] for bond in _bonds(operation.resource) if bond in lost), None)


def _lost(outcomes: Iterable[Outcome]) -> dict[Hashable, Key]:
    """Return the bonds of what was not made or changed, each with the key of the failed operation behind it."""
    return {
        bond: outcome.because or outcome.operation.key
        for outcome in outcomes
        if outcome.result is not Result.DONE and outcome.operation.impact not in FOR_GOOD
        for bond in _bonds(outcome.operation.resource)
    }


def _bonds(resource: Resource) -> Iterator[Hashable]:
    """Yield what two objects of a space have in common when one can stand in for the other.

    It is the whole that they are parts of (two addresses of a link), or a part of their table together with a thing
    they need, or with needing none (two routes of a routing table over one link). More would let one creation that
    always fails keep all else from being removed, such as an exit that has nothing to do with it.
    """
    if (whole := resource.part_of()) is not None:
        yield resource.key.space, whole
    if resource.partitioned:
        for need in resource.requires() or (None,):
            yield resource.key.space, resource.partition(), need


def _tried(operation: Operation, error: BackendError | None, undrained: BackendError | None) -> Outcome:
    return Outcome(operation, Result.DONE if error is None else Result.FAILED, error, undrained=undrained)


def _made(operations: Iterable[Operation]) -> list[tuple[Resource, Resource | None]]:
    return [(op.desired, op.observed) for op in operations if op.desired is not None]


def _gone(outcomes: Iterable[Outcome], plan: Plan) -> list[Key]:
    """Return what is confirmed to be removed. What goes only when another is made anew is not: a look will tell."""
    deleted = [one.operation for one in outcomes if one.operation.action is Action.DELETE and one.result is Result.DONE]
    through = {whole for operation in deleted if (whole := operation.resource.replaced_through()) is not None}
    renewed = {one.key for one in plan.operations if one.action is Action.CREATE} if through else set()
    confirmed = [one for one in deleted if one.resource.replaced_through() not in renewed]
    return [key for operation in confirmed for key in (operation.key, *operation.takes)]


def _recorded(
    store: InventoryStore, inventory: Inventory, operations: Sequence[Operation]
) -> tuple[Inventory, dict[Key, BackendError]]:
    """Record what is about to be made; return the inventory and, where that fails, what has to wait for a record."""
    try:
        return _write(store, inventory, inventory.with_made(_made(operations))), {}
    except StellwerkError as exc:
        error = UnrecordedError(str(exc))
        return inventory, {
            one.key: error for one in operations if _differ(inventory, inventory.with_made(_made([one])))
        }


def _write(store: InventoryStore, before: Inventory, after: Inventory) -> Inventory:
    if _differ(before, after):
        store.save(after)
    return after


def _differ(before: Inventory, after: Inventory) -> bool:
    return after.entries != before.entries or after.partitions != before.partitions


def _requests(operation: Operation) -> tuple[Request, ...]:
    if operation.action is Action.DELETE:
        drain = _drain(operation)
        # How far the draining came is not asked: one of the two deletions finds nothing.
        left = () if drain is None else drain.leaves.delete()
        return left if operation.impact is Impact.RETRACTION else (*left, *operation.resource.delete())
    if operation.action is Action.UPDATE and operation.observed is not None:
        return operation.resource.update(operation.observed, operation.changes)
    return operation.resource.create()


def _drained(operations: Sequence[Operation], backends: Sequence[Backend]) -> Sequence[BackendError | None]:
    """Have others stop using what goes for good; return what kept each operation's object from being drained."""
    if not any(operation.impact in FOR_GOOD for operation in operations):
        return [None] * len(operations)
    return _send(operations, _draining, backends)


def _draining(operation: Operation) -> Sequence[Request]:
    drain = _drain(operation)
    return () if drain is None else drain.requests


def _drain(operation: Operation) -> Drain | None:
    """Return what comes before a deletion for good; what is made again at once is not drained."""
    if operation.impact is Impact.RETRACTION:
        return operation.resource.retract()
    return operation.resource.drain() if operation.impact is Impact.REMOVAL else None


def _send(
    operations: Sequence[Operation], requests_of: Callable[[Operation], Sequence[Request]], backends: Sequence[Backend]
) -> list[BackendError | None]:
    """Send the requests of independent operations and return each operation's first error.

    The first requests of all go out together, then the second ones of those that did not fail, and so on: a link
    that could not be created is not marked as ours. Requests are made while they are sent, and then forgotten.
    """
    errors: list[BackendError | None] = [None] * len(operations)
    later: dict[int, Sequence[Request]] = {}

    def first() -> Iterator[tuple[int, Request]]:
        for number, operation in enumerate(operations):
            requests = requests_of(operation)
            if len(requests) > 1:
                later[number] = requests
            if requests:
                yield number, requests[0]

    _Wave(first(), backends).send(errors)
    for step in range(1, max(map(len, later.values()), default=0)):
        wave = (
            (number, requests[step])
            for number, requests in later.items()
            if len(requests) > step and errors[number] is None
        )
        _Wave(wave, backends).send(errors)
    return errors


class _Wave:
    """Numbered requests on their way: neighbours for one backend go out together, as it takes them."""

    def __init__(self, requests: Iterator[tuple[int, Request]], backends: Sequence[Backend]) -> None:
        self._requests = requests
        self._backends = backends
        self._next = next(requests, None)
        self._senders: dict[type[Request], Backend | None] = {}

    def send(self, errors: list[BackendError | None]) -> None:
        """Send all of them, and put down the errors by their numbers."""
        while self._next is not None:
            sender = self._sender(type(self._next[1]))
            numbers: list[int] = []
            run = self._run(sender, numbers)
            answers = _unserved(run) if sender is None else sender.send(run)
            for number, answer in zip(numbers, answers, strict=True):
                errors[number] = answer

    def _run(self, sender: Backend | None, numbers: list[int]) -> Iterator[Request]:
        while self._next is not None:
            number, request = self._next
            if self._sender(type(request)) is not sender:
                return
            numbers.append(number)
            self._next = next(self._requests, None)
            yield request

    def _sender(self, kind: type[Request]) -> Backend | None:
        if kind not in self._senders:
            serving = (backend for backend in self._backends if issubclass(kind, backend.requests))
            self._senders[kind] = next(serving, None)
        return self._senders[kind]


def _unserved(requests: Iterable[Request]) -> list[BackendError | None]:
    return [UnsupportedError(f"no backend here carries out {type(request).__name__}") for request in requests]
