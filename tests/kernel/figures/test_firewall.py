"""The counters of the firewall, by a real kernel's nftables."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from intent.statistics import Statistics
from reconciler.backends.firewall_counters import FirewallCounter, FirewallCounters
from reconciler.services.statistics.as_json import as_json
from reconciler.services.statistics.live_figures import LiveFigures
from tests.namespaces import Namespace

RULES = """
table inet other {
    counter spoofed_in {
        packets 7 bytes 7
    }
}
table ip stellwerk {
    counter spoofed_in {
        packets 8 bytes 8
    }
}
table inet stellwerk {
    counter spoofed_in {
        packets 0 bytes 0
    }
    counter spoofed_out {
        packets 3 bytes 300
    }
    chain in {
        type filter hook input priority 0;
        udp dport 9 counter name spoofed_in drop;
    }
}
"""
PACKETS, PAYLOAD_BYTES, HEADERS_BYTES = 5, 100, 48


@pytest.fixture
def here() -> Iterator[Namespace]:
    with closing(Namespace()) as made:
        yield made


def test_what_is_refused_is_counted(here: Namespace) -> None:
    with closing(here.run(FirewallCounters)) as counters:
        assert counters.look() == ()
        here.program("nft", RULES)
        out = FirewallCounter("spoofed_out", 3, 300)
        assert counters.look() == (FirewallCounter("spoofed_in", 0, 0), out)

        def send() -> None:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as endpoint:
                for _ in range(PACKETS):
                    endpoint.sendto(bytes(PAYLOAD_BYTES), ("::1", 9))

        here.run(send)
        counted = FirewallCounter("spoofed_in", PACKETS, PACKETS * (PAYLOAD_BYTES + HEADERS_BYTES))
        # To look does not begin the count anew.
        assert [counters.look(), counters.look()] == [(counted, out)] * 2
        here.program("nft", "delete table inet stellwerk")
        assert counters.look() == ()


def test_they_are_among_the_figures_where_the_node_file_has_a_firewall(here: Namespace) -> None:
    here.program("nft", RULES)
    with closing(here.run(lambda: LiveFigures(Statistics(node="a", firewall=True), None))) as figures:
        assert as_json(figures)["firewall"] == [
            {"counter": "spoofed_in", "packets_total": 0, "bytes_total": 0},
            {"counter": "spoofed_out", "packets_total": 3, "bytes_total": 300},
        ]
    with closing(here.run(lambda: LiveFigures(Statistics(node="a"), None))) as figures:
        assert as_json(figures)["firewall"] is None
