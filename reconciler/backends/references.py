"""Resolve what an intent refers to: each reference once a round.

Each kind of reference has a `Resolver` in a module of this package, which exports it as ``RESOLVER`` and so is found;
there is no list to join. That one is for a single look. A module may export another one for a process that looks again
and again, as ``LASTING``: it is made with a clock and with what to call, from any thread, when it wants to be asked.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

from intent.references import Reference, References
from reconciler import backends
from reconciler.core.clock import Clock
from reconciler.core.errors import StellwerkError

R = TypeVar("R", bound=Reference[Any])


@dataclass(frozen=True, slots=True)
class Resolution:
    """The value of a reference, what the operator should know about it, and whether it was made just now."""

    value: Any
    notes: tuple[str, ...] = ()
    generated: bool = False


class Resolver(ABC, Generic[R]):
    """Looks up references of some kinds."""

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]]

    @abstractmethod
    def resolve(self, reference: R) -> Resolution:
        """Return the value as it is now. Raises BackendError where expanding without it could do harm."""

    def resolve_all(self, references: Iterable[R]) -> Mapping[R, Resolution | StellwerkError]:
        """Return the value of each reference, or why it is not known: these are all that are wanted now.

        Raises what says so of all of them.
        """
        return {reference: self._known(reference) for reference in references}

    def file(self, reference: R) -> str | None:
        """Return the path of the file that the value is read from, there or not, ``None`` where it is from no file."""
        return None

    def due(self) -> float:
        """Return when `refresh` is to be called, by the clock's `now`; infinity while it waits for nothing.

        Where values have changed, that is at once.
        """
        return math.inf

    def refresh(self) -> bool:
        """Do what is due, without waiting; return whether the references are to be resolved anew."""
        return True

    def close(self) -> None:
        """Release what it has open; it is not used again."""
        return

    def _known(self, reference: R) -> Resolution | StellwerkError:
        try:
            return self.resolve(reference)
        except StellwerkError as exc:
            return exc


@dataclass(frozen=True)
class Resolved:
    """The values for `intent.expansion.expand`, what the operator should know, and the keys made just now.

    While ``references`` equal those of an earlier look, a node need not be expanded anew. ``problems`` say which values
    are those of an earlier look, and why.
    """

    references: References
    notes: tuple[str, ...]
    generated: tuple[str, ...]
    problems: tuple[str, ...] = ()


class Resolvers:
    """One resolver for each kind of reference, for one look or for many."""

    def __init__(self, *instead: Resolver[Any]) -> None:
        """Find the resolvers; those given take the place of the ones found for the same kinds."""
        self._by_type = {kind: one for one in (*_found(), *instead) for kind in one.reference_types}
        self._all = tuple(dict.fromkeys(self._by_type.values()))
        self._last: dict[Reference[Any], Resolution] = {}

    @classmethod
    def lasting(cls, clock: Clock, ring: Callable[[], None], *instead: Resolver[Any]) -> Resolvers:
        """Return those of a process that looks again and again; ``ring`` is called when something has become due."""
        found = (module.LASTING(clock, ring) for module in backends.modules() if hasattr(module, "LASTING"))
        return cls(*found, *instead)

    def due(self) -> float:
        """Return when `refresh` is to be called, by the clock's `now`; infinity while nothing waits."""
        return min((resolver.due() for resolver in self._all), default=math.inf)

    def refresh(self, now: float) -> bool:
        """Have each resolver do what is due; return whether the references are to be resolved anew."""
        return any([resolver.refresh() for resolver in self._all if resolver.due() <= now])

    def close(self) -> None:
        """Close all of them."""
        for resolver in self._all:
            resolver.close()

    def files(self, references: Iterable[Reference[Any]]) -> tuple[str, ...]:
        """Return the paths that the values of the references are read from, there or not, each once.

        Watched before `resolve`, they also tell when what it refused has been mended.
        """
        paths = (self._of(reference).file(reference) for reference in references)
        return tuple(dict.fromkeys(path for path in paths if path is not None))

    def resolve(
        self, references: Iterable[Reference[Any]], besides: Iterable[Reference[Any]] = (), *, recall: bool = False
    ) -> Resolved:
        """Return the values of the references; those ``besides`` are wanted too, by somebody else.

        With ``recall``, one that cannot be looked up now has the value that it had last. Raises DeniedError or
        RejectedError for a key file that cannot be used; a name that has no address is no error.
        """
        wanted = tuple(dict.fromkeys(references))
        looked_up = self._look_up(dict.fromkeys((*wanted, *besides)))
        before = self._last
        self._last = {}
        for one, value in looked_up.items():
            if isinstance(value, Resolution):
                self._last[one] = value
            elif one in before:
                # What was made then is not made again.
                self._last[one] = replace(before[one], generated=False)
        problems = {one: why for one in wanted if isinstance(why := looked_up[one], StellwerkError)}
        for one, why in problems.items():
            if not recall or one not in self._last:
                raise why
        found = {one: self._last[one] for one in wanted}
        return Resolved(
            References({one: found[one].value for one in wanted}),
            tuple(note for one in wanted for note in found[one].notes),
            tuple(path for one in wanted if found[one].generated and (path := self._of(one).file(one)) is not None),
            tuple(dict.fromkeys(str(why) for why in problems.values())),
        )

    def _look_up(self, references: Iterable[Reference[Any]]) -> Mapping[Reference[Any], Resolution | StellwerkError]:
        """Return the value of each reference, or why it is not known now."""
        shares: dict[Resolver[Any], list[Reference[Any]]] = {resolver: [] for resolver in self._all}
        for reference in references:
            shares[self._of(reference)].append(reference)
        found: dict[Reference[Any], Resolution | StellwerkError] = {}
        for resolver, share in shares.items():
            try:
                found |= resolver.resolve_all(share)
            except StellwerkError as exc:
                found |= dict.fromkeys(share, exc)
        return found

    def _of(self, reference: Reference[Any]) -> Resolver[Any]:
        try:
            return self._by_type[type(reference)]
        except KeyError:
            raise TypeError(f"no module of {backends.__name__} resolves {type(reference).__name__}") from None


def resolve(references: Iterable[Reference[Any]]) -> Resolved:
    """Return the values of the references, for one look: names are waited for, for a bounded time.

    Raises DeniedError or RejectedError for a key file that cannot be used; a name that has no address is no error.
    """
    return Resolvers().resolve(references)


def lives_on(references: Iterable[Reference[Any]]) -> Mapping[str, frozenset[Hashable] | None]:
    """Return the tables, and the parts of each, that the values of the references depend on; ``None`` for a whole."""
    found: dict[str, frozenset[Hashable] | None] = {}
    for reference in references:
        for table, parts in reference.lives_on.items():
            known = found.get(table, frozenset())
            found[table] = None if known is None or parts is None else known | parts
    return found


def _found() -> tuple[Resolver[Any], ...]:
    exported: list[type[Resolver[Any]]] = [
        module.RESOLVER for module in backends.modules() if hasattr(module, "RESOLVER")
    ]
    resolvers = tuple(kind() for kind in exported)
    types = [kind for resolver in resolvers for kind in resolver.reference_types]
    if twice := [kind.__name__ for kind in types if types.count(kind) > 1]:
        raise TypeError(f"two modules of {backends.__name__} resolve {twice[0]}")
    return resolvers
