"""Thousands of peers on a node in memory."""

from __future__ import annotations

from dataclasses import replace

from intent.resources import wireguard_netlink as wire
from intent.resources.resource import Resource
from intent.resources.wireguard_device import WireGuardDevice
from intent.resources.wireguard_link import WireGuardLink
from intent.resources.wireguard_names import Endpoint, key_text
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_requests import SetPeer
from intent.secrets import PrivateKey
from reconciler.backends.fake import FakeNode
from reconciler.core.inventory import InventoryInMemory
from reconciler.core.reconcile import apply, look
from tests.pure.wireguard.strategies import LINK

COUNT = 5000


def test_one_changed_peer_of_five_thousand_is_one_message_about_that_peer() -> None:
    fake, store = FakeNode(), InventoryInMemory()
    interface: list[Resource] = [
        WireGuardLink(name=LINK),
        WireGuardDevice(link=LINK, private_key=PrivateKey(b"k" * 32)),
    ]
    peers = [
        WireGuardPeer(
            link=LINK,
            public_key=key_text(number.to_bytes(32)),
            endpoint=Endpoint(f"2001:db8::{number:x}", 51820),
            allowed_ips=(f"fd00:{number:x}::/32",),
            persistent_keepalive=25,
        )
        for number in range(1, COUNT + 1)
    ]

    def converge() -> None:
        desired = [*interface, *peers]
        assert apply(look(desired, [fake], store), desired, [fake], store).remaining.plan.empty

    converge()
    before = len(fake.requests_seen)
    changed = peers[COUNT // 2] = replace(peers[COUNT // 2], persistent_keepalive=60)
    converge()
    requests = fake.requests_seen[before:]
    assert requests == [SetPeer(LINK, changed.public_key, persistent_keepalive=60, update_only=True)]
    assert len(wire.peer_messages(LINK, [one for one in requests if isinstance(one, SetPeer)])) == 1
