"""The text of the cross-platform protocol: what is written reads back, and junk is refused without being quoted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.resources import wireguard_uapi as wire
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_names import key_text
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_port import WireGuardPort
from intent.resources.wireguard_requests import SetDevice, SetPeer
from intent.resources.wireguard_rows import PortRow, UapiDeviceRow, UapiPeerRow, WireGuardContext
from intent.secrets import PrivateKey
from tests.pure.wireguard.strategies import LINK, peers, ports, raw_keys

CONTEXT = WireGuardContext(now=1000.0, link_names={})


def echoed(operation: bytes) -> bytes:
    """Return the answer of a program that says back what it was told."""
    return operation.removeprefix(b"set=1\n").removesuffix(b"\n") + b"errno=0\n\n"


@given(st.lists(peers, max_size=6, unique_by=lambda peer: peer.public_key))
def test_peers_read_back(desired: list[WireGuardPeer]) -> None:
    requests = [request for peer in desired for request in peer.create() if isinstance(request, SetPeer)]
    lines, code = wire.split_answer(echoed(wire.set_peers(requests)))
    assert code == 0
    device, found = wire.split_peers(lines)
    assert device == b""
    assert [WireGuardPeer.decode(UapiPeerRow(LINK, text), CONTEXT) for text in found] == desired


@given(raw_keys, ports, st.integers(1, 2**32 - 1))
def test_the_device_reads_back(key: bytes, port: int, mark: int) -> None:
    private = PrivateKey(key)
    lines, _ = wire.split_answer(echoed(wire.set_device(SetDevice(LINK, private, port, mark))))
    device, _ = wire.split_peers(lines)
    row = UapiDeviceRow(LINK, device)
    assert WireGuardDevice.decode(row, CONTEXT) == WireGuardDevice(link=LINK, private_key=private, fwmark=mark)
    assert WireGuardPort.decode(PortRow(row), CONTEXT) == WireGuardPort(link=LINK, port=port)


def test_every_word_of_the_protocol_is_spelled_as_written_there() -> None:
    request = SetPeer(
        LINK,
        key_text(bytes(range(32))),
        allowed_ips=("10.0.0.0/8", "::/0"),
        replace_allowed_ips=True,
        persistent_keepalive=25,
        update_only=True,
    )
    assert wire.set_peers([request]).decode() == (
        f"set=1\npublic_key={bytes(range(32)).hex()}\nupdate_only=true\npersistent_keepalive_interval=25\n"
        "replace_allowed_ips=true\nallowed_ip=10.0.0.0/8\nallowed_ip=::/0\n\n"
    )
    assert b"\nremove=true\n" in wire.set_peers([SetPeer(LINK, request.public_key, remove=True)])


def test_a_handshake_has_an_age() -> None:
    text = f"{'ab' * 32}\nlast_handshake_time_sec=940\nlast_handshake_time_nsec=5".encode()
    peer = WireGuardPeer.decode(UapiPeerRow(LINK, text), CONTEXT)
    assert peer is not None
    assert peer.handshake_age == 60.0


def test_an_ipv4_endpoint_mapped_into_ipv6_is_the_same_as_the_ipv4_one() -> None:
    facts = wire.read_peer(f"{'ab' * 32}\nendpoint=[::ffff:192.0.2.1]:5".encode())
    assert str(facts.endpoint) == "192.0.2.1:5"


@pytest.mark.parametrize(
    "answer",
    [b"", b"\n\n", b"errno=0", b"errno=\n\n", b"nonsense\n\n", b"errno=0\nlisten_port=1\n\n", b"private_key=ab"],
)
def test_an_answer_without_its_end_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"errno|int"):
        wire.split_answer(answer)


def test_a_malformed_line_is_not_quoted() -> None:
    with pytest.raises(ValueError, match="a line without =") as caught:
        wire.read_device(b"c0ffee")
    assert "c0ffee" not in str(caught.value)
