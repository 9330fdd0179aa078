"""What is kept of a look is as good as another look."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping
from typing import ClassVar

from intent.resources.resource import Request
from intent.resources.wireguard_names import Endpoint
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_rows import TABLE, PeerMemory, WireGuardContext
from reconciler.backends.wireguard_uapi import UserspaceRows
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.desired import Desired
from reconciler.core.diff import diff
from reconciler.core.errors import BackendError
from reconciler.core.inventory import Inventory
from reconciler.core.observe import Observer

KEY = bytes(range(32))
NOW = time.time()
TOLD = "\n".join(
    (
        *(f"private_key={'11' * 32}", "listen_port=51820", f"public_key={KEY.hex()}", f"preshared_key={'00' * 32}"),
        *("protocol_version=1", "endpoint=192.0.2.1:51820", f"last_handshake_time_sec={int(NOW - 5)}"),
        *("last_handshake_time_nsec=0", "tx_bytes=1", "rx_bytes=2", "persistent_keepalive_interval=25"),
        *("allowed_ip=2001:db8::/32", ""),
    )
).encode()


class Interface(Backend):
    tables: ClassVar[frozenset[str]] = frozenset({TABLE})
    requests: ClassVar[tuple[type[Request], ...]] = ()

    def __init__(self) -> None:
        self.memory = PeerMemory()

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        rows = UserspaceRows("wg0", TOLD, NOW - 180)
        return {TABLE: Dump(rows, WireGuardContext(NOW, {}, self.memory), rows.digest)}

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        return []

    def close(self) -> None:
        pass


def peer(address: str) -> WireGuardPeer:
    return WireGuardPeer(
        link="wg0",
        public_key=base64.b64encode(KEY).decode(),
        endpoint=Endpoint(address, 51820),
        endpoint_name="gw.example:51820",
        allowed_ips=("2001:db8::/32",),
        persistent_keepalive=25,
    )


def test_a_working_endpoint_stays_when_its_name_means_another_address() -> None:
    inventory = Inventory({peer("192.0.2.1").key: {"endpoint": "gw.example:51820"}}, {TABLE: frozenset({"wg0"})})
    observer = Observer([Interface()])
    observer.look(Desired([peer("192.0.2.1")]), inventory)
    moved = Desired([peer("192.0.2.9")])
    assert diff(moved, Observer([Interface()]).look(moved, inventory)).empty
    assert diff(moved, observer.look(moved, inventory)).empty
