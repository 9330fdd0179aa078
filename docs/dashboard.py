"""The dashboard for Grafana, in the JSON model that Grafana imports (schema version 39: Grafana 11 and later).

``python -m docs.dashboard`` writes it to ``docs/prometheus/dashboard.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "prometheus" / "dashboard.json"
Json = dict[str, Any]

WIDTH = 24
"""How many columns Grafana's grid has."""
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_OF_NODE = 'instance=~"$node"'
_UP_DOWN = {0: ("down", "red"), 1: ("up", "green")}
_YES_NO = {0: ("no", "red"), 1: ("yes", "green")}
_ANNOUNCED = {0: ("withdrawn", "red"), 1: ("announced", "green")}
_GOOD_LOW = {"mode": "absolute", "steps": [{"color": "green", "value": None}, {"color": "red", "value": 1}]}
_GOOD_HIGH = {"mode": "absolute", "steps": [{"color": "red", "value": None}, {"color": "green", "value": 1}]}
_PLAIN = {"mode": "absolute", "steps": [{"color": "text", "value": None}]}


def of(metric: str, *matchers: str) -> str:
    """Return a selector of a metric, of the nodes that are chosen."""
    return f"{metric}{{{', '.join((_OF_NODE, *matchers))}}}"


def rate(metric: str, *matchers: str) -> str:
    """Return how fast a counter rises, in a second."""
    return f"rate({of(metric, *matchers)}[$__rate_interval])"


def rows() -> Iterator[tuple[str, list[Json]]]:
    """Yield the title of each row and its panels, without their places."""
    yield "Is all well?", list(_well())
    yield "Neighbours", list(_neighbours())
    yield "Exits", list(_exits())
    yield "Links and tunnels", list(_links())
    yield "babeld and Stellwerk", list(_babeld())
    yield "The machine", list(_machine())


def _well() -> Iterator[Json]:
    yield stat("Nodes that answer", "Of those that Prometheus scrapes.", 'count(up{job="stellwerk"} == 1) or vector(0)')
    yield stat("Nodes that do not", "", 'count(up{job="stellwerk"} == 0) or vector(0)', good=_GOOD_LOW)
    drifted = of("stellwerk_sync", 'state="drifted"')
    yield stat("Nodes that drifted", "They are not what their node file says.", f"sum({drifted})", good=_GOOD_LOW)
    yield stat("Degraded nodes", "`stellwerk status` says why.", f"sum(1 - {of('stellwerk_healthy')})", good=_GOOD_LOW)
    withdrawn = of("stellwerk_exit_withdrawn", 'cause!="drained"')
    yield stat("Exits withdrawn", "Without those that are drained.", f"sum({withdrawn})", good=_GOOD_LOW)
    offenders = of("stellwerk_offenders", 'kind!="around"')
    yield stat("Offenders", "They announce what is not theirs.", f"sum({offenders})", good=_GOOD_LOW)
    yield table("Alerts that fire", "", {"Alert": 'ALERTS{alertstate="firing", instance=~"$node|"}'}, width=24)
    yield timeline("In sync", "", of("stellwerk_sync", 'state="synced"'), "{{instance}}", _YES_NO)
    yield timeline("Healthy", "", of("stellwerk_healthy"), "{{instance}}", _YES_NO)
    yield plot(
        "Objects that are not as they should be",
        "Drift, failures, conflicts with what is not Stellwerk's.",
        {"{{instance}} {{state}}": f"{of('stellwerk_objects')} > 0"},
    )
    yield timeline(
        "Node file", "Whether it is carried out.", f"1 - {of('stellwerk_intent_refused')}", "{{instance}}", _YES_NO
    )


def _neighbours() -> Iterator[Json]:
    columns = {
        "Cost": "cost",
        "rxcost": "rxcost",
        "txcost": "txcost",
        "Reachability": "reachability_ratio",
        "RTT (s)": "rtt_seconds",
    }
    yield table(
        "Neighbours now",
        "A cost of 65535 is infinite.",
        {title: of(f"babel_neighbour_{name}") for title, name in columns.items()},
        width=24,
    )
    which = "{{instance}} {{address}} {{interface}}"
    yield plot("Cost", "", {which: f"{of('babel_neighbour_cost')} < 65535"})
    yield plot(
        "Reachability", "Of the last 16 hellos.", {which: of("babel_neighbour_reachability_ratio")}, "percentunit"
    )
    yield plot("Round trip", "Where babeld measures it.", {which: of("babel_neighbour_rtt_seconds")}, "s")
    yield plot("Neighbours", "", {"{{instance}}": of("babel_neighbours")})


def _exits() -> Iterator[Json]:
    yield timeline("Exits", "", of("stellwerk_exit_announced"), "{{instance}} {{exit}}", _ANNOUNCED)
    yield plot("Why withdrawn", "", {"{{instance}} {{exit}}: {{cause}}": f"{of('stellwerk_exit_withdrawn')} == 1"})
    yield plot(
        "Ways out that others offer",
        "Default routes, by whether they are in use.",
        {"{{instance}} {{family}} {{state}}": of("babel_default_routes")},
    )
    yield table(
        "Offenders",
        "Who announces what is not theirs; 1 is refused here.",
        {"Refused": of("stellwerk_offender_refused")},
    )


def _links() -> Iterator[Json]:
    which, peer = "{{instance}} {{interface}}", "{{instance}} {{interface}} {{public_key}}"
    yield plot("Received", "", {which: f"8 * {rate('stellwerk_link_receive_bytes_total')}"}, "bps")
    yield plot("Sent", "", {which: f"8 * {rate('stellwerk_link_transmit_bytes_total')}"}, "bps")
    yield timeline("Links", "", of("stellwerk_link_up"), which, _UP_DOWN)
    yield plot(
        "Errors and drops",
        "",
        {
            f"{which} {words}": f"{rate(f'stellwerk_link_{name}_total')} > 0"
            for words, name in (
                ("receive errors", "receive_errors"),
                ("received, dropped", "receive_drops"),
                ("send errors", "transmit_errors"),
                ("dropped, not sent", "transmit_drops"),
            )
        },
        "pps",
    )
    yield plot("WireGuard: since the last handshake", "", {peer: of("stellwerk_wireguard_handshake_age_seconds")}, "s")
    yield plot(
        "WireGuard: traffic of peers",
        "Received above, sent below.",
        {
            f"{peer} received": f"8 * {rate('wireguard_received_bytes_total')}",
            f"{peer} sent": f"-8 * {rate('wireguard_sent_bytes_total')}",
        },
        "bps",
    )
    refused = rate("stellwerk_firewall_refused_packets_total")
    yield plot("Refused by the firewall", "", {"{{instance}} {{counter}}": refused}, "pps")
    yield table("WireGuard: peers that roamed", "", {"Roamed": f"{of('stellwerk_wireguard_roamed')} == 1"})


def _babeld() -> Iterator[Json]:
    each = "{{instance}}"
    yield timeline("babeld", "", of("babel_up"), each, _UP_DOWN)
    yield plot("Routes", "", {"{{instance}} {{origin}} {{state}}": of("babel_routes")})
    yield plot("Other nodes that announce something", "", {each: of("babel_routers")})
    yield plot("Lines read from babeld", "", {each: rate("stellwerk_babeld_lines_total")}, "cps")
    yield plot(
        "Age of what is known",
        "0 while babeld tells each change at once.",
        {each: of("stellwerk_babeld_age_seconds")},
        "s",
    )
    lost = of("stellwerk_babeld_connections_lost_total")
    yield plot("Connections to babeld lost", "In an hour.", {each: f"increase({lost}[1h])"})
    yield plot("Memory of Stellwerk", "", {each: of("process_resident_memory_bytes", 'job="stellwerk"')}, "bytes")
    yield plot("CPU of Stellwerk", "", {each: rate("process_cpu_seconds_total", 'job="stellwerk"')}, "percentunit")
    yield plot(
        "Rounds and scrapes",
        "",
        {
            "{{instance}} rounds": rate("stellwerk_rounds_total"),
            "{{instance}} scrapes": rate("stellwerk_scrapes_total"),
        },
        "cps",
    )
    yield timeline("Services", "", of("stellwerk_service_up"), "{{instance}} {{service}}", _UP_DOWN)


def _machine() -> Iterator[Json]:
    each = "{{instance}}"
    yield plot(
        "Load",
        "Over 5 minutes, by processor.",
        {each: f"{of('stellwerk_machine_load5')} / {of('stellwerk_machine_cores')}"},
    )
    cpu = rate("stellwerk_machine_cpu_seconds_total", 'mode!~"idle|iowait"')
    busy = f"sum by (instance) ({cpu})"
    yield plot(
        "CPU", "Of all processors.", {each: f"{busy} / on (instance) {of('stellwerk_machine_cores')}"}, "percentunit"
    )
    yield plot("Memory available", "", {each: of("stellwerk_machine_memory_bytes", 'kind="available"')}, "bytes")
    yield plot("Root file system used", "", {each: of("stellwerk_machine_rootfs_used_ratio")}, "percentunit")
    yield plot("Up for", "", {each: of("stellwerk_machine_uptime_seconds")}, "s")
    yield plot("Processes", "", {each: of("stellwerk_machine_processes")})


def stat(title: str, words: str, query: str, *, good: Json = _PLAIN) -> Json:
    """Return a panel with one number."""
    return {
        **_panel("stat", title, words, 4, 4),
        "targets": [_target("A", query, "", instant=True)],
        "fieldConfig": {"defaults": {"thresholds": good, "color": {"mode": "thresholds"}}, "overrides": []},
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background",
        },
    }


def plot(title: str, words: str, queries: dict[str, str], unit: str = "short") -> Json:
    """Return a panel with a line for each series. ``queries`` are by how their series are named."""
    return {
        **_panel("timeseries", title, words, 12, 8),
        "targets": [_target(chr(ord("A") + n), query, name) for n, (name, query) in enumerate(queries.items())],
        "fieldConfig": {
            "defaults": {"unit": unit, "custom": {"showPoints": "never", "fillOpacity": 5, "spanNulls": False}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull"], "showLegend": True}
        },
    }


def timeline(title: str, words: str, query: str, name: str, words_of: dict[int, tuple[str, str]]) -> Json:
    """Return a panel with a bar for each series, coloured by its value."""
    options = {
        str(value): {"text": text, "color": color, "index": n}
        for n, (value, (text, color)) in enumerate(words_of.items())
    }
    return {
        **_panel("state-timeline", title, words, 12, 8),
        "targets": [_target("A", query, name)],
        "fieldConfig": {
            "defaults": {
                "mappings": [{"type": "value", "options": options}],
                "thresholds": _GOOD_HIGH,
                "color": {"mode": "thresholds"},
            },
            "overrides": [],
        },
        "options": {
            "mergeValues": True,
            "showValue": "never",
            "rowHeight": 0.8,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        },
    }


def table(title: str, words: str, queries: dict[str, str], *, width: int = 12) -> Json:
    """Return a panel with a line for each set of labels, and a column for each query."""
    names = [chr(ord("A") + n) for n in range(len(queries))]
    renamed = {
        f"Value #{name}" if len(names) > 1 else "Value": column for name, column in zip(names, queries, strict=True)
    }
    hidden = {name: True for name in ("Time", "__name__", "job", "alertstate")}
    return {
        **_panel("table", title, words, width, 8),
        "targets": [
            _target(name, query, "", instant=True) | {"format": "table"}
            for name, query in zip(names, queries.values(), strict=True)
        ],
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {"showHeader": True, "cellHeight": "sm"},
        "transformations": [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": hidden, "indexByName": {}, "renameByName": renamed}},
        ],
    }


def _panel(kind: str, title: str, words: str, width: int, height: int) -> Json:
    found: Json = {
        "type": kind,
        "title": title,
        "datasource": _SOURCE,
        "gridPos": {"w": width, "h": height, "x": 0, "y": 0},
    }
    return found | ({"description": words} if words else {})


def _target(name: str, query: str, legend: str, *, instant: bool = False) -> Json:
    found: Json = {"refId": name, "datasource": _SOURCE, "expr": query, "editorMode": "code"}
    if instant:
        return found | {"instant": True, "range": False}
    return found | {"legendFormat": legend, "range": True}


def _variables() -> list[Json]:
    return [
        {
            **{"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus"},
            **{"refresh": 1, "hide": 0, "includeAll": False, "multi": False, "options": [], "current": {}, "regex": ""},
        },
        {
            **{"type": "query", "name": "node", "label": "Node", "datasource": _SOURCE},
            "query": "query_result(stellwerk_info)",
            # It is shown by its name, and stands for the target that Prometheus scrapes.
            "regex": '/instance="(?<value>[^"]+)".*node="(?<text>[^"]+)"/',
            **{"refresh": 2, "hide": 0, "sort": 1, "includeAll": True, "allValue": ".*", "multi": True, "options": []},
            "current": {"text": ["All"], "value": ["$__all"]},
        },
    ]


def _placed() -> Iterator[Json]:
    """Yield the rows and panels, numbered, and from left to right as they fit."""
    number = top = 0
    for title, panels in rows():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"w": WIDTH, "h": 1, "x": 0, "y": top},
        }
        top += 1
        left = height = 0
        for panel in panels:
            number += 1
            place = panel["gridPos"]
            if left + place["w"] > WIDTH:
                left, top, height = 0, top + height, 0
            yield panel | {"id": number, "gridPos": place | {"x": left, "y": top}}
            left, height = left + place["w"], max(height, place["h"])
        top += height


def text() -> str:
    """Return the dashboard as the checked-in file holds it."""
    dashboard = {
        "uid": "stellwerk-nodes",
        "title": "Stellwerk: nodes of a mesh",
        "description": "Whether nodes are what they should be; their neighbours, exits, links, babeld and machines.",
        "tags": ["stellwerk", "babel", "wireguard", "mesh"],
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "refresh": "1m",
        "schemaVersion": 39,
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": _variables()},
        "panels": list(_placed()),
    }
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
