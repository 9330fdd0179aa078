"""The changes to a WireGuard interface, in the words of wg(8), for the kernel and for userspace alike."""

from __future__ import annotations

from dataclasses import dataclass

from intent.resources.resource import Request
from intent.resources.wireguard_names import Endpoint
from intent.secrets import PresharedKey, Secret

NO_PRIVATE_KEY = Secret(bytes(32))
"""Removes the private key of an interface."""
NO_PRESHARED_KEY = PresharedKey(bytes(32))
"""Removes the preshared key of a peer."""


@dataclass(frozen=True, slots=True)
class SetDevice(Request):
    """Configure an interface; ``None`` leaves a value as it is. Port 0 is a random one, fwmark 0 is none."""

    link: str
    private_key: Secret | None = None
    listen_port: int | None = None
    fwmark: int | None = None


@dataclass(frozen=True, slots=True)
class SetPeer(Request):
    """Add, change or remove one peer, by its public key in base64; ``None`` leaves a value as it is.

    ``allowed_ips`` are added, and taken from the peer of the same link that has them; with
    ``replace_allowed_ips`` the peer has no others afterwards. With ``update_only`` a peer that is not there is not
    added. Keepalive is in seconds, 0 is off. Doing it twice is the same as doing it once.
    """

    link: str
    public_key: str
    remove: bool = False
    preshared_key: PresharedKey | None = None
    endpoint: Endpoint | None = None
    allowed_ips: tuple[str, ...] = ()
    replace_allowed_ips: bool = False
    persistent_keepalive: int | None = None
    update_only: bool = False
