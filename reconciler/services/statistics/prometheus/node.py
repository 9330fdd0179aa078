"""What the node is and should be: its state on both axes, its exits, and who harms the mesh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from intent.offences import Offence
from intent.offers import Cause
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.prometheus.metrics import LEFT_OUT, Part, Sample, counter, gauge

MOST_OFFENDERS = 20
"""So many have series of their own; others can make any number."""
MODES = ("enforce", "report", "suspended")
SYNC = ("synced", "drifted", "unknown")
OBJECTS = ("drifted", "failed", "fought over", "pending", "in conflict")
OFFENCES = tuple(dict.fromkeys(one.kind for one in Offence))
_OFFENDER = ("kind", "router_id", "neighbour", "interface", "prefix", "src_prefix")

INFO = gauge(
    "stellwerk_info",
    "The node: its name, its id of 12 hexadecimal digits, the version of Stellwerk, and what the operator says of it.",
    "node",
    "node_id",
    "version",
    "site",
    "domain",
    "model",
)
IN_SYNC = gauge("stellwerk_sync", "Whether the node is what its node file asks for: 1 for the state it is in.", "state")
IN_SYNC_SINCE = gauge("stellwerk_sync_since_timestamp_seconds", "Since when the state of stellwerk_sync has been so.")
HEALTHY = gauge("stellwerk_healthy", "Whether all works that keeps the node so; 0 is degraded.")
HEALTHY_SINCE = gauge("stellwerk_healthy_since_timestamp_seconds", "Since when stellwerk_healthy has been so.")
REASONS = gauge("stellwerk_degraded_reasons", "How many things make the node degraded; stellwerk status names them.")
MODE = gauge("stellwerk_mode", "What is done about a difference: 1 for the mode the daemon is in.", "mode")
OBJECTS_OFF = gauge(
    "stellwerk_objects", "How many objects are not as they should be, of the 200 that the status names.", "state"
)
OWNED = gauge("stellwerk_owned_objects", "How many objects on the node are Stellwerk's.")
ROUNDS = counter("stellwerk_rounds_total", "How often the node was looked at, since the daemon started.")
CHANGES = counter("stellwerk_changes_total", "How many changes were made to the node, since the daemon started.")
FAILURES = counter("stellwerk_failures_total", "How many changes failed, since the daemon started.")
LAST_ROUND = gauge("stellwerk_last_round_timestamp_seconds", "When the latest round was.")
ROUND_TOOK = gauge("stellwerk_last_round_duration_seconds", "How long the latest round took.")
QUARANTINED = gauge("stellwerk_quarantined_intents", "How many intents were rolled back and are not tried again.")
REFUSED = gauge("stellwerk_intent_refused", "Whether the node file cannot be used, was refused or is in quarantine.")
TRIAL = gauge("stellwerk_trial", "Whether a change is on trial: it is rolled back unless it is confirmed.")
CHECK = gauge("stellwerk_check_passed", "Whether a check passed when it was last made.", "check")
SERVICE_UP = gauge(
    "stellwerk_service_up", "Whether something runs that the node file asks for beside the loop.", "service"
)
EXIT_ANNOUNCED = gauge(
    "stellwerk_exit_announced", "Whether this node is a way out of the mesh for a prefix now.", "exit"
)
EXIT_WITHDRAWN = gauge(
    "stellwerk_exit_withdrawn", "Whether a prefix is withdrawn, for this cause: 1 for the cause.", "exit", "cause"
)
EXIT_SINCE = gauge(
    "stellwerk_exit_since_timestamp_seconds", "Since when a prefix has been announced or withdrawn.", "exit"
)
OFFENDERS = gauge("stellwerk_offenders", "How many announce in the mesh what draws traffic that is not theirs.", "kind")
OFFENDER_REFUSED = gauge(
    "stellwerk_offender_refused", "Whether what an offender announces is refused here.", *_OFFENDER
)
OFFENDER_SINCE = gauge(
    "stellwerk_offender_since_timestamp_seconds", "Since when an offender has been seen here.", *_OFFENDER
)


def read_about(figures: Figures) -> Iterator[Sample]:
    """Yield what the node is."""
    about = figures.settings.about
    yield INFO.is_(
        1,
        figures.settings.node,
        figures.node_id,
        _version(),
        about.site or "",
        about.domain or "",
        about.model or "",
    )


def read_status(figures: Figures) -> Iterator[Sample]:
    """Yield the daemon's status, nothing where no daemon keeps the node."""
    status = figures.status()
    if status is None:
        return
    yield from _axes(status)
    yield from MODE.states(status["mode"]["mode"], MODES)
    states = Counter(one["state"] for one in status["objects"])
    for state in OBJECTS:
        yield OBJECTS_OFF.is_(states[state], state)
    yield OWNED.is_(status["owned"])
    yield ROUNDS.is_(status["rounds"])
    yield from _work(status["work"])
    intent = status["intent"]
    yield QUARANTINED.is_(len(intent["quarantine"]))
    yield REFUSED.is_(intent["problem"] is not None or intent["refused"] is not None)
    yield TRIAL.is_(status["trial"] is not None)
    for check in status["checks"]:
        yield CHECK.is_(check["passed"], check["check"])
    for service in status.get("services", ()):
        yield SERVICE_UP.is_(not service["problem"], service["name"])
    yield from _offenders(status)


def read_exits(figures: Figures) -> Iterator[Sample]:
    """Yield the exits: by the daemon's word, and where there is none by what babeld announces."""
    status = figures.status()
    if status is not None:
        for offer in status["offers"]:
            if offer["kind"] == "exit":
                yield EXIT_ANNOUNCED.is_(offer["state"] == "announced", offer["name"])
                yield EXIT_SINCE.is_(offer["since"], offer["name"])
                yield from EXIT_WITHDRAWN.states(str(offer.get("cause", "")), Cause, offer["name"])
        return
    babel = figures.babel()
    if babel is None or babel.known is None:
        return
    announced = {one.source for one in babel.known.xroutes if one.destination == "::/0"}
    for name in figures.settings.exits:
        yield EXIT_ANNOUNCED.is_(name in announced, name)


@cache
def _version() -> str:
    # It is read from a file.
    return version("stellwerk")


def _axes(status: Mapping[str, Any]) -> Iterator[Sample]:
    sync, health = status["sync"], status["health"]
    yield from IN_SYNC.states(sync["state"], SYNC)
    yield IN_SYNC_SINCE.is_(sync["since"])
    yield HEALTHY.is_(health["state"] == "healthy")
    yield HEALTHY_SINCE.is_(health["since"])
    yield REASONS.is_(len(health["reasons"]))


def _work(work: Mapping[str, Any]) -> Iterator[Sample]:
    yield CHANGES.is_(work["changes"])
    yield FAILURES.is_(work["failures"])
    if (last := work["last_round"]) is not None:
        yield LAST_ROUND.is_(last["time"])
        yield ROUND_TOOK.is_(last["seconds"])


def _offenders(status: Mapping[str, Any]) -> Iterator[Sample]:
    counts: Mapping[str, int] = status["counts"].get("offenders", {})
    for kind in dict.fromkeys((*OFFENCES, *counts)):
        yield OFFENDERS.is_(counts.get(kind, 0), kind)
    shown = status.get("offenders", ())[:MOST_OFFENDERS]
    # The status itself names only the first of many.
    yield LEFT_OUT.is_(max(0, sum(counts.values()) - len(shown)), "offenders")
    for one in shown:
        who = (one["kind"], one["router_id"], one["neighbour"], one["interface"], one["destination"], one["source"])
        yield OFFENDER_REFUSED.is_(one["refused"], *who)
        yield OFFENDER_SINCE.is_(one["since"], *who)


ABOUT = Part("about", (INFO,), read_about)
STATUS = Part(
    "status",
    (
        IN_SYNC,
        IN_SYNC_SINCE,
        HEALTHY,
        HEALTHY_SINCE,
        REASONS,
        MODE,
        OBJECTS_OFF,
        OWNED,
        ROUNDS,
        CHANGES,
        FAILURES,
        LAST_ROUND,
        ROUND_TOOK,
        QUARANTINED,
        REFUSED,
        TRIAL,
        CHECK,
        SERVICE_UP,
        OFFENDERS,
        OFFENDER_REFUSED,
        OFFENDER_SINCE,
        LEFT_OUT,
    ),
    read_status,
)
EXITS = Part("exits", (EXIT_ANNOUNCED, EXIT_WITHDRAWN, EXIT_SINCE), read_exits)
