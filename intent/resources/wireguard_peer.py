"""A peer of a WireGuard interface (wg(8))."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Self

from intent.resources import link as links
from intent.resources import wireguard_device, wireguard_netlink, wireguard_uapi
from intent.resources.resource import Change, Key, Request, Resource
from intent.resources.wireguard_names import Endpoint, key_text
from intent.resources.wireguard_requests import NO_PRESHARED_KEY, SetPeer
from intent.resources.wireguard_rows import (
    HANDSHAKE_STALE_AFTER_SECONDS,
    PEER_ROWS,
    TABLE,
    NetlinkPeerRow,
    UapiPeerRow,
    WireGuardContext,
)
from intent.secrets import PresharedKey

SPACE = "wireguard peer"
_PREFIXES_SHOWN = 4


def key(link: str, public_key: str) -> Key:
    """Return the key of the peer with that public key, in its one base64 spelling, on that link."""
    return Key(SPACE, (link, public_key))


@dataclass(frozen=True, slots=True, kw_only=True)
class WireGuardPeer(Resource):
    """A peer: who it is, where it is reached, and which addresses are behind it.

    ``public_key``, ``allowed_ips`` and ``endpoint`` are spelled as `wireguard_names` does. No preshared key means
    that there must be none; an endpoint, or a keepalive (seconds, 0 is off), that is ``None`` is unmanaged.
    ``endpoint_name`` is the endpoint as the operator wrote it; on an observed peer the one that was last asked for.
    ``other_endpoints`` are the further addresses of that name: a peer that is reached at one of them is where it should
    be. ``handshake_age`` is in seconds, ``None`` for never, and known of an observed peer only: as it was when the peer
    was read, and since then right in whether it is stale.

    **Allowed IPs** belong to one peer of a link at a time: the kernel takes a prefix away from the peer that has it
    when another one sets it. A peer whose allowed IPs differ is given its whole list, or only what it lacks when it
    has none too many. As the desired lists of two peers have nothing in common (the expansion refuses that), no
    peer takes what another one was given in the same round, so the end is right in every order, also when prefixes
    are swapped. This is why they are not claims: a claim that moves would replace peers, and lose their sessions.
    """

    table: ClassVar[str] = TABLE
    refers_to: ClassVar[frozenset[str] | None] = frozenset({"link", "wireguard"})
    partitioned: ClassVar[bool] = True
    owned_as_part: ClassVar[bool] = True
    compared: ClassVar[tuple[str, ...]] = (
        "endpoint",
        "allowed_ips",
        "preshared_key",
        "persistent_keepalive",
    )

    incidental: ClassVar[frozenset[str]] = frozenset({"persistent_keepalive"})

    link: str
    public_key: str
    preshared_key: PresharedKey | None = None
    endpoint: Endpoint | None = None
    endpoint_name: str | None = field(default=None, compare=False)
    other_endpoints: tuple[Endpoint, ...] = field(default=(), compare=False)
    allowed_ips: tuple[str, ...] = ()
    persistent_keepalive: int | None = None
    handshake_age: float | None = field(default=None, compare=False)

    @property
    def key(self) -> Key:
        """The link's name and the peer's public key."""
        return key(self.link, self.public_key)

    def describe(self) -> str:
        """Return the peer in the words of ``wg set``."""
        words = f"wireguard {self.link} peer {self.public_key}"
        words += "" if self.preshared_key is None else " preshared-key (secret)"
        words += "" if self.endpoint is None else f" endpoint {self.show('endpoint')}"
        words += f" persistent-keepalive {self.persistent_keepalive}" if self.persistent_keepalive else ""
        return words + f" allowed-ips {self.show('allowed_ips')}"

    def requires(self) -> tuple[Key, ...]:
        """Return the interface's configuration: without its key a keepalive would start no handshake."""
        return _configuration(self.link)

    def part_of(self) -> Key | None:
        """Return the link, with which the peer vanishes and whose mark makes it ours."""
        return _whole(self.link)

    def partition(self) -> Hashable:
        """Return the link's name."""
        return self.link

    def is_as(self, earlier: Self) -> bool:
        """Return whether it is the same, its handshake counts as it did, and so do the names of its endpoint."""
        names = (self.endpoint_name, self.other_endpoints) == (earlier.endpoint_name, earlier.other_endpoints)
        return self == earlier and names and self.stale() == earlier.stale()

    def stale(self) -> bool:
        """Return whether this observed peer has had no handshake that still counts."""
        return self.handshake_age is None or self.handshake_age > HANDSHAKE_STALE_AFTER_SECONDS

    def roamed(self, observed: Self) -> bool:
        """Return whether the observed peer is reached elsewhere than written, and that is as it should be."""
        return (
            None not in (self.endpoint, observed.endpoint)
            and observed.endpoint not in (self.endpoint, *self.other_endpoints)
            and "endpoint" not in self.changes(observed)
        )

    def changes(self, observed: Self) -> dict[str, Change]:
        """Return what differs; an endpoint only where the roamed one must not stay."""
        changed = super(WireGuardPeer, self).changes(observed)
        changed.pop("preshared_key", None)
        if _preshared(self) != _preshared(observed):
            changed["preshared_key"] = Change(observed.preshared_key, self.preshared_key)
        if "endpoint" in changed and not self._endpoint_is_due(observed):
            del changed["endpoint"]
        return changed

    def _endpoint_is_due(self, observed: Self) -> bool:
        """Return whether to set the endpoint although WireGuard itself follows a peer that roams."""
        if observed.endpoint in self.other_endpoints:
            return False
        asked_before = observed.endpoint_name
        rewritten = asked_before is not None and asked_before != self.endpoint_name
        return observed.endpoint is None or rewritten or observed.stale()

    def show(self, field: str) -> str:
        """Return a field for people; of a preshared key only whether there is one."""
        if field == "preshared_key":
            return "none" if self.preshared_key is None else "(secret)"
        if field == "endpoint":
            written = self.endpoint_name
            where = "none" if self.endpoint is None else str(self.endpoint)
            return where if written in (None, where) else f"{written} ({where})"
        if field == "allowed_ips":
            shown = ",".join(self.allowed_ips[:_PREFIXES_SHOWN]) or "none"
            more = len(self.allowed_ips) - _PREFIXES_SHOWN
            return shown if more <= 0 else f"{shown} and {more} more"
        return str(getattr(self, field))

    def recall(self, remembered: Mapping[str, Any]) -> Self:
        """Return the peer with the endpoint as it was written when it was last set."""
        # One by one, all fields are copied in a third of the time that `dataclasses.replace` takes.
        return type(self)(
            link=self.link,
            public_key=self.public_key,
            preshared_key=self.preshared_key,
            endpoint=self.endpoint,
            endpoint_name=remembered.get("endpoint"),
            other_endpoints=self.other_endpoints,
            allowed_ips=self.allowed_ips,
            persistent_keepalive=self.persistent_keepalive,
            handshake_age=self.handshake_age,
        )

    def remember(self, observed: Self | None) -> dict[str, Any] | None:
        """Return the endpoint as it is written now, so that rewriting it in the file is noticed."""
        return None if self.endpoint_name is None else {"endpoint": self.endpoint_name}

    @classmethod
    def decode(cls, row: Any, context: WireGuardContext) -> Self | None:
        """Return the peer in a peer row: the one that was read before, where it is as it was then."""
        if not isinstance(row, PEER_ROWS):
            return None
        if row.mark is None:
            return cls._read(row, context)
        known = context.memory.recall(row.mark)
        if isinstance(known, cls):
            return known
        peer = cls._read(row, context)
        if peer.endpoint is None or "%" not in peer.endpoint.address:
            context.memory.keep(row.mark, peer)
        return peer

    @classmethod
    def _read(cls, row: NetlinkPeerRow | UapiPeerRow, context: WireGuardContext) -> Self:
        if isinstance(row, NetlinkPeerRow):
            facts = wireguard_netlink.read_peer(row.parts, context.link_names)
        else:
            facts = wireguard_uapi.read_peer(row.text)
        psk = PresharedKey(facts.preshared_key)
        return cls(
            link=row.link,
            public_key=key_text(facts.public_key),
            preshared_key=None if psk == NO_PRESHARED_KEY else psk,
            endpoint=facts.endpoint,
            allowed_ips=facts.allowed_ips,
            persistent_keepalive=facts.persistent_keepalive,
            handshake_age=max(0.0, context.now - facts.last_handshake) if facts.last_handshake else None,
        )

    def create(self) -> tuple[Request, ...]:
        """Return the request that adds the peer with all that is known of it."""
        return (
            SetPeer(
                self.link,
                self.public_key,
                preshared_key=_preshared(self),
                endpoint=self.endpoint,
                allowed_ips=self.allowed_ips,
                replace_allowed_ips=True,
                persistent_keepalive=self.persistent_keepalive,
            ),
        )

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return the request that sets what differs, without a gap in the allowed IPs where none has to go."""
        lacking: tuple[str, ...] = ()
        surplus = False
        if "allowed_ips" in changes:
            surplus = not set(observed.allowed_ips) <= set(self.allowed_ips)
            has = frozenset(() if surplus else observed.allowed_ips)
            lacking = tuple(prefix for prefix in self.allowed_ips if prefix not in has)
        return (
            SetPeer(
                self.link,
                self.public_key,
                preshared_key=_preshared(self) if "preshared_key" in changes else None,
                endpoint=self.endpoint if "endpoint" in changes else None,
                allowed_ips=lacking,
                replace_allowed_ips=surplus,
                persistent_keepalive=self.persistent_keepalive if "persistent_keepalive" in changes else None,
                update_only=True,
            ),
        )

    def delete(self) -> tuple[Request, ...]:
        """Return the request that removes the peer."""
        return (SetPeer(self.link, self.public_key, remove=True),)


@lru_cache(maxsize=64)
def _configuration(link: str) -> tuple[Key, ...]:
    return (wireguard_device.key(link),)


@lru_cache(maxsize=64)
def _whole(link: str) -> Key:
    return links.key(link)


def _preshared(peer: WireGuardPeer) -> PresharedKey:
    return NO_PRESHARED_KEY if peer.preshared_key is None else peer.preshared_key
