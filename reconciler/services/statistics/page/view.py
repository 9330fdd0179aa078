"""What the page says, decided from the figures: values for the templates, without HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from intent.statistics import Statistics
from reconciler.backends.babel_table import Known, Neighbour, Route
from reconciler.core.errors import StellwerkError
from reconciler.services.statistics.figures import BabelFigures, Figures, LinkFigures, PeerFigures, SystemFigures
from reconciler.services.statistics.page.history import History, Rate, heard
from reconciler.services.statistics.page.plots import INFINITY, Plot, plots
from reconciler.services.statistics.page.words import plural
from reconciler.services.statistics.ways_out import ANYWHERE, ANYWHERE_IPV4, Leaving, WayOut, WaysOut

T = TypeVar("T")
MOST_NEIGHBOURS = 100
MOST_ROWS = 100
"""How many rows any other table has."""
STALE_HANDSHAKE_SECONDS = 180.0
"""WireGuard drops a session that was not renewed for so long (REJECT_AFTER_TIME of its paper)."""


class Verdict(NamedTuple):
    """An answer at a glance: ``tone`` is ``good``, ``bad``, ``wait`` or ``plain``; ``term`` is the technical word."""

    question: str
    answer: str
    term: str
    tone: str
    target: str
    """The id of the section that says more."""


class NeighbourRow(NamedTuple):
    """A neighbour, with its plots of cost and of hellos."""

    neighbour: Neighbour
    heard: int
    reachable: bool
    cost: Plot
    hellos: Plot


class LinkRow(NamedTuple):
    """A link, what it is for, how fast its traffic goes, and whether it should be there and is not."""

    name: str
    role: str
    link: LinkFigures | None
    addresses: tuple[str, ...]
    rate: Rate | None


class PeerRow(NamedTuple):
    """A WireGuard peer, and whether its latest handshake is young enough."""

    peer: PeerFigures
    alive: bool


class WayRow(NamedTuple):
    """The way on which traffic of a source prefix leaves, and how many others there are that are not in use."""

    way: WayOut
    family: str
    others: int


@dataclass(frozen=True, slots=True)
class View:
    """All that one drawing of the page says. What could not be had is None, and why is in ``problems``."""

    settings: Statistics
    node_id: str
    title: str
    drawn_at: float
    babel: BabelFigures | None
    known: Known | None
    status: Mapping[str, Any] | None
    system: SystemFigures | None
    verdicts: tuple[Verdict, ...]
    neighbours: tuple[NeighbourRow, ...]
    hidden_neighbours: int
    recorded_seconds: float
    ways: tuple[WayRow, ...]
    links: tuple[LinkRow, ...]
    peers: tuple[PeerRow, ...]
    problems: Mapping[str, str]


class _Asking:
    """Asks for figures; what cannot be had keeps no other from being shown."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}

    def get(self, name: str, ask: Callable[[], T], otherwise: T) -> T:
        try:
            return ask()
        except (StellwerkError, OSError) as exc:
            self.problems[name] = str(exc)
            return otherwise


def view(figures: Figures, leaving: Leaving, history: History, now: float, wall: float) -> View:
    """Return what the page says now, by the clock of the history and by the time of day."""
    asking, settings = _Asking(), figures.settings
    no_links: Mapping[str, LinkFigures] = {}
    no_addresses: Mapping[str, tuple[str, ...]] = {}
    no_peers: tuple[PeerFigures, ...] = ()
    babel = asking.get("babel", figures.babel, None)
    known = None if babel is None else babel.known
    status = asking.get("status", figures.status, None)
    links = asking.get("links", figures.links, no_links)
    addresses = asking.get("addresses", figures.addresses, no_addresses)
    peers = asking.get("wireguard", figures.peers, no_peers)
    ways = asking.get("ways-out", leaving.now, None)
    neighbours = () if known is None else known.neighbours
    since = history.since
    return View(
        settings=settings,
        node_id=figures.node_id,
        title=_title(settings.node, status),
        drawn_at=wall,
        babel=babel,
        known=known,
        status=status,
        system=asking.get("system", figures.system, None),
        verdicts=tuple(_verdicts(status, babel, ways)),
        neighbours=_neighbour_rows(neighbours, history, now),
        hidden_neighbours=max(0, len(neighbours) - MOST_NEIGHBOURS),
        recorded_seconds=0.0 if since is None else now - since,
        ways=_ways(known, ways),
        links=_link_rows(settings, known, links, addresses, history),
        peers=tuple(PeerRow(one, _alive(one)) for one in peers[:MOST_ROWS]),
        problems=asking.problems,
    )


def _alive(peer: PeerFigures) -> bool:
    return peer.handshake_seconds is not None and peer.handshake_seconds < STALE_HANDSHAKE_SECONDS


def _title(node: str, status: Mapping[str, Any] | None) -> str:
    if status is None:
        return node
    health = status["health"]["state"]
    return f"{node}: {status['sync']['state']}" + (f", {health}" if health != "healthy" else "")


def _verdicts(status: Mapping[str, Any] | None, babel: BabelFigures | None, ways: WaysOut | None) -> list[Verdict]:
    found = []
    if status is not None:
        found += [_sync(status), _health(status)]
    if babel is not None:
        found += [_reached(babel), _leaving(status, ways)]
    return found


def _sync(status: Mapping[str, Any]) -> Verdict:
    question, target = "Is it what its file says?", "state"
    sync = status["sync"]
    if status.get("trial") is not None:
        return Verdict(question, "A change is on trial", f"{sync['state']}, on trial", "wait", target)
    if sync["state"] == "synced":
        return Verdict(question, "Yes", "synced", "good", target)
    if sync["state"] == "drifted":
        return Verdict(question, sync["reason"] or "It differs", "drifted", "bad", target)
    return Verdict(question, "Not known", sync["state"], "wait", target)


def _health(status: Mapping[str, Any]) -> Verdict:
    reasons = status["health"]["reasons"]
    if status["health"]["state"] == "healthy":
        return Verdict("Does all of it work?", "Yes", "healthy", "good", "state")
    return Verdict(
        "Does all of it work?",
        "No: 1 thing does not" if len(reasons) == 1 else f"No: {len(reasons)} things do not",
        "degraded",
        "bad",
        "state",
    )


def _reached(babel: BabelFigures) -> Verdict:
    question, target = "Are its neighbours there?", "neighbours"
    if babel.known is None:
        return Verdict(question, "Not known", "no word from babeld", "bad", target)
    count = len(babel.known.neighbours)
    reachable = sum(one.cost < INFINITY for one in babel.known.neighbours)
    if not count:
        return Verdict(question, "There are none", "0 neighbours", "bad", target)
    answer = f"All {count} of them" if reachable == count else f"{reachable} of {count}"
    answer = "Yes, one" if reachable == count == 1 else answer
    tone = "good" if reachable == count else "wait" if reachable else "bad"
    return Verdict(question, answer, f"{plural(reachable, 'neighbour')} reachable", tone, target)


def _leaving(status: Mapping[str, Any] | None, ways: WaysOut | None) -> Verdict:
    question, target = "Is there a way to the Internet?", "ways-out"
    exits = [] if status is None else [one for one in status.get("offers", ()) if one["kind"] == "exit"]
    announced = sum(one["state"] == "announced" for one in exits)
    if announced:
        tone = "good" if announced == len(exits) else "wait"
        answer = "Yes, through this node" if announced == len(exits) else f"Here, by {announced} of {len(exits)} exits"
        return Verdict(question, answer, plural(announced, "exit") + " announced", tone, target)
    if ways is None:
        return Verdict(question, "Not known", "no word from babeld", "bad", target)
    own = [one for one in (ways.ipv6, ways.ipv4) if one is not None]
    if any(one.here for one in own):
        return Verdict(question, "Yes, through this node", "default route announced", "good", target)
    if own:
        return Verdict(question, "Yes, through another node", "default route installed", "good", target)
    return Verdict(question, "None is known", "no default route", "bad", target)


def _neighbour_rows(neighbours: Sequence[Neighbour], history: History, now: float) -> tuple[NeighbourRow, ...]:
    shown = sorted(neighbours, key=lambda one: (one.cost, one.address))[:MOST_NEIGHBOURS]
    return tuple(
        NeighbourRow(one, heard(one), one.cost < INFINITY, *plots(history.trace(one.interface, one.address, now)))
        for one in sorted(shown, key=lambda one: (one.interface, one.address))
    )


def _ways(known: Known | None, leaving: WaysOut | None) -> tuple[WayRow, ...]:
    """Return by which way traffic leaves, for each source prefix that has one of its own."""
    defaults = () if known is None else known.defaults
    rows = [
        WayRow(
            way,
            "IPv4" if way.destination == ANYWHERE_IPV4 else "IPv6",
            sum(not one.installed and is_of(way, one) for one in defaults),
        )
        for way in (() if leaving is None else leaving.ways)
    ]
    return tuple(sorted(rows, key=lambda one: (one.family != "IPv6", not one.way.here, one.way.source))[:MOST_ROWS])


def is_of(way: WayOut, route: Route) -> bool:
    """Return whether a route is to the same, from the same: babeld writes ``::/0`` for any source of IPv4, too."""
    anywhere = (ANYWHERE, ANYWHERE_IPV4)
    same = route.source == way.source or (route.source in anywhere and way.source in anywhere)
    return same and route.destination == way.destination


def _link_rows(
    settings: Statistics,
    known: Known | None,
    links: Mapping[str, LinkFigures],
    addresses: Mapping[str, Sequence[str]],
    history: History,
) -> tuple[LinkRow, ...]:
    mesh = {one.name for one in settings.mesh_interfaces}
    if not mesh and known is not None:
        mesh = {one.name for one in known.interfaces}
    roles = dict.fromkeys(sorted(mesh), "mesh") | {
        name: "tunnel" + (", mesh" if name in mesh else "") for name in sorted(settings.tunnels)
    }
    roles |= {name: "WireGuard" + (", mesh" if name in mesh else "") for name in sorted(settings.wireguard)}
    roles |= {name: "" for name in sorted(links) if name not in roles}
    return tuple(
        LinkRow(name, role, links.get(name), tuple(addresses.get(name, ()))[:8], history.rate(name))
        for name, role in list(roles.items())[:MOST_ROWS]
    )
