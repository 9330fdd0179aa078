"""The netlink spelling: what is written reads back, in as many messages as it takes, and pyroute2 reads it alike."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyroute2.netlink.generic.wireguard import wgmsg  # type: ignore[import-untyped]

from intent.resources import netlink
from intent.resources import wireguard_netlink as wire
from intent.resources.netlink import IndexOf
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_layout import Layout
from intent.resources.wireguard_names import Endpoint, endpoint, key_bytes, key_text, prefix
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_requests import SetDevice, SetPeer
from intent.resources.wireguard_rows import NetlinkDeviceRow, WireGuardContext
from intent.secrets import PresharedKey, PrivateKey
from reconciler.backends.wireguard_netlink import KernelRows
from tests.pure.wireguard.strategies import LINK, endpoints, networks, peers, ports, raw_keys, set_peers

CONTEXT = WireGuardContext(now=1000.0, link_names={7: "mesh0"})


def flat(body: netlink.Body) -> bytes:
    return b"".join(part if isinstance(part, bytes) else struct.pack("=I", 7) for part in body)


def nested(data: bytes) -> dict[int, bytes]:
    return dict(netlink.attributes(data))


def limited(requests: Sequence[SetPeer], limit: int) -> list[wire.SetMessage]:
    """Return the messages as if they had to be that short (bytes)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "MESSAGE_BYTES", limit)
        return wire.peer_messages(LINK, requests)


def carried_peers(message: wire.SetMessage) -> list[dict[int, bytes]]:
    return [nested(peer) for _, peer in netlink.attributes(nested(flat(message.body))[wire.DEVICE_PEERS])]


def dumped(messages: Sequence[wire.SetMessage]) -> list[WireGuardPeer]:
    """Return the peers that a kernel which says back what it was told would show."""
    rows = looked([flat(message.body) for message in messages])
    return [peer for row in rows if (peer := WireGuardPeer.decode(row, CONTEXT))]


def looked(answers: Sequence[bytes]) -> KernelRows:
    return KernelRows(LINK, answers, [Layout.of(answer) for answer in answers], CONTEXT.now)


@given(st.lists(peers, max_size=6, unique_by=lambda peer: peer.public_key), st.sampled_from([500, 900, 4000, 32000]))
def test_peers_read_back_from_as_many_messages_as_it_takes(desired: list[WireGuardPeer], limit: int) -> None:
    requests = [request for peer in desired for request in peer.create()]
    messages = limited(requests, limit)  # type: ignore[arg-type]
    assert all(len(flat(message.body)) <= limit for message in messages)
    assert dumped(messages) == desired


@given(st.lists(set_peers, min_size=1, max_size=8), st.sampled_from([500, 32000]))
def test_every_request_is_carried_in_order_and_its_flags_only_once(requests: list[SetPeer], limit: int) -> None:
    messages = limited(requests, limit)
    order = [position for message in messages for position in message.carries]
    assert order == sorted(order)
    assert set(order) == set(range(len(requests)))
    replaced = [
        peer[wire.PEER_PUBLIC_KEY]
        for message in messages
        for peer in carried_peers(message)
        if netlink.number(peer[wire.PEER_FLAGS]) & wire.FLAG_REPLACE_ALLOWED_IPS
    ]
    assert replaced == [key_bytes(request.public_key) for request in requests if request.replace_allowed_ips]


def test_many_peers_go_out_in_few_messages() -> None:
    requests = [SetPeer(LINK, key_text(n.to_bytes(32, "big")), allowed_ips=(f"fd00:{n:x}::/64",)) for n in range(1000)]
    assert len(wire.peer_messages(LINK, requests)) <= 5


def test_parts_of_a_peer_are_joined_by_key_though_others_lie_between() -> None:
    def peer(number: int, *prefixes: str) -> bytes:
        request = SetPeer(LINK, key_text(bytes([number]) * 32), allowed_ips=prefixes)
        (message,) = wire.peer_messages(LINK, [request])
        return nested(flat(message.body))[wire.DEVICE_PEERS]

    head = flat(netlink.string(wire.DEVICE_IFNAME, LINK))
    messages = [
        head + flat(netlink.nested(wire.DEVICE_PEERS, peer(1, "fd01::/16"))),
        head + flat(netlink.nested(wire.DEVICE_PEERS, peer(1, "fd02::/16"), peer(2, "fd03::/16"))),
        head + flat(netlink.nested(wire.DEVICE_PEERS, peer(1, "fd00::/16"))),
    ]
    found = {
        key_bytes(one.public_key)[0]: one.allowed_ips
        for row in looked(messages)
        if (one := WireGuardPeer.decode(row, CONTEXT))
    }
    assert found == {1: ("fd00::/16", "fd01::/16", "fd02::/16"), 2: ("fd03::/16",)}


@given(networks, st.permutations(range(3)))
@example("fd00:1::/48", [2, 0, 1])
@example("10.0.0.0/8", [2, 0, 1])
def test_an_allowed_ip_is_read_in_whatever_order_its_attributes_come(network: str, order: list[int]) -> None:
    parsed = ipaddress.ip_network(network)
    attributes = (
        netlink.u16(wire.ALLOWED_IP_FAMILY, wire.AF_INET6 if parsed.version == 6 else wire.AF_INET),
        netlink.attribute(wire.ALLOWED_IP_ADDRESS, parsed.network_address.packed),
        netlink.u8(wire.ALLOWED_IP_LENGTH, parsed.prefixlen),
    )
    item = netlink.nested(0, *(part for index in order for part in attributes[index]))
    peer = flat((*netlink.attribute(wire.PEER_PUBLIC_KEY, bytes(32)), *netlink.nested(wire.PEER_ALLOWED_IPS, *item)))
    assert wire.read_peer((peer,), {}).allowed_ips == (network,)


def test_peers_at_addresses_of_a_link_read_back_among_others() -> None:
    wanted = [
        WireGuardPeer(
            link=LINK,
            public_key=key_text(bytes([number]) * 32),
            preshared_key=PresharedKey(b"p" * 32) if number % 2 else None,
            endpoint=Endpoint(address, 51820),
            allowed_ips=(f"fd00:{number}::/32",),
            persistent_keepalive=number,
        )
        for number, address in enumerate(("fe80::1%mesh0", "192.0.2.1", "fe80::2%mesh0", "fe80::3%mesh0"), 1)
    ]
    (message,) = wire.peer_messages(LINK, [one for peer in wanted for one in peer.create()])  # type: ignore[misc]
    assert message.body.count(IndexOf("mesh0")) == 3
    assert dumped([message]) == wanted


@given(raw_keys, ports, st.integers(0, 2**32 - 1))
def test_the_device_reads_back(key: bytes, port: int, mark: int) -> None:
    private = PrivateKey(key)
    message = wire.device_message(SetDevice(LINK, private, port, mark))
    device = wire.without_peers(flat(message.body))
    assert wire.read_device(device).listen_port == port
    assert WireGuardDevice.decode(NetlinkDeviceRow(LINK, device), CONTEXT) == WireGuardDevice(
        link=LINK, private_key=private, fwmark=mark
    )


def test_a_device_without_a_private_key_is_none() -> None:
    device = flat(netlink.string(wire.DEVICE_IFNAME, LINK))
    assert WireGuardDevice.decode(NetlinkDeviceRow(LINK, device), CONTEXT) is None


@given(endpoints)
def test_endpoints_read_back(where: Endpoint) -> None:
    assert wire.read_endpoint(flat(wire.write_endpoint(where)), {}) == where


def test_an_endpoint_on_a_link_waits_for_its_index() -> None:
    where = Endpoint("fe80::1%mesh0", 51820)
    body = wire.write_endpoint(where)
    assert body[-1] == IndexOf("mesh0")
    assert wire.read_endpoint(flat(body), {7: "mesh0"}) == where
    assert wire.read_endpoint(flat(body), {}) == Endpoint("fe80::1%7", 51820)


@given(peers)
@settings(max_examples=30)
def test_pyroute2_reads_the_same(peer: WireGuardPeer) -> None:
    (request,) = peer.create()
    (message,) = wire.peer_messages(LINK, [request])  # type: ignore[list-item]
    body = struct.pack("=BBH", wire.CMD_SET_DEVICE, wire.VERSION, 0) + flat(message.body)
    decoded: Any = wgmsg(struct.pack("=IHHII", 16 + len(body), 30, 5, 1, 0) + body)
    decoded.decode()
    (theirs,) = decoded.get_attr("WGDEVICE_A_PEERS")
    assert decoded.get_attr("WGDEVICE_A_IFNAME") == LINK
    assert theirs.get_attr("WGPEER_A_PUBLIC_KEY").decode() == peer.public_key
    assert theirs.get_attr("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL") == peer.persistent_keepalive
    allowed = theirs.get_attr("WGPEER_A_ALLOWEDIPS") or []
    assert tuple(prefix(item["addr"]) for item in allowed) == peer.allowed_ips
    if peer.endpoint is not None:
        where = theirs.get_attr("WGPEER_A_ENDPOINT")
        assert endpoint(where["addr"], where["port"]) == peer.endpoint
