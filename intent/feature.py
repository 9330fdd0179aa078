"""The shape of a feature: one thing that an operator can ask for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from intent.offers import Offer
from intent.references import Reference, References
from intent.resources.resource import Key, Resource
from intent.services import Service
from intent.shares import Share
from intent.tree import Path

if TYPE_CHECKING:
    from intent.document import Node

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong that only shows when fields are looked at together.

    ``path`` leads from the feature's value to the offending item. ``first`` is where that which it collides with
    stands; its line is put at ``{line}`` of the message.
    """

    path: Path
    message: str
    suggestion: str | None = None
    first: Path | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """A thing that a node has once, and the field which asks for it: a name of an interface, a UDP port.

    Two holdings of the same thing and value, by whatever features, are reported.
    """

    path: Path
    thing: str
    value: str | int


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Many objects that differ in one thing only, such as routes from a list of prefixes.

    Of the ``different`` each is there once; most cheap to compare are texts and tuples of them. ``make`` makes the
    object of one. ``alike`` is all else that goes into it: whenever two batches have it in common, they make equal
    objects of what is equal.
    """

    alike: Hashable
    different: tuple[T, ...]
    make: Callable[[T], Resource]


def nothing(model: Any, node: Node, references: References | None = None) -> Iterable[Any]:
    """Return nothing: the feature has no such thing."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature(Generic[M]):
    """One thing that an operator can ask for under a key of the node file. A module exports it as ``FEATURE``.

    All functions are pure. ``check`` and ``holds`` see a node from which features with errors of their own are left
    out; ``references`` and ``expand`` see a whole one.
    """

    name: str
    """The key in the node file."""
    model: type[M]
    """What stands under the key."""
    description: str
    """What it is for, in one or two sentences: editors show it."""
    expand: Callable[[M, Node, References], Iterable[Resource | Batch[Any]]]
    """The objects that the node is to have, each alone or many at once. May raise IntentError with problems made by
    ``node.problem``."""
    needs: tuple[str, ...] = ()
    """The features that must be there too."""
    check: Callable[[M, Node], Iterable[Finding]] = nothing
    """What is wrong although every field for itself is right."""
    holds: Callable[[M, Node], Iterable[Holding]] = nothing
    """What the feature takes that a node has once."""
    references: Callable[[M, Node], Iterable[Reference[Any]]] = nothing
    """What has to be looked up before `expand`."""
    offers: Callable[[M, Node, References], Iterable[Offer]] = nothing
    """What the node offers to others only while it is fit to."""
    fences: Callable[[M, Node, References], Iterable[Key]] = nothing
    """The keys of what must be there before the node forwards packets, and goes after it has stopped."""
    services: Callable[[M, Node, References], Iterable[Service]] = nothing
    """What is to run beside the loop that keeps the node; each name once on a node."""
    shares: Callable[[M, Node], Iterable[Share]] = nothing
    """What of it concerns the other nodes of a fleet."""
