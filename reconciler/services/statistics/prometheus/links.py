"""Counters of the interfaces that carry the mesh, and of the WireGuard peers behind them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from intent.statistics import Statistics
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.prometheus.metrics import Part, Sample, counter, gauge

_PEER = ("interface", "public_key")

INFO = gauge(
    "stellwerk_link_info",
    "An interface of the mesh, of WireGuard or of a tunnel; kind is the kernel's, empty for hardware.",
    "interface",
    "kind",
    "mesh",
)
UP = gauge("stellwerk_link_up", "Whether an interface is there, up and has a carrier.", "interface")
COUNTERS = {
    "rx_bytes": counter("stellwerk_link_receive_bytes_total", "Bytes received on an interface.", "interface"),
    "rx_packets": counter("stellwerk_link_receive_packets_total", "Packets received on an interface.", "interface"),
    "rx_errors": counter("stellwerk_link_receive_errors_total", "Errors of receiving on an interface.", "interface"),
    "rx_dropped": counter("stellwerk_link_receive_drops_total", "Received packets that were dropped.", "interface"),
    "tx_bytes": counter("stellwerk_link_transmit_bytes_total", "Bytes sent on an interface.", "interface"),
    "tx_packets": counter("stellwerk_link_transmit_packets_total", "Packets sent on an interface.", "interface"),
    "tx_errors": counter("stellwerk_link_transmit_errors_total", "Errors of sending on an interface.", "interface"),
    "tx_dropped": counter("stellwerk_link_transmit_drops_total", "Packets dropped, not sent.", "interface"),
}

SENT = counter("wireguard_sent_bytes_total", "Bytes sent to a WireGuard peer.", *_PEER)
RECEIVED = counter("wireguard_received_bytes_total", "Bytes received from a WireGuard peer.", *_PEER)
HANDSHAKE = gauge(
    "wireguard_latest_handshake_seconds",
    "When the latest handshake with a WireGuard peer was, in seconds since 1970 by the node's clock; 0 for never.",
    *_PEER,
)
HANDSHAKE_AGE = gauge(
    "stellwerk_wireguard_handshake_age_seconds",
    "How long ago the latest handshake with a WireGuard peer was; no series where there was none.",
    *_PEER,
)
ROAMED = gauge(
    "stellwerk_wireguard_roamed", "Whether a WireGuard peer is at another endpoint than the node file's.", *_PEER
)


def read_links(figures: Figures) -> Iterator[Sample]:
    """Yield the interfaces that the settings name, and those of babeld."""
    links, mesh = figures.links(), _mesh(figures)
    for name in sorted(mesh.union(_named(figures.settings))):
        link = links.get(name)
        yield UP.is_(link is not None and link.up, name)
        if link is None:
            continue
        yield INFO.is_(1, name, link.kind, "true" if name in mesh else "false")
        for field, metric in COUNTERS.items():
            yield metric.is_(getattr(link, field), name)


def read_peers(figures: Figures) -> Iterator[Sample]:
    """Yield the WireGuard peers."""
    now = time.time()
    for peer in figures.peers():
        who = peer.interface, peer.public_key
        yield SENT.is_(peer.tx_bytes, *who)
        yield RECEIVED.is_(peer.rx_bytes, *who)
        yield ROAMED.is_(peer.roamed, *who)
        age = peer.handshake_seconds
        yield HANDSHAKE.is_(0 if age is None else round(now - age), *who)
        if age is not None:
            yield HANDSHAKE_AGE.is_(age, *who)


def _mesh(figures: Figures) -> set[str]:
    found = {one.name for one in figures.settings.mesh_interfaces}
    babel = figures.babel()
    if babel is not None and babel.known is not None:
        found |= {one.name for one in babel.known.interfaces}
    return found


def _named(settings: Statistics) -> tuple[str, ...]:
    return settings.wireguard + settings.tunnels


LINKS = Part("links", (INFO, UP, *COUNTERS.values()), read_links, "links")
PEERS = Part("wireguard", (SENT, RECEIVED, HANDSHAKE, HANDSHAKE_AGE, ROAMED), read_peers, "peers")
