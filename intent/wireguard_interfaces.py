"""What every WireGuard interface has, whatever it is for: keys by file, an implementation, peers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from pydantic import ConfigDict, Field, model_validator

from intent.age_text import AgeText
from intent.feature import Batch
from intent.field_types import wrong
from intent.fields import Endpoint, KeyPath, TrueFalse
from intent.references import (
    AgePresharedKey,
    AgePrivateKey,
    HostAddress,
    KernelLinkKind,
    PresharedKeyFile,
    PrivateKeyFile,
    Reference,
    References,
)
from intent.resources import wireguard_names
from intent.resources.file import KeyFile
from intent.resources.resource import Resource
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_link import UserspaceWireGuardLink, WireGuardLink
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_port import WireGuardPort
from intent.secrets import PresharedKey as SecretPresharedKey
from intent.validation import Model

KERNEL_KIND = KernelLinkKind("wireguard")


_ONE_OF_TWO = ConfigDict(json_schema_extra={"oneOf": [{"required": ["file"]}, {"required": ["age"]}]})


class PrivateKey(Model):
    """Where the private key is."""

    model_config = _ONE_OF_TWO
    words = "a private key"

    file: KeyPath | None = Field(
        default=None,
        description="The absolute path of a file that holds the key, as `wg genkey` prints it. The key itself never "
        "stands in the node file. Either this or `age`.",
        examples=["/etc/stellwerk/keys/wg-mesh"],
    )
    age: AgeText | None = Field(
        default=None,
        description="The key, encrypted with age for this node's identity: an age file in base64, as `stellwerk "
        "render` writes it in place of a path below a fleet's repository, or its absolute path.",
        examples=["/etc/stellwerk/keys/wg-mesh.age"],
    )
    generate: TrueFalse = Field(
        default=False,
        description="Whether to make a new key, in a file of mode 0600, when the `file` does not exist. An existing "
        "file is never changed.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _refuse_other_than_one(self.file, self.age)
        if self.generate and self.age is not None:
            wrong("must not have `generate` with `age`: the key is there already", "leave `generate` out")
        return self

    def reference(self) -> PrivateKeyFile | AgePrivateKey:
        """Return what has to be looked up."""
        return AgePrivateKey(self.age) if self.age is not None else PrivateKeyFile(self.file or "", self.generate)


class PresharedKey(Model):
    """Where the preshared key is."""

    model_config = _ONE_OF_TWO
    words = "a preshared key"

    file: KeyPath | None = Field(
        default=None,
        description="The absolute path of a file that holds the key, as `wg genpsk` prints it; the same key on both "
        "sides. Either this or `age`.",
        examples=["/etc/stellwerk/keys/psk-hamburg-3"],
    )
    age: AgeText | None = Field(
        default=None,
        description="The key, encrypted with age for this node's identity: an age file in base64, or its absolute "
        "path.",
        examples=["/etc/stellwerk/keys/psk-hamburg-3.age"],
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _refuse_other_than_one(self.file, self.age)
        return self

    def reference(self) -> PresharedKeyFile | AgePresharedKey:
        """Return what has to be looked up."""
        return AgePresharedKey(self.age) if self.age is not None else PresharedKeyFile(self.file or "")


def _refuse_other_than_one(file: str | None, age: str | None) -> None:
    if file is None and age is None:
        wrong("needs `file` or `age`", "such as `file: /etc/stellwerk/keys/wg-mesh`")
    if file is not None and age is not None:
        wrong("must have one of `file` and `age`, not both", "leave one of them out")


class PeerWish(NamedTuple):
    """A peer of an interface, as asked for. What is ``None`` is left alone."""

    public_key: str
    preshared_key: PresharedKeyFile | AgePresharedKey | None
    endpoint: Endpoint | None
    allowed_ips: tuple[str, ...]
    persistent_keepalive: int | None

    def references(self) -> Iterator[Reference[Any]]:
        """Yield what has to be looked up before the peer can be made."""
        if self.preshared_key is not None:
            yield self.preshared_key
        if self.endpoint is not None and self.endpoint.is_name:
            yield HostAddress(self.endpoint.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceWish:
    """A WireGuard interface, as asked for. What is ``None`` is left alone. Prefixes are in their one spelling."""

    name: str
    private_key: PrivateKey
    implementation: str
    mtu: int
    listen_port: int | None
    fwmark: int | None
    peers: tuple[PeerWish, ...]

    def references(self) -> Iterator[Reference[Any]]:
        """Yield what has to be looked up before the interface can be made."""
        yield self.private_key.reference()
        if self.implementation == "auto":
            yield KERNEL_KIND
        for peer in self.peers:
            yield from peer.references()

    def resources(self, references: References) -> Iterator[Resource | Batch[Any]]:
        """Yield the link, its key file where the key was made just now, its configuration and its peers.

        No two peers have the same public key.
        """
        auto = self.implementation == "auto"
        kernel = references[KERNEL_KIND] if auto else self.implementation == "kernel"
        link = WireGuardLink if kernel else UserspaceWireGuardLink
        yield link(name=self.name, mtu=self.mtu)
        key = references[self.private_key.reference()]
        if key.generated and self.private_key.file is not None:
            yield KeyFile(self.private_key.file, key.key)
        yield WireGuardDevice(
            link=self.name,
            private_key=key.key,
            fwmark=self.fwmark or 0,
            key_file=self.private_key.file if key.generated else None,
        )
        if self.listen_port is not None:
            yield WireGuardPort(link=self.name, port=self.listen_port)
        name = self.name
        looked_up = tuple(_looked_up(peer, references) for peer in self.peers)
        yield Batch(("WireGuard peers", name), looked_up, lambda peer: _peer(name, peer))


class _LookedUp(NamedTuple):
    """A peer as asked for, with its preshared key and the addresses of the name of its endpoint."""

    wish: PeerWish
    preshared_key: SecretPresharedKey | None = None
    addresses: tuple[str, ...] = ()


def _looked_up(wish: PeerWish, references: References) -> _LookedUp:
    """Return a peer with what it refers to; a name may have no address just now."""
    key, endpoint = wish.preshared_key, wish.endpoint
    named = endpoint is not None and endpoint.is_name
    if key is None and not named:
        return _LookedUp(wish)
    addresses = references[HostAddress(endpoint.host)] if endpoint is not None and named else ()
    return _LookedUp(wish, None if key is None else references[key], addresses)


def _peer(link: str, peer: _LookedUp) -> WireGuardPeer:
    wish = peer.wish
    endpoints = _endpoints(wish.endpoint, peer.addresses)
    allowed_ips = wish.allowed_ips
    return WireGuardPeer(
        link=link,
        public_key=wish.public_key,
        preshared_key=peer.preshared_key,
        endpoint=endpoints[0] if endpoints else None,
        other_endpoints=endpoints[1:],
        endpoint_name=None if wish.endpoint is None else str(wish.endpoint),
        allowed_ips=tuple(sorted(set(allowed_ips))) if len(allowed_ips) > 1 else allowed_ips,
        persistent_keepalive=wish.persistent_keepalive or 0,
    )


def _endpoints(endpoint: Endpoint | None, addresses: tuple[str, ...]) -> tuple[wireguard_names.Endpoint, ...]:
    """Return the endpoint at each of its addresses; none, which leaves it as it is, for a name without one just now."""
    if endpoint is None:
        return ()
    found = addresses if endpoint.is_name else (endpoint.host,)
    return tuple(wireguard_names.endpoint(address, endpoint.port) for address in found)


def generate_conflicts(keys: Iterable[tuple[PrivateKey, int]]) -> Iterator[int]:
    """Yield the numbers of keys whose file is named before with another ``generate``."""
    first: dict[str, bool] = {}
    for key, number in keys:
        if key.file is not None and first.setdefault(key.file, key.generate) != key.generate:
            yield number
