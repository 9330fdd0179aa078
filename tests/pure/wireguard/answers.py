"""Answers about WireGuard as the kernel and wireguard-go write them, counters and all."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from intent.resources import netlink
from intent.resources import wireguard_netlink as wire
from intent.resources.wireguard_names import key_bytes
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_requests import SetPeer
from tests.pure.wireguard.strategies import LINK, peers, raw_keys


@dataclass(frozen=True)
class Passing:
    """What differs at every look: handshakes in seconds since 1970, 0 for never, and counters in bytes."""

    handshake: int = 0
    nanoseconds: int = 0
    received: int = 0
    sent: int = 0


counters = st.integers(0, 2**64 - 1)
passings = st.builds(Passing, st.integers(0, 2_000), st.integers(0, 10**9 - 1), counters, counters)
answered = st.lists(st.tuples(peers, passings), max_size=5, unique_by=lambda pair: pair[0].public_key)
secrets = raw_keys


def flat(body: netlink.Body) -> bytes:
    return b"".join(part if isinstance(part, bytes) else struct.pack("=I", 7) for part in body)


def messages(
    private_key: bytes,
    told: Sequence[tuple[WireGuardPeer, Passing]],
    prefixes_a_part: int = 3,
    peers_a_message: int = 2,
) -> list[bytes]:
    """Return the messages of a dump in which peers go on in the next one (wg_get_device_dump, get_peer)."""
    parts = [part for peer, passing in told for part in _parts(peer, passing, prefixes_a_part)]
    bunches = [parts[at : at + peers_a_message] for at in range(0, len(parts), peers_a_message)] or [[]]
    device = netlink.string(wire.DEVICE_IFNAME, LINK)
    head = flat(
        (*netlink.attribute(wire.DEVICE_PRIVATE_KEY, private_key), *netlink.u32(wire.DEVICE_FWMARK, 7), *device)
    )
    return [(b"" if at else head) + flat(netlink.nested(wire.DEVICE_PEERS, *bunch)) for at, bunch in enumerate(bunches)]


def _parts(peer: WireGuardPeer, passing: Passing, prefixes_a_part: int) -> list[bytes]:
    ips = peer.allowed_ips
    shares = [ips[at : at + prefixes_a_part] for at in range(0, len(ips), prefixes_a_part)] or [()]
    key = netlink.attribute(wire.PEER_PUBLIC_KEY, key_bytes(peer.public_key))
    found = []
    for number, share in enumerate(shares):
        body = key
        if number == 0:
            body += _once(peer, passing)
        if share:
            body += _allowed_ips(peer, share)
        found.append(flat(netlink.nested(0, *body)))
    return found


def _once(peer: WireGuardPeer, passing: Passing) -> netlink.Body:
    psk = bytes(32) if peer.preshared_key is None else peer.preshared_key.reveal()
    body = netlink.attribute(wire.PEER_PRESHARED_KEY, psk)
    body += netlink.attribute(wire.PEER_LAST_HANDSHAKE, struct.pack("=qq", passing.handshake, passing.nanoseconds))
    body += netlink.u16(wire.PEER_PERSISTENT_KEEPALIVE, peer.persistent_keepalive or 0)
    body += netlink.attribute(wire.PEER_TX_BYTES, struct.pack("=Q", passing.sent))
    # Machines that read numbers only where they are aligned get an empty attribute in front (nla_put_u64_64bit).
    body += netlink.attribute(0)
    body += netlink.attribute(wire.PEER_RX_BYTES, struct.pack("=Q", passing.received))
    if peer.endpoint is not None:
        body += netlink.attribute(wire.PEER_ENDPOINT, *wire.write_endpoint(peer.endpoint))
    return body


def _allowed_ips(peer: WireGuardPeer, share: Sequence[str]) -> netlink.Body:
    (message,) = wire.peer_messages(LINK, [SetPeer(LINK, peer.public_key, allowed_ips=tuple(share))])
    (written,) = netlink.attributes(dict(netlink.attributes(flat(message.body)))[wire.DEVICE_PEERS])
    allowed = dict(netlink.attributes(written[1]))[wire.PEER_ALLOWED_IPS]
    return netlink.nested(wire.PEER_ALLOWED_IPS, allowed)


def lines(told: Sequence[tuple[WireGuardPeer, Passing]]) -> bytes:
    """Return the lines of an answer of wireguard-go."""
    text = f"private_key={'11' * 32}\nlisten_port=5\n"
    for peer, passing in told:
        psk = bytes(32) if peer.preshared_key is None else peer.preshared_key.reveal()
        text += f"public_key={key_bytes(peer.public_key).hex()}\npreshared_key={psk.hex()}\nprotocol_version=1\n"
        text += "" if peer.endpoint is None else f"endpoint={peer.endpoint}\n"
        text += f"last_handshake_time_sec={passing.handshake}\nlast_handshake_time_nsec={passing.nanoseconds}\n"
        text += f"tx_bytes={passing.sent}\nrx_bytes={passing.received}\n"
        text += f"persistent_keepalive_interval={peer.persistent_keepalive or 0}\n"
        text += "".join(f"allowed_ip={prefix}\n" for prefix in peer.allowed_ips)
    return text.encode()
