"""The links and exits of a node, and whether they work, for a drawing of the whole mesh."""

from __future__ import annotations

from collections.abc import Sequence

from intent.document import Node
from intent.features.links import Links, link_name
from intent.offers import Offer
from intent.references import References
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_peer import key as peer_key
from reconciler.core.audit import ExitSeen, LinkSeen
from reconciler.core.observe import Observation


def links(node: Node, references: References, observation: Observation, certain: bool) -> tuple[LinkSeen, ...]:
    """Return the links to other nodes. Whether they work is not known where not all that decides it is ``certain``."""
    asked = node.get(Links)
    if asked is None or not asked.peers:
        return ()
    own = references[asked.private_key.reference()].key.public
    found = []
    for peer in asked.peers:
        name = link_name(own, peer.key())
        there = observation.resources.get(peer_key(name, peer.public_key))
        works = isinstance(there, WireGuardPeer) and not there.stale()
        seen = certain and WireGuardPeer.table not in observation.unseen
        found.append(LinkSeen(peer.node, name, works if seen else None))
    return tuple(found)


def exits(offers: Sequence[Offer], observation: Observation, known: bool) -> tuple[ExitSeen, ...]:
    """Return what the node offers, and whether it is announced, where all of that is ``known``."""
    return tuple(
        ExitSeen(offer.prefix or offer.name, all(key in observation.resources for key in offer.keys) if known else None)
        for offer in offers
    )
