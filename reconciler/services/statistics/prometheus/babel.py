"""What babeld knows: its neighbours, its interfaces, and how many routes it has.

Of routes there are counts, which are ready-made; a series a route only where the settings ask for that. While nothing
fresh is known there is no series of this at all, but ``babel_up``, which is 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from reconciler.backends.babel_table import Known, Neighbour
from reconciler.services.statistics.figures import BabelFigures, Figures
from reconciler.services.statistics.prometheus.metrics import LEFT_OUT, Part, Sample, counter, gauge, limited

MOST_NEIGHBOURS = 300
"""Anybody on a link of the mesh can be any number of them."""
MOST_ROUTES = 20_000
INFINITY = 65535
_HELLOS = 16
_NEIGHBOUR = ("address", "interface")
_ROUTE = ("prefix", "src_prefix", "id", "via", "interface")

UP = gauge("babel_up", "Whether babeld answers and what is known of it is fresh.")
INFO = gauge("babel_info", "The babeld that is followed: its version and its router id.", "version", "my_id")
NEIGHBOURS = gauge("babel_neighbours", "How many neighbours babeld has.")
RXCOST = gauge("babel_neighbour_rxcost", "The cost of receiving from a neighbour, as announced to it.", *_NEIGHBOUR)
TXCOST = gauge("babel_neighbour_txcost", "The cost that a neighbour announces; 65535 is infinite.", *_NEIGHBOUR)
COST = gauge("babel_neighbour_cost", "The cost of the link to a neighbour; 65535 is infinite: unusable.", *_NEIGHBOUR)
REACH = gauge(
    "babel_neighbour_hello_reach", "Which of the last 16 multicast hellos were heard, the latest highest.", *_NEIGHBOUR
)
UREACH = gauge(
    "babel_neighbour_uhello_reach", "Which of the last 16 unicast hellos were heard, the latest highest.", *_NEIGHBOUR
)
REACHABILITY = gauge(
    "babel_neighbour_reachability_ratio",
    "The share of the last 16 hellos of a neighbour that were heard, of the kind of which more were.",
    *_NEIGHBOUR,
)
RTT = gauge("babel_neighbour_rtt_seconds", "The round trip to a neighbour, where babeld measures it.", *_NEIGHBOUR)
RTTCOST = gauge("babel_neighbour_rttcost", "What the round trip adds to the cost, where it is measured.", *_NEIGHBOUR)
INTERFACE_UP = gauge("babel_interface_up", "Whether babeld uses an interface: it is up there.", "interface")
ROUTES = gauge(
    "babel_routes",
    "How many routes there are: those of neighbours, each installed, a fallback or unreachable, and those that this"
    " node announces (origin local).",
    "origin",
    "state",
)
DEFAULTS = gauge(
    "babel_default_routes",
    "How many reachable routes lead out of the mesh, of whatever source prefix.",
    "family",
    "state",
)
ROUTERS = gauge("babel_routers", "How many other nodes announce something that is reachable.")
XROUTE_METRIC = gauge(
    "babel_xroute_metric",
    "The metric that this node announces a route with. Only with routes: true.",
    "prefix",
    "src_prefix",
)
ROUTE_METRIC = gauge(
    "babel_route_metric", "The metric of a route; 65535 is unreachable. Only with routes: true.", *_ROUTE
)
ROUTE_REFMETRIC = gauge(
    "babel_route_refmetric", "The metric that the neighbour announces. Only with routes: true.", *_ROUTE
)
ROUTE_INSTALLED = gauge("babel_route_installed", "Whether a route is in the kernel. Only with routes: true.", *_ROUTE)

MODE = gauge(
    "stellwerk_babeld_following",
    "How babeld is followed now: monitor tells every change at once, dump asks from time to time.",
    "mode",
)
AGE = gauge("stellwerk_babeld_age_seconds", "How old what is known of babeld may be.")
CONNECTED = counter("stellwerk_babeld_connections_total", "Connections that were made to babeld.")
LOST = counter("stellwerk_babeld_connections_lost_total", "Connections to babeld that were lost or given up.")
DUMPS = counter("stellwerk_babeld_dumps_total", "How often babeld was asked for all it knows.")
LINES = counter("stellwerk_babeld_lines_total", "Lines read from babeld.")
BYTES = counter("stellwerk_babeld_received_bytes_total", "Bytes read from babeld.")
REFUSED = counter("stellwerk_babeld_refused_lines_total", "Lines read from babeld that no babeld writes.")


def read(figures: Figures) -> Iterator[Sample]:
    """Yield what babeld knows, and how it is followed."""
    found = figures.babel()
    if found is None:
        return
    yield from _following(found)
    known = found.known
    yield UP.is_(known is not None)
    if known is None:
        return
    yield AGE.is_(found.age_seconds)
    yield INFO.is_(1, known.version, known.router_id)
    yield from _neighbours(known)
    for interface in known.interfaces:
        yield INTERFACE_UP.is_(interface.up, interface.name)
    yield from _counts(known)
    settings = figures.settings.prometheus
    if settings is not None and settings.routes:
        yield from _routes(known)


def _following(found: BabelFigures) -> Iterator[Sample]:
    yield from MODE.states(found.following, ("monitor", "dump"))
    yield CONNECTED.is_(found.connected_total)
    yield LOST.is_(found.lost_total)
    yield DUMPS.is_(found.dumps_total)
    yield LINES.is_(found.lines_total)
    yield BYTES.is_(found.bytes_total)
    yield REFUSED.is_(found.refused_lines_total)


def _neighbours(known: Known) -> Iterator[Sample]:
    yield NEIGHBOURS.is_(len(known.neighbours))
    # The best first: in a flood of strangers those that carry something stay.
    order = sorted(known.neighbours, key=lambda one: (one.cost, one.interface, one.address))
    shown, left_out = limited("neighbours", order, MOST_NEIGHBOURS)
    yield left_out
    for one in shown:
        where = one.address, one.interface
        yield RXCOST.is_(one.rxcost, *where)
        yield TXCOST.is_(one.txcost, *where)
        yield COST.is_(one.cost, *where)
        yield REACH.is_(one.reach, *where)
        yield UREACH.is_(one.ureach, *where)
        yield REACHABILITY.is_(reachability(one), *where)
        if one.rtt_ms is not None:
            yield RTT.is_(one.rtt_ms / 1000, *where)
        if one.rttcost is not None:
            yield RTTCOST.is_(one.rttcost, *where)


def reachability(neighbour: Neighbour) -> float:
    """Return the share of the last hellos that were heard, of multicast or unicast, whichever were more."""
    return max(neighbour.reach.bit_count(), neighbour.ureach.bit_count()) / _HELLOS


def _counts(known: Known) -> Iterator[Sample]:
    if known.counts is not None:
        for state, count in known.counts._asdict().items():
            yield ROUTES.is_(count, "neighbour", state)
    yield ROUTES.is_(len(known.xroutes), "local", "announced")
    if known.routers is not None:
        yield ROUTERS.is_(known.routers)
    defaults = Counter(
        ("ipv6" if ":" in one.destination else "ipv4", "installed" if one.installed else "fallback")
        for one in known.defaults
    )
    for family in ("ipv6", "ipv4"):
        for state in ("installed", "fallback"):
            yield DEFAULTS.is_(defaults[family, state], family, state)


def _routes(known: Known) -> Iterator[Sample]:
    announced, left_out = limited("announcements", known.xroutes, MOST_ROUTES)
    yield left_out
    for xroute in announced:
        yield XROUTE_METRIC.is_(xroute.metric, xroute.destination, xroute.source)
    learned, left_out = limited("routes", known.routes or (), MOST_ROUTES)
    yield left_out
    for one in learned:
        where = one.destination, one.source, one.router_id, one.via, one.interface
        yield ROUTE_METRIC.is_(one.metric, *where)
        yield ROUTE_REFMETRIC.is_(one.refmetric, *where)
        yield ROUTE_INSTALLED.is_(one.installed, *where)


PART = Part(
    "babel",
    (
        UP,
        INFO,
        NEIGHBOURS,
        RXCOST,
        TXCOST,
        COST,
        REACH,
        UREACH,
        REACHABILITY,
        RTT,
        RTTCOST,
        INTERFACE_UP,
        ROUTES,
        DEFAULTS,
        ROUTERS,
        XROUTE_METRIC,
        ROUTE_METRIC,
        ROUTE_REFMETRIC,
        ROUTE_INSTALLED,
        MODE,
        AGE,
        CONNECTED,
        LOST,
        DUMPS,
        LINES,
        BYTES,
        REFUSED,
        LEFT_OUT,
    ),
    read,
)
