"""A node's intent as objects, also where not all of what it refers to is known: what hangs on that is not compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from intent.document import Node
from intent.expansion import expand, references
from intent.references import Reference, References, ResolvedKey
from intent.resources.resource import Key, Resource
from intent.secrets import PrivateKey, Secret
from reconciler.core.desired import Desired
from reconciler.core.snapshot import Snapshot
from reconciler.services.snapshot_references import value


@dataclass(frozen=True)
class Asked:
    """What a node is to have, as far as that is known.

    ``values`` are those of the references, assumed ones where they are ``unknown``. ``doubtful`` are the objects that
    would be others with other values of those; they are not in ``desired``.
    """

    desired: Desired
    values: References
    unknown: tuple[Reference[Any], ...]
    doubtful: Mapping[Key, Resource]


def asked(node: Node, snapshot: Snapshot) -> Asked:
    """Return what the node is to have, by the values of references that a snapshot tells.

    Raises IntentError, DamagedSnapshotError.
    """
    known: dict[Reference[Any], Any] = {}
    unknown: list[Reference[Any]] = []
    for reference in references(node):
        try:
            known[reference] = value(reference, snapshot)
        except KeyError:
            unknown.append(reference)
    return expanded(node, known, unknown)


def expanded(node: Node, known: Mapping[Reference[Any], Any], unknown: Iterable[Reference[Any]]) -> Asked:
    """Return what the node is to have by the values that are known. Raises IntentError."""
    unknown = tuple(unknown)
    assumed = {one: one.assumed() for one in unknown}
    values = References({**known, **assumed})
    expansion = expand(node, values)
    others = {one: _another(assumption) for one, assumption in assumed.items()}
    if others == assumed:
        return Asked(Desired(expansion.by_key), values, unknown, {})
    second = expand(node, References({**known, **others})).by_key
    first = expansion.by_key
    certain = {key: one for key, one in first.items() if second.get(key) == one}
    doubtful = {key: one for key, one in (*first.items(), *second.items()) if key not in certain}
    return Asked(Desired(certain), values, unknown, doubtful)


def _another(one: Any) -> Any:
    """Return another value where one that is assumed says nothing: no key is like another."""
    if isinstance(one, ResolvedKey):
        return replace(one, key=_another(one.key))
    if isinstance(one, PrivateKey):
        return PrivateKey(sha256(one.public).digest())
    if isinstance(one, Secret):
        return type(one)(sha256(one.reveal()).digest())
    return one
