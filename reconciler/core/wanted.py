"""What a document asks for, and who says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from intent.checks import Check
from intent.offers import Offer
from intent.services import Service
from reconciler.core.backend import Partitions
from reconciler.core.desired import Desired
from reconciler.core.intents import Document


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a document asks for. Without a document it is nothing: all that is ours is to go.

    ``because`` says in words what has changed since the same document asked for something else, where that is known,
    and ``problems`` why something that it refers to cannot be looked up now, and counts as it was.
    """

    document: Document | None
    node: str = ""
    desired: Desired = field(default_factory=Desired)
    confirm_seconds: int | None = None
    checks: tuple[Check, ...] = ()
    largest_deleted_share: float = 1.0
    notes: tuple[str, ...] = ()
    because: str = ""
    offers: tuple[Offer, ...] = ()
    problems: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()


NOTHING = Wanted(None)


class Interpreter(Protocol):
    """Turns documents into what they ask for. It knows the last few, and what they refer to."""

    @property
    def lives_on(self) -> Mapping[str, Partitions]:
        """The tables, and the parts of each, that what the documents refer to depends on."""
        ...

    def due(self) -> float:
        """Return when `refresh` is to be called, by the clock's `now`; infinity while nothing waits for a time."""
        ...

    def refresh(self, now: float) -> bool:
        """Do what is due; return whether documents are to be interpreted anew."""
        ...

    def interpret(self, document: Document, held: bool = False) -> Wanted:
        """Return what the document asks for now, the very same value while nothing it refers to has changed.

        One that is ``held`` is the only one from now on: what others refer to is forgotten, and what cannot be looked
        up counts as it was last. Raises IntentError and BackendError.
        """
        ...

    def release(self) -> None:
        """Take note that no document is held: nothing that one refers to is followed."""
        ...


class Checker(Protocol):
    """Carries out checks in the background; the results come by `Loop.checked`."""

    def start(self, checks: Sequence[Check], turn: int) -> None:
        """Begin with the checks, unless some are under way; ``turn`` is given back with the results."""
        ...
