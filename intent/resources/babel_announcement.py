"""The expectation that babeld announces a route of ours into the mesh (an *xroute* in its dump).

Nothing is sent to make it so: babeld takes the route from the kernel's table when its configuration lets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self

from intent.resources.babel_requests import AwaitXroute
from intent.resources.babel_wire import XrouteRow, daemon_key
from intent.resources.resource import Change, Drain, Key, Request, Resource
from intent.resources.route import Route

SPACE: Final = "babel announcement"


def announcement_key(destination: str, source: str) -> Key:
    """Return the identity of what is announced of these prefixes."""
    return Key(SPACE, (destination, source))


@dataclass(frozen=True, slots=True)
class BabelAnnouncement(Resource):
    """A route that babeld is to announce: the kernel's route ``route_key``, with this destination and source.

    Both are normalised prefixes, as in `intent.resources.route`; no source is ``::/0``.
    ``metric`` (0–65535) is waited for when the announcement is new, unless it is None. It is not compared: it comes
    from babeld's configuration, and whether babeld has that is the daemon's to say. ``shared`` is whether others
    announce the same by right.
    """

    destination: str
    source: str
    socket: str
    route_key: Key | None
    metric: int | None = None
    shared: bool = False

    table: ClassVar[str] = "babel"
    refers_to: ClassVar[frozenset[str] | None] = frozenset({"route", "babeld"})
    partitioned: ClassVar[bool] = True
    inventoried: ClassVar[bool] = True

    @property
    def key(self) -> Key:
        """The destination and the source prefix."""
        return announcement_key(self.destination, self.source)

    def describe(self) -> str:
        """Return what is announced."""
        metric = "" if self.metric is None else f" metric {self.metric}"
        return f"babel announcement {self.destination} from {self.source}{metric}"

    def requires(self) -> tuple[Key, ...]:
        """Return the route and the daemon; nothing for an observed one that is not ours."""
        return () if self.route_key is None else (self.route_key, daemon_key(self.socket))

    def part_of(self) -> Key | None:
        """Return the route: babeld stops announcing what the kernel does not have."""
        return self.route_key

    def partition(self) -> str:
        """Return the socket: no other babeld is spoken to."""
        return self.socket

    def automatic(self) -> bool:
        """Return True: babeld makes it from a route by itself, and makes it again."""
        return True

    def recall(self, remembered: Mapping[str, Any]) -> Self:
        """Return this observed announcement with the route that it is made from."""
        route = remembered.get("route")
        if not route:
            return self
        space, *name = route
        return replace(self, route_key=Key(space, tuple(name)))

    def remember(self, observed: Self | None) -> dict[str, Any] | None:
        """Return the route's key and the socket."""
        route = None if self.route_key is None else [self.route_key.space, *self.route_key.name]
        return {"socket": self.socket, "route": route}

    @classmethod
    def lost(cls, key: Key, remembered: Mapping[str, Any]) -> Self | None:
        """Return the announcement: most babelds do not tell their neighbours that its route is gone."""
        socket, route = remembered.get("socket"), remembered.get("route")
        if key.space != SPACE or not socket or not route:
            return None
        destination, source = map(str, key.name)
        return cls(destination, source, socket, Key(route[0], tuple(route[1:])))

    def retract(self) -> Drain | None:
        """Return what has babeld announce for a moment that the route cannot be used."""
        return None if self.route_key is None else Route.retraction(self.route_key, self.socket)

    @classmethod
    def decode(cls, row: Any, context: Any) -> Self | None:
        """Return the announcement in a row."""
        if not isinstance(row, XrouteRow):
            return None
        return cls(row.destination, row.source, row.socket, None, row.metric)

    def create(self) -> tuple[Request, ...]:
        """Return the request that waits for it."""
        return (AwaitXroute(self.socket, self.destination, self.source, self.metric),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return nothing: no field of an announcement is compared."""
        return ()

    def delete(self) -> tuple[Request, ...]:
        """Return nothing: it goes with the route, and one that is not ours is never touched."""
        return ()
