"""The figures of a node at one moment, each kind with a source of its own and kept for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from intent.statistics import Statistics
from reconciler.backends.babel_table import Known
from reconciler.backends.firewall_counters import FirewallCounter
from reconciler.backends.link_counters import LinkFigures
from reconciler.backends.machine_figures import SystemFigures
from reconciler.backends.wireguard_counters import PeerFigures

__all__ = ["BabelFigures", "Figures", "FirewallCounter", "LinkFigures", "PeerFigures", "SystemFigures"]


class BabelFigures(NamedTuple):
    """What is known of babeld. ``known`` is None while there is no fresh knowledge: never show older one as if it were.

    ``version`` rises whenever anything of ``known`` but routes has changed, so that an answer made of it can be kept.
    """

    known: Known | None
    version: int
    following: str
    """``monitor`` or ``dump``: how it is followed now."""
    age_seconds: float
    """How old the knowledge may be: 0 with ``monitor``, the time since the last dump with ``dump``."""
    problem: str
    """Why nothing is known, empty when something is."""
    connected_total: int
    """How many connections there were."""
    lost_total: int
    """How many of them were lost or given up."""
    dumps_total: int
    lines_total: int
    bytes_total: int
    refused_lines_total: int
    """Lines that no babeld writes."""


class Figures(Protocol):
    """Where the answers take their figures from. Every method may be called from any thread, and waits for nothing."""

    @property
    def settings(self) -> Statistics:
        """What the node file asks for."""
        ...

    @property
    def node_id(self) -> str:
        """12 hexadecimal digits, the same for as long as the node's hardware."""
        ...

    def babel(self) -> BabelFigures | None:
        """Return what is known of babeld, None when none is followed."""
        ...

    def links(self) -> Mapping[str, LinkFigures]:
        """Return all interfaces by name."""
        ...

    def addresses(self) -> Mapping[str, tuple[str, ...]]:
        """Return the IP addresses of each interface, without their prefix lengths."""
        ...

    def peers(self) -> tuple[PeerFigures, ...]:
        """Return the peers of the WireGuard interfaces that the settings name."""
        ...

    def firewall(self) -> tuple[FirewallCounter, ...] | None:
        """Return what the firewall of the node file refused, None where it has none."""
        ...

    def system(self) -> SystemFigures:
        """Return the figures of the machine."""
        ...

    def status(self) -> Mapping[str, Any] | None:
        """Return the daemon's status (reconciler.core.status), None where no daemon keeps the node."""
        ...

    def problems(self) -> Mapping[str, str]:
        """Return why figures are missing, by ``babel``, ``links``, ``addresses``, ``peers`` and ``firewall``."""
        ...

    def changes(self) -> int:
        """Return a number that rises with each change of neighbours, interfaces, announcements or status."""
        ...

    def wait(self, after: int, seconds: float) -> int:
        """Wait until `changes` is above ``after`` or the time is over, and return it."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...
