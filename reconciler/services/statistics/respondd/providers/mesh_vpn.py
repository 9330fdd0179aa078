"""The peers of the WireGuard interfaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.services.statistics.figures import Figures, PeerFigures
from reconciler.services.statistics.respondd.provider import Long, provider

_SESSION_SECONDS = 180.0
"""How long a WireGuard session lives without a new handshake (REJECT_AFTER_TIME)."""


@provider("statistics", "mesh_vpn", "groups")
def groups(figures: Figures) -> Long | None:
    """Return for each interface its peers, each with the seconds since its handshake, or null without a session."""
    if not figures.settings.wireguard:
        return None
    names = figures.settings.wireguard

    def made(peers: Sequence[PeerFigures]) -> dict[str, Any]:
        told: dict[str, Any] = {name: {"peers": {}} for name in names}
        for peer in peers:
            link = {"established": peer.handshake_seconds} if _has_session(peer) else None
            told.setdefault(peer.interface, {"peers": {}})["peers"][peer.public_key] = link
        return told

    return Long(sorted(figures.peers(), key=lambda peer: not _has_session(peer)), made)


def _has_session(peer: PeerFigures) -> bool:
    return peer.handshake_seconds is not None and peer.handshake_seconds < _SESSION_SECONDS
