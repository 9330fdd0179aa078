"""Another program's reading of the same live interface: pyroute2 shares no code with ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pyroute2 import WireGuard  # type: ignore[import-untyped]

from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_names import endpoint, key_bytes, key_text, prefixes
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_port import WireGuardPort
from intent.secrets import PresharedKey
from tests.kernel.wireguard.bed import IMPLEMENTATIONS, Bed, bed, fresh_key, fresh_public
from tests.kernel.wireguard.contract import many_peers

NO_KEY = key_text(bytes(32))


@pytest.fixture(name="bed")
def kernel_bed() -> Iterator[Bed]:
    with bed(IMPLEMENTATIONS["kernel"]) as made:
        yield made


def as_pyroute2_reads(name: str) -> tuple[dict[str, Any], dict[str, WireGuardPeer]]:
    """Return the interface's values and its peers by public key, the parts of each joined."""
    with WireGuard() as other:
        messages = list(other.info(name))
    peers: dict[str, WireGuardPeer] = {}
    for message in messages:
        for part in message.get_attr("WGDEVICE_A_PEERS") or []:
            key = part.get_attr("WGPEER_A_PUBLIC_KEY").decode()
            peers[key] = _joined(peers.get(key), _peer(name, key, part))
    first = messages[0]
    return {
        "private_key": first.get_attr("WGDEVICE_A_PRIVATE_KEY").decode(),
        "port": first.get_attr("WGDEVICE_A_LISTEN_PORT"),
        "fwmark": first.get_attr("WGDEVICE_A_FWMARK"),
    }, peers


def _peer(name: str, key: str, part: Any) -> WireGuardPeer:
    psk = (part.get_attr("WGPEER_A_PRESHARED_KEY") or NO_KEY.encode()).decode()
    where = part.get_attr("WGPEER_A_ENDPOINT")
    return WireGuardPeer(
        link=name,
        public_key=key,
        preshared_key=None if psk == NO_KEY else PresharedKey(key_bytes(psk)),
        endpoint=None if where is None else endpoint(where["addr"], where["port"]),
        allowed_ips=prefixes(item["addr"] for item in part.get_attr("WGPEER_A_ALLOWEDIPS") or []),
        persistent_keepalive=part.get_attr("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL"),
    )


def _joined(begun: WireGuardPeer | None, part: WireGuardPeer) -> WireGuardPeer:
    if begun is None:
        return part
    return replace(begun, allowed_ips=prefixes((*begun.allowed_ips, *part.allowed_ips)))


def test_pyroute2_reads_the_same_peers(bed: Bed) -> None:
    name, key = bed.name(), fresh_key()
    bare = WireGuardPeer(link=name, public_key=fresh_public(), persistent_keepalive=0)
    long = WireGuardPeer(
        link=name,
        public_key=fresh_public(),
        allowed_ips=prefixes(f"fd00:{n:x}::/48" for n in range(0x1000, 0x1800)),
        persistent_keepalive=0,
    )
    many = many_peers(name, 300)
    bed.converge(bed.interface(port=51820, key=key, fwmark=9))
    # The long ones lie between the others, so that peers begin and end anywhere in a message.
    told = [*many[:100], long, *many[100:], bare]
    assert set(bed.wireguard.send([request for peer in told for request in peer.create()])) == {None}
    device, theirs = as_pyroute2_reads(name)
    assert theirs == bed.peers(name)
    assert theirs == {peer.public_key: peer for peer in told}
    dump = bed.look_at(name)
    rows = list(dump.rows)
    assert [WireGuardDevice.decode(row, dump.context) for row in rows[:1]] == [
        WireGuardDevice(link=name, private_key=key, fwmark=device["fwmark"])
    ]
    assert WireGuardPort.decode(rows[1], dump.context) == WireGuardPort(link=name, port=device["port"])
    assert device["private_key"] == key_text(key.reveal())
    assert max(len(row.parts) for row in rows if hasattr(row, "parts")) > 1
