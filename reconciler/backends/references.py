"""Resolve what an intent refers to: each reference once a round."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from intent.references import (
    AdvertisedUplinks,
    HostAddress,
    KernelLinkKind,
    PresharedKeyFile,
    PrivateKeyFile,
    Reference,
    References,
)
from reconciler.backends import link_kinds, names, uplinks
from reconciler.backends.key_references import KeyFiles


@dataclass(frozen=True)
class Resolved:
    """The values for `intent.expansion.expand`, what the operator should know, and the keys made just now."""

    references: References
    notes: tuple[str, ...]
    generated: tuple[str, ...]


def resolve(references: Iterable[Reference[Any]]) -> Resolved:
    """Return the values of the references.

    Raises DeniedError or RejectedError for a key file that cannot be used; a name that has no address is no error.
    """
    wanted = dict.fromkeys(references)
    keys = KeyFiles()
    values: dict[Reference[Any], Any] = {}
    notes: list[str] = []
    generated: list[str] = []
    for reference in wanted:
        if isinstance(reference, PrivateKeyFile | PresharedKeyFile):
            resolution = keys.resolve(reference)
            values[reference] = resolution.value
            notes += resolution.notes
            if isinstance(reference, PrivateKeyFile) and resolution.value.generated:
                generated.append(reference.path)
        elif isinstance(reference, KernelLinkKind):
            values[reference] = link_kinds.known(reference.kind)
        elif isinstance(reference, AdvertisedUplinks):
            values[reference] = uplinks.advertised()
    found = names.resolve(reference for reference in wanted if isinstance(reference, HostAddress))
    notes += [f"{name.name} has no address now; its endpoint is left as it is" for name in found if not found[name]]
    return Resolved(References(values | found), tuple(notes), tuple(generated))
