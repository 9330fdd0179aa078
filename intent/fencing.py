"""What other features have to know of a firewall: what must stand before the node forwards, and what it translates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from ipaddress import IPv6Network
from typing import TYPE_CHECKING

from intent.references import References
from intent.resources.resource import Key
from intent.validation import Model

if TYPE_CHECKING:
    from intent.document import Node


class Fencing(Model):
    """Base of features that give packets other addresses on the way out."""

    @abstractmethod
    def translated(self, interface: str) -> tuple[IPv6Network, ...]:
        """Return the prefixes whose packets leave by an interface with other addresses."""


def fences(node: Node, references: References) -> Iterator[Key]:
    """Yield the keys of what must be there before a node forwards packets."""
    for feature, model in node.parts():
        yield from feature.fences(model, node, references)


def is_translated(prefix: IPv6Network, interface: str, node: Node) -> bool:
    """Return whether all packets from a prefix leave by an interface with other addresses."""
    return any(
        prefix.subnet_of(block)
        for feature in node.features
        if isinstance(feature, Fencing)
        for block in feature.translated(interface)
    )
