"""Peers on our WireGuard interfaces that nobody asked for: somebody else is let into the mesh."""

from __future__ import annotations

from collections.abc import Iterator

from intent.document import Node
from intent.resources import link, wireguard_device
from intent.resources.wireguard_peer import WireGuardPeer
from reconciler.core.audit import Finding, Severity
from reconciler.core.auditing import Case, Found


def findings(case: Case, node: Node) -> Iterator[Found]:
    """Yield peers of interfaces that the intent asks for, which the intent does not name."""
    for peer in case.others(WireGuardPeer):
        if not isinstance(peer, WireGuardPeer):
            continue
        if link.key(peer.link) in case.desired.by_key and wireguard_device.key(peer.link) in case.desired.by_key:
            yield Found(
                peer.key,
                Finding(
                    "unknown-peer",
                    Severity.CRITICAL,
                    peer.describe(),
                    "a peer that the intent does not name is on an interface of ours: whoever has its key is let in",
                    "find out who added it; `stellwerk apply` removes it",
                ),
            )
