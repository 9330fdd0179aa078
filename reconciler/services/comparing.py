"""Plans from intent to intent: what a change of a node file would do to the node, with no node at hand.

What only the node or the network can tell is assumed, the same on both sides: all is there and works, a key in a file
is the one whose public half the fleet knows, else one of its own for each path, and what a provider delegates is a
part of 3fff::/20 (RFC 9637). Of the babeld nothing is known but that it runs as the document before asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from ipaddress import IPv6Network
from typing import Any

from intent.delegation import cut
from intent.document import Node
from intent.expansion import Expansion, expand, references
from intent.features.links import Links
from intent.features.wireguard import WireGuard
from intent.references import DelegatedPrefix, Reference, References, ResolvedKey
from intent.resources.resource import Key, Resource
from intent.resources.wireguard_names import Endpoint, key_bytes
from intent.resources.wireguard_peer import WireGuardPeer
from intent.secrets import PublicHalf
from reconciler.core.desired import Desired
from reconciler.core.diff import diff
from reconciler.core.observations import as_desired
from reconciler.core.plan import Plan

LINKS = "links"
"""Under what a node's one public key for all its links is known."""
PublicKeys = Iterable[tuple[str, str]]
"""The public keys, in base64, that are known of a node, each by its interface or by `LINKS`."""

_DELEGATED_BITS = 32


def planned(before: Node | None, after: Node | None, known: PublicKeys = (), known_after: PublicKeys = ()) -> Plan:
    """Return what is to be done to a node that is as one document says for it to be as the other says.

    ``None`` stands for a node that does not exist. ``known`` are the public keys of the node before and after. Raises
    IntentError where a document asks for what cannot be, and PlanError where no order of operations leads there.
    """
    first = None if before is None else expand(before, _assumed(before, known))
    there = _desired(first)
    wanted = _desired(None if after is None else expand(after, _assumed(after, known_after), first))
    return diff(Desired(wanted), as_desired(there, wanted.values()))


def _desired(expansion: Expansion | None) -> Mapping[Key, Resource]:
    return {} if expansion is None else {key: _by_name(one) for key, one in expansion.by_key.items()}


def _by_name(resource: Resource) -> Resource:
    """Return a peer that is reached by a name with that in place of an address that nobody has looked up."""
    if not isinstance(resource, WireGuardPeer) or resource.endpoint_name is None:
        return resource
    host, _, port = resource.endpoint_name.rpartition(":")
    return resource if host.startswith("[") else replace(resource, endpoint=Endpoint(host, int(port)))


def _assumed(node: Node, known: PublicKeys) -> References:
    asked = references(node)
    values: dict[Reference[Any], Any] = {one: _value(one) for one in asked}
    keys = _key_references(node)
    for name, public in known:
        reference = keys.get(name)
        if reference in values:
            values[reference] = ResolvedKey(PublicHalf(key_bytes(public)), generated=False)
    return References(values)


def _value(reference: Reference[Any]) -> Any:
    if isinstance(reference, DelegatedPrefix):
        return cut(reference.within or _delegated(reference.interface), reference.length, reference.subnet)
    return reference.assumed()


def _delegated(interface: str) -> IPv6Network:
    number = int.from_bytes(sha256(interface.encode()).digest()[:2]) >> 4
    return IPv6Network(((0x3FFF << 112) | (number << 96), _DELEGATED_BITS))


def _key_references(node: Node) -> dict[str, Reference[Any]]:
    """Return what refers to the private keys of a node, each by its interface or by `LINKS`."""
    wireguard, links = node.get(WireGuard), node.get(Links)
    found: dict[str, Reference[Any]] = {}
    for interface in () if wireguard is None else wireguard.root:
        found[interface.name] = interface.private_key.reference()
    if links is not None:
        found[LINKS] = links.private_key.reference()
    return found
