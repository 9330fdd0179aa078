"""What WireGuard says of its peers, and which of them have roamed; nothing of it tells a key that is secret."""

from __future__ import annotations

import os
import struct
import time
from base64 import b64encode
from contextlib import closing

import pytest

from intent.resources import wireguard_netlink as wire
from intent.resources.netlink import Body, attribute, nested
from intent.resources.wireguard_names import Endpoint
from intent.statistics import WrittenEndpoint
from reconciler.backends.wireguard_counters import (
    Told,
    WireGuardCounters,
    told_by_the_kernel,
    told_by_userspace,
)
from reconciler.backends.written_endpoints import WrittenEndpoints
from reconciler.core.errors import RejectedError

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SECRET = b"\xaa" * 32
LINES = f"""private_key={SECRET.hex()}
listen_port=51820
public_key={KEY.hex()}
preshared_key={SECRET.hex()}
protocol_version=1
endpoint=[2001:db8::3]:51901
last_handshake_time_sec=1767268800
last_handshake_time_nsec=500000000
tx_bytes=148
rx_bytes=9000000000
persistent_keepalive_interval=25
allowed_ip=fd00::/64
public_key={OTHER.hex()}
preshared_key={SECRET.hex()}
protocol_version=1
last_handshake_time_sec=0
last_handshake_time_nsec=0
tx_bytes=0
rx_bytes=0
persistent_keepalive_interval=0
""".encode()

BOTH = [Told(KEY, Endpoint("2001:db8::3", 51901), 1767268800.5, 9_000_000_000, 148), Told(OTHER, None, 0.0, 0, 0)]


def joined(body: Body) -> bytes:
    return b"".join(part for part in body if isinstance(part, bytes))


def kernel_peer(key: bytes, *others: Body) -> Body:
    return nested(0, *(part for body in (attribute(wire.PEER_PUBLIC_KEY, key), *others) for part in body))


def u64(number: int) -> bytes:
    return struct.pack("=Q", number)


def kernel_message(*peers: Body) -> bytes:
    secret = attribute(wire.DEVICE_PRIVATE_KEY, SECRET)
    return joined((*secret, *nested(wire.DEVICE_PEERS, *(part for peer in peers for part in peer))))


SOCKADDR = struct.pack("=H2s4x16sI", 10, (51901).to_bytes(2, "big"), bytes.fromhex("20010db8") + bytes(11) + b"\3", 0)
COUNTED = (
    attribute(wire.PEER_PRESHARED_KEY, SECRET),
    attribute(wire.PEER_ENDPOINT, SOCKADDR),
    attribute(wire.PEER_LAST_HANDSHAKE, struct.pack("=qq", 1767268800, 500_000_000)),
    attribute(wire.PEER_RX_BYTES, u64(9_000_000_000)),
    attribute(wire.PEER_TX_BYTES, u64(148)),
)


def test_the_lines_of_a_userspace_wireguard() -> None:
    assert told_by_userspace(LINES) == BOTH
    assert told_by_userspace(b"private_key=00\n") == []


def test_the_messages_of_the_kernel() -> None:
    never = attribute(wire.PEER_LAST_HANDSHAKE, bytes(16)), attribute(wire.PEER_RX_BYTES, u64(0))
    message = kernel_message(kernel_peer(KEY, *COUNTED), kernel_peer(OTHER, *never))
    assert told_by_the_kernel([message], {}) == BOTH
    assert told_by_the_kernel([joined(attribute(wire.DEVICE_PRIVATE_KEY, SECRET))], {}) == []


def test_a_peer_that_the_kernel_splits_over_messages_is_one() -> None:
    messages = [kernel_message(kernel_peer(KEY, *COUNTED)), kernel_message(kernel_peer(KEY), kernel_peer(OTHER))]
    assert told_by_the_kernel(messages, {}) == BOTH


@pytest.mark.parametrize("lines", [LINES.replace(b"rx_bytes=9", b"rx_bytes=x"), LINES.replace(b"tx_bytes=", b"")])
def test_an_answer_that_is_garbled_is_not_quoted(lines: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    counters = WireGuardCounters(["wg0"])
    monkeypatch.setattr(counters._userspace, "holds", lambda link: True)
    monkeypatch.setattr(counters._kernel, "holds", lambda link: False)
    monkeypatch.setattr(counters._userspace, "lines", lambda link: lines)
    with closing(counters), pytest.raises(RejectedError, match="wg0") as caught:
        counters.look()
    assert SECRET.hex() not in str(caught.value)
    assert caught.value.__suppress_context__


def seen(monkeypatch: pytest.MonkeyPatch, *written: WrittenEndpoint) -> list[bool]:
    """Return which of the peers in the lines have roamed."""
    counters = WireGuardCounters(["wg0"], WrittenEndpoints(written).look)
    monkeypatch.setattr(counters, "_told", lambda interface, names: BOTH)
    with closing(counters):
        return [peer.roamed for peer in counters.look()]


def written(host: str, port: int = 51901, key: bytes = KEY, interface: str = "wg0") -> WrittenEndpoint:
    return WrittenEndpoint(interface=interface, public_key=b64encode(key).decode(), host=host, port=port)


@pytest.mark.parametrize(
    ("where", "roamed"),
    [
        (written("2001:db8::3"), False),
        (written("2001:0DB8:0::3"), False),
        (written("2001:db8::4"), True),
        (written("2001:db8::3", 51902), True),
        (written("198.51.100.7"), True),
        # Of another interface, or of a peer that is reached nowhere, it says nothing.
        (written("2001:db8::4", interface="wg1"), False),
        (written("2001:db8::4", key=OTHER), False),
    ],
)
def test_a_peer_elsewhere_than_written_has_roamed(
    where: WrittenEndpoint, roamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seen(monkeypatch, where) == [roamed, False]


@pytest.mark.parametrize(
    ("addresses", "roamed"),
    [(("198.51.100.7", "2001:db8::3"), False), (("198.51.100.7",), True), ((), False)],
    ids=["one of several", "elsewhere", "not known"],
)
def test_of_a_name_any_address_counts(
    addresses: tuple[str, ...], roamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.backends.names.addresses_of", lambda name: addresses)
    assert seen(monkeypatch, written("gw.example.org")) == [roamed, False]


def test_an_interface_that_is_not_there_has_no_peers() -> None:
    counters = WireGuardCounters([f"absent{os.getpid() % 1000}"])
    assert counters.look() == ()
    counters.close()


def test_five_thousand_peers_are_read_in_less_than_a_second() -> None:
    count, at_once = 5000, 100
    keys = [number.to_bytes(32, "big") for number in range(count)]
    messages = [
        kernel_message(*(kernel_peer(key, *COUNTED) for key in keys[begin : begin + at_once]))
        for begin in range(0, count, at_once)
    ]
    one = LINES.partition(b"public_key=")[2].partition(b"public_key=")[0]
    lines = b"listen_port=1\n" + b"".join(
        b"public_key=" + one.replace(KEY.hex().encode(), k.hex().encode()) for k in keys
    )
    begun = time.process_time()
    assert len(told_by_the_kernel(messages, {})) == count
    between = time.process_time()
    assert len(told_by_userspace(lines)) == count
    assert between - begun < 1
    assert time.process_time() - between < 1
