"""What the firewall of the node file refused."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.prometheus.metrics import Part, Sample, counter

PACKETS = counter("stellwerk_firewall_refused_packets_total", "Packets that the firewall refused, by why.", "counter")
BYTES = counter("stellwerk_firewall_refused_bytes_total", "Bytes of the packets that the firewall refused.", "counter")


def read(figures: Figures) -> Iterator[Sample]:
    """Yield the counters of the table, nothing where the node file has no firewall."""
    for one in figures.firewall() or ():
        yield PACKETS.is_(one.packets, one.name)
        yield BYTES.is_(one.bytes, one.name)


PART = Part("firewall", (PACKETS, BYTES), read, "firewall")
