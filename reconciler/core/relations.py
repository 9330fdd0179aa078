"""How objects hang together, as far as their kinds tell it: what need not be asked of each of 100,000 objects."""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import cache

from intent.resources.resource import Key, Resource


def _overrides(kind: type[Resource], name: str) -> bool:
    own, default = getattr(kind, name), getattr(Resource, name)
    # Of a class method there is another object at each look, and one function behind them.
    return getattr(own, "__func__", own) is not getattr(default, "__func__", default)


@cache
def claiming(kind: type[Resource]) -> bool:
    """Return whether objects of a kind may hold something exclusively."""
    return _overrides(kind, "claims")


@cache
def keeping(kind: type[Resource]) -> bool:
    """Return whether objects of a kind may keep others from being removed."""
    return _overrides(kind, "keeps")


@cache
def renewable(kind: type[Resource]) -> bool:
    """Return whether objects of a kind may have to be replaced because another changes."""
    return _overrides(kind, "renewed_by")


@cache
def hindered(kind: type[Resource]) -> bool:
    """Return whether something may speak against making objects of a kind."""
    return _overrides(kind, "hindrance")


@cache
def completed(kind: type[Resource]) -> bool:
    """Return whether the rows of a kind do not always say all about an object."""
    return _overrides(kind, "related")


@cache
def partial(kind: type[Resource]) -> bool:
    """Return whether objects of a kind may be part of others."""
    return _overrides(kind, "part_of")


def may_refer(kind: type[Resource], spaces: Set[str]) -> bool:
    """Return whether a relation of an object of a kind may name a key in one of the spaces."""
    return kind.refers_to is None or not kind.refers_to.isdisjoint(spaces)


def references(resource: Resource) -> Iterator[Key]:
    """Yield the keys that an object's relations name."""
    yield from resource.requires()
    kind = type(resource)
    if partial(kind) and (whole := resource.part_of()) is not None:
        yield whole
    if renewable(kind):
        yield from resource.renewed_by()
    if keeping(kind):
        yield from resource.keeps()
    if (through := resource.replaced_through()) is not None:
        yield through


@cache
def remembering(kind: type[Resource]) -> bool:
    """Return whether the inventory has a say in what is read of a kind's rows."""
    return kind.inventoried or _overrides(kind, "recall")


@cache
def retractable(kind: type[Resource]) -> bool:
    """Return whether others may have to be told when an object of a kind has vanished."""
    return _overrides(kind, "lost")


@cache
def expecting(kind: type[Resource]) -> bool:
    """Return whether a kind can say what the rows of desired objects come to."""
    return _overrides(kind, "expected")
