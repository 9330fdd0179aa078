"""A WireGuard in memory: does to its peers what the kernel does (net: drivers/net/wireguard/netlink.c)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from intent.resources.wireguard_names import Endpoint, prefixes
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_requests import NO_PRESHARED_KEY, SetPeer
from intent.secrets import PresharedKey


@dataclass
class ModelPeer:
    preshared_key: PresharedKey = NO_PRESHARED_KEY
    endpoint: Endpoint | None = None
    keepalive: int = 0
    allowed_ips: set[str] = field(default_factory=set)


class Model:
    def __init__(self, peers: Iterable[WireGuardPeer] = ()) -> None:
        self.peers: dict[str, ModelPeer] = {}
        for peer in peers:
            self.carry_out(peer.create())

    def carry_out(self, requests: Sequence[object]) -> None:
        for request in requests:
            assert isinstance(request, SetPeer)
            self._set(request)

    def _set(self, request: SetPeer) -> None:
        known = request.public_key in self.peers
        if request.remove:
            self.peers.pop(request.public_key, None)
            return
        if not known and request.update_only:
            return
        peer = self.peers.setdefault(request.public_key, ModelPeer())
        if request.preshared_key is not None:
            peer.preshared_key = request.preshared_key
        if request.endpoint is not None:
            peer.endpoint = request.endpoint
        if request.persistent_keepalive is not None:
            peer.keepalive = request.persistent_keepalive
        if request.replace_allowed_ips:
            peer.allowed_ips.clear()
        for allowed in request.allowed_ips:
            for other in self.peers.values():
                other.allowed_ips.discard(allowed)
            peer.allowed_ips.add(allowed)

    def observed(self, link: str) -> dict[str, WireGuardPeer]:
        return {
            public: WireGuardPeer(
                link=link,
                public_key=public,
                preshared_key=None if peer.preshared_key == NO_PRESHARED_KEY else peer.preshared_key,
                endpoint=peer.endpoint,
                allowed_ips=prefixes(peer.allowed_ips),
                persistent_keepalive=peer.keepalive,
            )
            for public, peer in self.peers.items()
        }
