"""The figures of this node: from babeld's one connection, the kernel, and the daemon's status."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

from intent.statistics import Statistics
from reconciler.backends.firewall_counters import FirewallCounter, FirewallCounters
from reconciler.backends.link_counters import LinkAddresses, LinkCounters, LinkFigures
from reconciler.backends.machine_figures import MachineFigures, SystemFigures
from reconciler.backends.wireguard_counters import PeerFigures, WireGuardCounters
from reconciler.backends.written_endpoints import Expected, WrittenEndpoints
from reconciler.services.statistics import node_id
from reconciler.services.statistics.figures import BabelFigures
from reconciler.services.statistics.kept import Kept

LINKS_SECONDS = 1.0
ADDRESSES_SECONDS = 2.0
PEERS_SECONDS = 5.0
SYSTEM_SECONDS = 1.0
FIREWALL_SECONDS = 15.0
NAMES_SECONDS = 300.0
"""For how long the addresses of the names of endpoints count."""
_STATUS_SECONDS = 2.0
"""After how long the thread that waits for another status looks whether anybody still wants it."""
_CLOSE_SECONDS = 1.0
"""How long the end waits for a look that is under way."""

if TYPE_CHECKING:
    from reconciler.backends.babeld_following import Follower


class StatusBoard(Protocol):
    """Where the daemon's status is read; see `reconciler.services.control_server.Board`."""

    def read(self, after: int = -1, seconds: float = 0.0) -> tuple[int, Mapping[str, Any]]:
        """Return the number of a status later than ``after``, and it; the same one when none comes in time."""
        ...


class LiveFigures:
    """Implements `Figures`. What is asked of the kernel is that of the network namespace of the thread that makes it.

    Raises BackendError where the kernel cannot be asked, RejectedError for an address that no babeld has.
    """

    def __init__(self, settings: Statistics, status: StatusBoard | None) -> None:
        with ExitStack() as undone:
            self._open(settings, status, undone)
            undone.pop_all()

    def _open(self, settings: Statistics, status: StatusBoard | None, undone: ExitStack) -> None:
        """Open all sources; ``undone`` closes them where one cannot be opened."""
        self.settings = settings
        self._status = status
        self._links = LinkCounters()
        undone.callback(self._links.close)
        self._addresses = LinkAddresses()
        undone.callback(self._addresses.close)
        written = WrittenEndpoints(settings.endpoints)
        # Name servers may hang.
        self._expected: Kept[Expected] = Kept(written.look, written.fixed, NAMES_SECONDS, apart=True)
        undone.callback(self._expected.close, 0.0)
        self._wireguard = WireGuardCounters(settings.wireguard, self._expected.get)
        undone.callback(self._wireguard.close)
        self._kept_links: Kept[Mapping[str, LinkFigures]] = Kept(self._links.look, {}, LINKS_SECONDS)
        self._kept_addresses: Kept[Mapping[str, tuple[str, ...]]] = Kept(self._addresses.look, {}, ADDRESSES_SECONDS)
        # A userspace WireGuard may hang, and many peers take long.
        self._kept_peers: Kept[tuple[PeerFigures, ...]] = Kept(self._wireguard.look, (), PEERS_SECONDS, apart=True)
        self._firewall = FirewallCounters() if settings.firewall else None
        self._kept_firewall: Kept[tuple[FirewallCounter, ...]] | None = None
        if self._firewall is not None:
            undone.callback(self._firewall.close)
            self._kept_firewall = Kept(self._firewall.look, (), FIREWALL_SECONDS)
        machine = MachineFigures()
        self._kept_system: Kept[SystemFigures] = Kept(machine.look, machine.look(), SYSTEM_SECONDS)
        self._changed = threading.Condition()
        self._closed = False
        self._watcher: threading.Thread | None = None
        self._node_id = settings.about.node_id or node_id.node_id(settings.node, settings.mesh_interfaces, self.links())
        self._follower: Follower | None = None
        if settings.babel is not None:
            # Loaded only where babeld is followed.
            from reconciler.backends.babeld_client import follow

            self._follower = follow(settings.babel, self._tell)

    @property
    def node_id(self) -> str:
        """12 hexadecimal digits: those of the settings, or made once, so that all who ask get the same."""
        return self._node_id

    def babel(self) -> BabelFigures | None:
        """Return what is known of babeld, None when none is followed."""
        return None if self._follower is None else self._follower.state()

    def links(self) -> Mapping[str, LinkFigures]:
        """Return all interfaces by name, none while they cannot be seen."""
        return self._kept_links.get()

    def addresses(self) -> Mapping[str, tuple[str, ...]]:
        """Return the IP addresses of each interface, without their prefix lengths."""
        return self._kept_addresses.get()

    def peers(self) -> tuple[PeerFigures, ...]:
        """Return the peers of the WireGuard interfaces that the settings name."""
        return self._kept_peers.get() if self.settings.wireguard else ()

    def firewall(self) -> tuple[FirewallCounter, ...] | None:
        """Return what the firewall of the node file refused, None where it has none."""
        return None if self._kept_firewall is None else self._kept_firewall.get()

    def system(self) -> SystemFigures:
        """Return the figures of the machine."""
        return self._kept_system.get()

    def status(self) -> Mapping[str, Any] | None:
        """Return the daemon's status, None where no daemon keeps the node, or it has said nothing yet."""
        return None if self._status is None else self._status.read()[1] or None

    def problems(self) -> Mapping[str, str]:
        """Return why figures are missing, by what they are of."""
        babel = self._follower.state() if self._follower is not None else None
        found = {
            "babel": "" if babel is None or babel.known is not None else babel.problem,
            "links": self._kept_links.problem,
            "addresses": self._kept_addresses.problem,
            "peers": self._kept_peers.problem,
            "firewall": "" if self._kept_firewall is None else self._kept_firewall.problem,
        }
        return {name: problem for name, problem in found.items() if problem}

    def changes(self) -> int:
        """Return a number that rises with each change of neighbours, interfaces, announcements or status."""
        babel = 0 if self._follower is None else self._follower.changes
        return babel + (0 if self._status is None else self._status.read()[0])

    def wait(self, after: int, seconds: float) -> int:
        """Wait until `changes` is above ``after``, the time is over, or these figures are closed, and return it."""
        self._watch_status()
        deadline = time.monotonic() + seconds
        with self._changed:
            while (now := self.changes()) <= after and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
        return now

    def close(self) -> None:
        """Give everything back: who waits is woken, and babeld is followed no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._follower is not None:
            self._follower.close()
        self._expected.close(0.0)
        for kept, source in (
            (self._kept_links, self._links),
            (self._kept_addresses, self._addresses),
            (self._kept_peers, self._wireguard),
            (self._kept_firewall, self._firewall),
        ):
            # What hangs keeps its socket until it ends with the process.
            if kept is not None and source is not None and kept.close(_CLOSE_SECONDS):
                source.close()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _watch_status(self) -> None:
        """Have a thread wait for another status: who waits for a change waits for babeld's, too."""
        with self._changed:
            if self._status is None or self._watcher is not None or self._closed:
                return
            watcher = threading.Thread(target=self._follow_status, name="statistics status", daemon=True)
            watcher.start()
            self._watcher = watcher

    def _follow_status(self) -> None:
        seen = -1
        while self._status is not None and not self._closed:
            number, _ = self._status.read(seen, _STATUS_SECONDS)
            if number != seen:
                seen = number
                self._tell()
