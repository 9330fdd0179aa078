"""The figures of a node at one moment, each kind with a source of its own and kept for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from intent.statistics import Statistics
from reconciler.backends.babeld_following import BabelFigures
from reconciler.backends.firewall_counters import FirewallCounter
from reconciler.backends.link_counters import LinkFigures
from reconciler.backends.machine_figures import SystemFigures
from reconciler.backends.wireguard_counters import PeerFigures

__all__ = ["BabelFigures", "Figures", "FirewallCounter", "LinkFigures", "PeerFigures", "SystemFigures"]


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
