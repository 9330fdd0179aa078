"""The figures of a node as one JSON object: what ``stellwerk stats --json`` prints, described in docs/statistics.md.

Names end in their base unit. What is not known now is left out or ``null``; never is an older value told for it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from intent.statistics import About
from reconciler.backends.babel_table import Known, Neighbour
from reconciler.services.statistics import ways_out
from reconciler.services.statistics.figures import BabelFigures, Figures, LinkFigures, SystemFigures

VERSION = 1
"""Rises when a name goes or changes its meaning; new names come without that."""


def as_json(figures: Figures) -> dict[str, Any]:
    """Return all figures. The same names are there whatever the node has; a part that it has not is ``null``.

    ``services`` are those of the daemon's status; without a daemon, who keeps them fills that in.
    """
    settings, status = figures.settings, figures.status()
    babel = figures.babel()
    return {
        "stellwerk_stats": VERSION,
        "timestamp_seconds": round(time.time(), 3),
        "node": {"name": settings.node, "node_id": figures.node_id, **_about(settings.about)},
        "system": _system(figures.system(), settings.about.model),
        "links": _links(figures),
        "babel": None if babel is None else _babel(babel),
        "ways_out": _ways_out(ways_out.of(figures)),
        "wireguard": _wireguard(figures),
        "firewall": _firewall(figures),
        "services": None if status is None else [dict(one) for one in status.get("services", ())],
        "exits": _exits(figures, babel, status),
        "reconciler": None if status is None else _reconciler(status),
        "offenders": None if status is None else _offenders(status),
        "problems": dict(figures.problems()),
    }


def _about(about: About) -> dict[str, Any]:
    place = about.location
    told = {
        "contact": about.contact,
        "site": about.site,
        "domain": about.domain,
        "latitude_degrees": None if place is None else place.latitude,
        "longitude_degrees": None if place is None else place.longitude,
        "altitude_meters": None if place is None else place.altitude,
    }
    return {name: value for name, value in told.items() if value is not None}


def _system(system: SystemFigures, model: str | None) -> dict[str, Any]:
    told = {
        "load_1m": system.load[0],
        "load_5m": system.load[1],
        "load_15m": system.load[2],
        "uptime_seconds": system.uptime_seconds,
        "idle_seconds": system.idle_seconds,
        **{f"memory_{name}_bytes": value for name, value in system.memory.items()},
        "tasks_total": system.processes_total,
        "tasks_running": system.processes_running,
        **{f"cpu_{name}_ticks": value for name, value in system.cpu.items()},
        "rootfs_usage_ratio": round(system.rootfs_usage, 4),
        "cores": system.cores,
    }
    found = model or system.model
    return told if found is None else {**told, "model": found}


def _links(figures: Figures) -> list[dict[str, Any]]:
    links, addresses = figures.links(), figures.addresses()
    mesh = {one.name for one in figures.settings.mesh_interfaces}
    if figures.settings.respondd is not None:
        mesh |= set(figures.settings.respondd.interfaces)
    babel = figures.babel()
    if babel is not None and babel.known is not None:
        mesh |= {one.name for one in babel.known.interfaces}
    roles = {
        **dict.fromkeys(figures.settings.tunnels, "tunnel"),
        **dict.fromkeys(figures.settings.wireguard, "wireguard"),
        **dict.fromkeys(mesh, "mesh"),
    }
    return [_link(link, roles.get(name), addresses.get(name, ())) for name, link in sorted(links.items())]


def _link(link: LinkFigures, role: str | None, addresses: Iterable[str]) -> dict[str, Any]:
    return {
        "name": link.name,
        "kind": link.kind,
        "role": role,
        "mac": link.mac,
        "up": link.up,
        "addresses": list(addresses),
        "rx_bytes": link.rx_bytes,
        "rx_packets": link.rx_packets,
        "rx_errors": link.rx_errors,
        "rx_dropped": link.rx_dropped,
        "tx_bytes": link.tx_bytes,
        "tx_packets": link.tx_packets,
        "tx_errors": link.tx_errors,
        "tx_dropped": link.tx_dropped,
    }


def _babel(babel: BabelFigures) -> dict[str, Any]:
    told = {
        "following": babel.following,
        "age_seconds": round(babel.age_seconds, 3),
        "problem": babel.problem or None,
        "connected_total": babel.connected_total,
        "lost_total": babel.lost_total,
        "dumps_total": babel.dumps_total,
        "lines_total": babel.lines_total,
        "bytes_total": babel.bytes_total,
        "refused_lines_total": babel.refused_lines_total,
        "known": None if babel.known is None else _known(babel.known),
    }
    return told if babel.known is not None else {name: value for name, value in told.items() if name != "age_seconds"}


def _known(known: Known) -> dict[str, Any]:
    return {
        "version": known.version,
        "router_id": known.router_id,
        "interfaces": [one._asdict() for one in known.interfaces],
        "neighbours": [_neighbour(one) for one in known.neighbours],
        "announced": [one._asdict() for one in known.xroutes],
        "routes": None if known.counts is None else known.counts._asdict(),
        "routers": known.routers,
    }


def _neighbour(one: Neighbour) -> dict[str, Any]:
    told = {
        "address": one.address,
        "interface": one.interface,
        "reach": one.reach,
        "ureach": one.ureach,
        "rxcost": one.rxcost,
        "txcost": one.txcost,
        "cost": one.cost,
    }
    if one.rtt_ms is not None:
        told["rtt_seconds"] = round(one.rtt_ms / 1000, 6)
    if one.rttcost is not None:
        told["rttcost"] = one.rttcost
    return told


def _ways_out(found: ways_out.WaysOut | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "ipv6": None if found.ipv6 is None else found.ipv6._asdict(),
        "ipv4": None if found.ipv4 is None else found.ipv4._asdict(),
        "all": [one._asdict() for one in found.ways],
    }


def _wireguard(figures: Figures) -> list[dict[str, Any]] | None:
    if not figures.settings.wireguard:
        return None
    told = []
    for peer in figures.peers():
        age = peer.handshake_seconds
        told.append({**peer._asdict(), "handshake_seconds": None if age is None else round(age, 3)})
    return told


def _firewall(figures: Figures) -> list[dict[str, Any]] | None:
    found = figures.firewall()
    if found is None:
        return None
    return [{"counter": one.name, "packets_total": one.packets, "bytes_total": one.bytes} for one in found]


def _exits(figures: Figures, babel: BabelFigures | None, status: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the exits by the daemon's word, and without a daemon by what babeld announces."""
    if status is not None:
        offers = [one for one in status["offers"] if one["kind"] == "exit"]
        exits = [_offer(one) for one in offers]
    elif babel is not None and babel.known is not None:
        announced = {one.source for one in babel.known.xroutes if one.destination == ways_out.ANYWHERE}
        names = figures.settings.exits
        exits = [{"name": one, "state": "announced" if one in announced else "not announced"} for one in names]
    else:
        return None
    states = Counter(one["state"] for one in exits)
    return {"announced": states["announced"], "withdrawn": states["withdrawn"], "all": exits}


def _offer(one: Mapping[str, Any]) -> dict[str, Any]:
    names = {"name": "name", "prefix": "prefix", "state": "state", "cause": "cause", "reason": "reason"}
    told = {ours: one[theirs] for ours, theirs in names.items() if one.get(theirs) is not None}
    return told | {"since_timestamp_seconds": one["since"]}


def _reconciler(status: Mapping[str, Any]) -> dict[str, Any]:
    sync, health, intent = status["sync"], status["health"], status["intent"]
    states = Counter(one["state"] for one in status["objects"])
    return {
        "mode": status["mode"]["mode"],
        "sync": sync["state"],
        "sync_since_timestamp_seconds": sync["since"],
        "sync_reason": sync["reason"],
        "health": health["state"],
        "health_since_timestamp_seconds": health["since"],
        "health_reasons": list(health["reasons"]),
        "held": intent["held"],
        "refused": intent["problem"] or intent["refused"],
        "quarantined": len(intent["quarantine"]),
        "on_trial": status["trial"] is not None,
        "objects": dict(sorted(states.items())),
        "objects_owned": status["owned"],
        "checks_passed": sum(bool(one["passed"]) for one in status["checks"]),
        "checks_failed": sum(not one["passed"] for one in status["checks"]),
        "rounds_total": status["rounds"],
        **_work(status),
    }


def _work(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the daemon did since it was started; an older one does not tell."""
    work = status.get("work")
    if work is None:
        return {}
    told = {"changes_total": work["changes"], "failures_total": work["failures"]}
    if (last := work["last_round"]) is not None:
        told |= {"last_round_timestamp_seconds": last["time"], "last_round_duration_seconds": last["seconds"]}
    return told


def _offenders(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return who announces what is not theirs; the names are from the network."""
    shown = []
    for one in status.get("offenders", ()):
        told = {name: value for name, value in one.items() if name != "since"}
        shown.append({**told, "since_timestamp_seconds": one["since"]})
    return {"counts": dict(status["counts"].get("offenders", {})), "all": shown}
