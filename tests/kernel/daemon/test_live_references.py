"""What a node file refers to changes in the kernel, and the daemon follows at the event."""

from __future__ import annotations

import socket
import struct
import time
from statistics import median

import pytest

from tests.host import Host
from tests.kernel.daemon.running import MESH, Programs, within

FOLLOW_SECONDS = 0.050
ANSWER_SECONDS = 20.0
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_IPV6_ROUTE = 270, 1, 11
RTM_NEWROUTE = 24
EXIT = """
exit:
  allow_special_purpose: true
  prefixes: [{prefix: {delegated: wan, length: 60}, via: {interface: wan, gateway: "fe80::1"}}]
"""


@pytest.mark.alone
def test_another_value_is_in_the_kernel_within_milliseconds(node: Host, start: Programs) -> None:
    daemon = start.synced(node.node_file(MESH + EXIT))
    numbers = iter(range(1, 100))

    def seconds() -> float:
        """Have another prefix delegated, and return how long it takes from the event to the way out of its part."""
        number = next(numbers)
        whole, first = f"2001:db8:{number:x}00::/56", socket.inet_pton(socket.AF_INET6, f"2001:db8:{number:x}00::")
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as opened:
            opened.bind((0, 0))
            opened.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_IPV6_ROUTE)
            opened.settimeout(ANSWER_SECONDS)
            node.namespace.ip("-6", "route", "add", "unreachable", whole, "dev", "lo", "proto", "dhcp")
            begun = _await(opened, first)
            ended = _await(opened, first[:7] + b"\xf0")
        daemon.until_synced()
        node.namespace.ip("-6", "route", "del", "unreachable", whole)
        daemon.until(lambda status: any("is kept" in note for note in status["notes"]), "that it was noticed")
        return ended - begun

    def latency() -> float:
        return median(node.namespace.run(seconds) for _ in range(5))

    print("median seconds to follow", within(latency, FOLLOW_SECONDS))


def _await(opened: socket.socket, part: bytes) -> float:
    """Return when the kernel tells of a new route that has these bytes in it."""
    while True:
        message = opened.recv(1 << 16)
        if struct.unpack_from("=H", message, 4)[0] == RTM_NEWROUTE and part in message:
            return time.monotonic()
