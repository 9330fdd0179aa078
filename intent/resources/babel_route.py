"""A route of somebody else, learned by babel, that touches what this node announces; observed and never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from intent.offences import Offence, Prefixes, Touch
from intent.refusals import REFUSAL_METRIC
from intent.resources.babel_announcement import BabelAnnouncement, announcement_key
from intent.resources.babel_daemon import BabelDaemon
from intent.resources.babel_wire import INFINITY, RouteRow, daemon_key
from intent.resources.resource import Change, Key, Notice, Request, Resource
from intent.resources.route import ANYWHERE, Route, route_key


@dataclass(frozen=True, slots=True)
class BabelRoute(Resource):
    """What one router announces of a pair of prefixes, by the way on which babeld has it from there.

    ``neighbour`` is the link-local address of who passed it on, ``interface`` where, ``installed`` whether babeld uses
    it, ``touch`` what it does to us. All of it is what others say.
    """

    destination: str
    source: str
    router_id: str
    neighbour: str
    interface: str
    metric: int
    installed: bool
    touch: Touch
    socket: str

    table: ClassVar[str] = "babel"
    refers_to: ClassVar[frozenset[str] | None] = frozenset()
    partitioned: ClassVar[bool] = True
    noticed: ClassVar[str | None] = "offenders"

    @property
    def key(self) -> Key:
        """The prefixes, and who announces them: the way on which they come may change."""
        return Key("babel route", (self.destination, self.source, self.router_id))

    def describe(self) -> str:
        """Return what is announced, and by whom."""
        return f"babel route {self.destination} from {self.source} of router {self.router_id}"

    def partition(self) -> str:
        """Return the socket: no other babeld is spoken to."""
        return self.socket

    def automatic(self) -> bool:
        """Return True: babeld has it from others."""
        return True

    def notice(self, desired: Mapping[Key, Resource], observed: Mapping[Key, Resource]) -> Notice | None:
        """Return who does what to us and whether it is refused.

        ``None`` for an exit that is shared, or that is about to be withdrawn here, which is nothing to us any more.
        """
        if self._is_shared(desired) or self._is_of_the_past(desired):
            return None
        refused = self._is_refused(desired, observed)
        offence = self.touch.offence
        if refused:
            words = "refused here"
        elif offence is Offence.AROUND:
            words = "the longer prefix wins, and that is ours"
        elif offence is Offence.CLIENTS:
            words = "it draws our clients' traffic away: write the exit prefixes of this mesh into `mesh.exits`"
        else:
            words = "it draws our traffic away"
        return Notice(
            event="offender",
            words=f"{self._words()} is announced by router {self.router_id}, learned from {self.neighbour} on "
            f"{self.interface}",
            state=words,
            harmful=not refused and offence is not Offence.AROUND,
            facts={
                "kind": offence.kind,
                "destination": self.destination,
                "source": self.source,
                "router_id": self.router_id,
                "neighbour": self.neighbour,
                "interface": self.interface,
                "metric": self.metric,
                "refused": refused,
            },
        )

    def _words(self) -> str:
        offence, ours = self.touch
        if offence is Offence.DEFAULT or ours is None:
            as_good = "" if self.destination == "::/0" else f"a route to {self.destination}, as good as "
            return as_good + "a default route without `from`" + ("," if as_good else "")
        what = "a default route" if self.destination == "::/0" else f"a route to {self.destination}"
        what += "" if self.source == "::/0" else f" from {self.source}"
        if offence is Offence.NETWORK:
            same = ours.destination == self.destination
            return what + (", which we announce," if same else f", inside our {ours.destination},")
        if offence is Offence.PART:
            return f"{what}, inside the exit prefix {ours.source} of this mesh,"
        if offence is Offence.CLIENTS:
            return f"{what}, inside our network {ours.destination},"
        if offence is Offence.AROUND:
            return f"{what}, around our exit for {ours.source},"
        return what + (", our own exit," if ours.source == self.source else f", inside our exit for {ours.source},")

    def _is_shared(self, desired: Mapping[Key, Resource]) -> bool:
        if self.touch.ours != (self.destination, self.source):
            return False
        ours = desired.get(announcement_key(self.destination, self.source))
        return isinstance(ours, BabelAnnouncement) and ours.shared

    def _is_of_the_past(self, desired: Mapping[Key, Resource]) -> bool:
        """Return whether it touches a way out that is announced still and not to be any more."""
        offence, ours = self.touch
        if offence is Offence.PART:
            return False
        return ours is not None and ours.destination == ANYWHERE and announcement_key(*ours) not in desired

    def _is_refused(self, desired: Mapping[Key, Resource], observed: Mapping[Key, Resource]) -> bool:
        """Return whether the kernel has a way of ours for all that this route would take."""
        if self.touch.offence in (Offence.DEFAULT, Offence.PART, Offence.CLIENTS):
            # babeld's filters.
            return not self.installed
        if self.touch.offence is Offence.AROUND:
            return False
        if self.touch.ours == (self.destination, self.source):
            # What is announced is in the kernel, where babeld has it from, and preferred to what babeld installs.
            return True
        daemon = desired.get(daemon_key(self.socket))
        if not isinstance(daemon, BabelDaemon) or daemon.routing_table is None:
            return False
        there = observed.get(route_key(daemon.routing_table, self.destination, self.source, REFUSAL_METRIC))
        return isinstance(there, Route) and there.owned()

    @classmethod
    def decode(cls, row: Any, context: Any) -> Self | None:
        """Return the route in a row, ``None`` for one that is announced no more and only kept as unreachable."""
        if not isinstance(row, RouteRow) or row.metric >= INFINITY:
            return None
        return cls(
            destination=row.destination,
            source=row.source,
            router_id=row.router_id,
            neighbour=row.neighbour,
            interface=row.interface,
            metric=row.metric,
            installed=row.installed,
            touch=row.touch,
            socket=row.socket,
        )

    def prefixes(self) -> Prefixes:
        """Return the destination and the source."""
        return Prefixes(self.destination, self.source)

    def create(self) -> tuple[Request, ...]:
        """Return nothing: it is others who announce it."""
        return ()

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return nothing: it is others who announce it."""
        return ()

    def delete(self) -> tuple[Request, ...]:
        """Return nothing: it is never ours."""
        return ()
