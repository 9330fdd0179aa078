"""The addresses of the node on its uplinks: a hoster may give one out of the prefix that the node is an exit for."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from intent.babel_parameters import Announcing
from intent.references import Reference

if TYPE_CHECKING:
    from intent.document import Node


@dataclass(frozen=True, slots=True)
class UplinkAddresses(Reference[tuple[IPv6Address, ...]]):
    """The node's IPv6 addresses on these interfaces, sorted, but for link-local ones."""

    interfaces: tuple[str, ...]

    @property
    def lives_on(self) -> Mapping[str, frozenset[Hashable] | None]:
        """The addresses."""
        return {"address": None} if self.interfaces else {}

    def assumed(self) -> tuple[IPv6Address, ...]:
        """Return none."""
        return ()


def uplink_addresses(named: Iterable[str], node: Node) -> UplinkAddresses:
    """Return the reference to the addresses on the uplinks that are named, and on the ways out of exits.

    A tunnel that the file makes is no uplink: the node's default route does not lead through it.
    """
    exits = (exit_ for feature in node.features if isinstance(feature, Announcing) for exit_ in feature.exit_metrics())
    ways = {exit_.interface for exit_ in exits} - made_by(node)
    return UplinkAddresses(tuple(sorted({*named, *ways})))


def made_by(node: Node) -> frozenset[str]:
    """Return the names of the interfaces that a file itself makes."""
    held = (one for feature, model in node.parts() for one in feature.holds(model, node))
    return frozenset(str(one.value) for one in held if one.thing == "interface name")
