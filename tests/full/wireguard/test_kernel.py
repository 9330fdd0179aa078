"""The kernel's WireGuard does what every WireGuard does; and what only it can get wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from intent.resources.wireguard_names import Endpoint, key_bytes, prefixes
from intent.resources.wireguard_netlink import get_body
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_requests import SetPeer
from intent.resources.wireguard_uapi import socket_path
from reconciler.backends.netlink_socket import Message, NetlinkSocket, Refusal
from reconciler.core.backend import Dump
from reconciler.core.errors import BusyError, StaleError
from tests.kernel.wireguard.bed import IMPLEMENTATIONS, Bed, bed, fresh_public, run
from tests.kernel.wireguard.contract import WireGuardContract, agree, many_peers
from tests.leftovers import session_name


@pytest.fixture(name="bed")
def kernel_bed() -> Iterator[Bed]:
    with bed(IMPLEMENTATIONS["kernel"]) as made:
        yield made


class TestKernel(WireGuardContract):
    pass


def test_two_thousand_peers_are_read_whole(bed: Bed) -> None:
    # More take minutes here: an emulated kernel removes fifty peers a second when the link goes.
    peers = many_peers(bed.name(), 2000)
    bed.converge(bed.interface())
    results = bed.wireguard.send([request for peer in peers for request in peer.create()])
    assert set(results) == {None}
    assert bed.peers(bed.name()) == {peer.public_key: peer for peer in peers}
    agree(bed, bed.name())


def test_a_peer_that_the_kernel_splits_is_joined(bed: Bed) -> None:
    # 3,000 allowed IPs do not fit into one message of a dump.
    bed.converge(bed.interface())
    ips = prefixes(f"fd00:{n:x}::/48" for n in range(3000))
    peer = WireGuardPeer(link=bed.name(), public_key=fresh_public(), allowed_ips=ips)
    assert bed.wireguard.send([*many_peers(bed.name(), 1)[0].create(), *peer.create()]) == [None, None]
    dump = bed.wireguard.dump({"wireguard": frozenset({bed.name()})})["wireguard"]
    assert isinstance(dump, Dump)
    assert max(len(row.parts) for row in dump.rows if hasattr(row, "parts")) > 1
    assert bed.peers(bed.name())[peer.public_key].allowed_ips == ips


def test_one_changed_peer_of_many_is_one_message_about_that_peer(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    interface, peers = bed.interface(), many_peers(bed.name(), 600)
    bed.converge([*interface, *peers])
    sent: list[Message] = []
    send = NetlinkSocket.send

    def noted(opened: NetlinkSocket, messages: Sequence[Message]) -> list[Refusal | None]:
        # What sets nothing only asks whether the link is the kernel's.
        sent.extend(message for message in messages if message.payload[4:] != get_body(bed.name()))
        return send(opened, messages)

    monkeypatch.setattr(NetlinkSocket, "send", noted)
    peers[300] = replace(peers[300], allowed_ips=(*peers[300].allowed_ips, "fdff::/16"))
    bed.converge([*interface, *peers])
    (message,) = sent
    assert key_bytes(peers[300].public_key) in message.payload
    # One peer, one prefix, no keys but the one that names it.
    assert len(message.payload) < 150
    assert bed.oracle(bed.name())[1][peers[300].public_key].allowed_ips.endswith("fdff::/16")


def test_an_endpoint_on_a_link_is_written_and_read_with_the_links_name(bed: Bed) -> None:
    run("ip", "link", "add", "mesh0", "type", "dummy")
    peer = WireGuardPeer(
        link=bed.name(),
        public_key=fresh_public(),
        endpoint=Endpoint("fe80::1%mesh0", 51820),
        persistent_keepalive=0,
    )
    bed.converge([*bed.interface(), peer])
    assert bed.peers(bed.name()) == {peer.public_key: peer}
    assert bed.oracle(bed.name())[1][peer.public_key].endpoint == "[fe80::1%mesh0]:51820"


def test_an_endpoint_on_a_link_that_is_not_there_harms_no_other_peer(bed: Bed) -> None:
    bed.converge(bed.interface())
    good, bad = (fresh_public() for _ in range(2))
    results = bed.wireguard.send(
        [
            SetPeer(bed.name(), good),
            SetPeer(bed.name(), bad, endpoint=Endpoint("fe80::1%nowhere", 1)),
        ]
    )
    assert results[0] is None
    assert isinstance(results[1], StaleError)
    assert "nowhere" in str(results[1])
    assert set(bed.peers(bed.name())) == {good}


def test_looks_during_changes_are_whole_or_say_that_they_are_not(bed: Bed) -> None:
    peers = many_peers(bed.name(), 600)
    bed.converge([*bed.interface(), *peers])
    toggled = fresh_public()
    words = f"while :; do wg set {bed.name()} peer {toggled}; wg set {bed.name()} peer {toggled} remove; done"
    changer = subprocess.Popen(["sh", "-c", words])
    whole = 0
    try:
        for _ in range(15):
            dump = bed.wireguard.dump({"wireguard": frozenset({bed.name()})})["wireguard"]
            if isinstance(dump, BusyError):
                continue
            assert isinstance(dump, Dump)
            seen = {p.public_key: p for row in dump.rows if (p := WireGuardPeer.decode(row, dump.context))}
            seen.pop(toggled, None)
            assert seen == {peer.public_key: peer for peer in peers}
            whole += 1
    finally:
        changer.kill()
        changer.wait()
    assert whole > 0


def test_the_implementation_is_changed_there_and_back(bed: Bed) -> None:
    # The socket of wireguard-go is still there for a moment when the kernel's link has its name already.
    kernel, *rest = bed.interface(port=51820)
    userspace = IMPLEMENTATIONS["userspace"](name=bed.name(), mtu=1400)
    peers = many_peers(bed.name(), 20)
    for link in (kernel, userspace, kernel, userspace):
        bed.converge([link, *rest, *peers])
        assert bed.peers(bed.name()) == {peer.public_key: peer for peer in peers}
        agree(bed, bed.name())


def test_a_kernel_interface_is_spoken_to_although_another_namespace_has_a_socket_of_its_name(bed: Bed) -> None:
    desired = [*bed.interface(), *many_peers(bed.name(), 2)]
    other = session_name("other")
    run("ip", "netns", "add", other)
    try:
        run("ip", "netns", "exec", other, "wireguard-go", bed.name())
        assert Path(socket_path(bed.name())).exists()
        bed.converge(desired)
        assert len(bed.peers(bed.name())) == 2
    finally:
        run("ip", "-n", other, "link", "delete", bed.name())
        run("ip", "netns", "delete", other)
