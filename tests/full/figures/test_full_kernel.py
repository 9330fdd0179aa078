"""The figures of the kernel's own WireGuard, and of GRE."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from reconciler.backends.link_counters import LinkCounters
from tests.kernel.figures.wireguard_peers import PeersContract
from tests.kernel.wireguard.bed import IMPLEMENTATIONS, Bed, bed, run


@pytest.fixture(name="bed")
def kernel_bed() -> Iterator[Bed]:
    with bed(IMPLEMENTATIONS["kernel"]) as made:
        yield made


class TestKernelWireGuard(PeersContract):
    pass


def test_a_tunnel_counts_what_goes_through_it(bed: Bed) -> None:
    run("ip", "address", "add", "2001:db8:1::1/128", "dev", "lo")
    run("ip", "link", "add", "gre-far", "type", "ip6gre", "local", "2001:db8:1::1", "remote", "2001:db8:1::2")
    run("ip", "address", "add", "fd00:aa::1/64", "dev", "gre-far", "nodad")
    run("ip", "link", "set", "gre-far", "up")
    # Where the other end is, nobody listens: what is sent is counted all the same.
    run("ip", "-6", "route", "add", "2001:db8:1::2", "dev", "lo")
    with closing(LinkCounters()) as counters:
        before = counters.look()["gre-far"]
        assert (before.kind, before.mac, before.up) == ("ip6gre", None, True)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as endpoint:
            for _ in range(10):
                endpoint.sendto(bytes(1000), ("fd00:aa::2", 9))
        after = counters.look()["gre-far"]
    assert after.tx_packets + after.tx_errors + after.tx_dropped >= before.tx_packets + before.tx_errors + 10
    run("ip", "link", "delete", "gre-far")
