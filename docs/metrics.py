"""What Prometheus is told, made from the metrics as the exporter declares them.

``python -m docs.metrics`` writes it to ``docs/prometheus.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reconciler.services.statistics.prometheus.collector import PART_UP, PARTS
from reconciler.services.statistics.prometheus.metrics import LEFT_OUT, Metric

FILE = Path(__file__).parent / "prometheus.md"

_TITLES = {
    "about": "The node",
    "status": "Its state, where the daemon keeps it",
    "exits": "Exits",
    "babel": "babeld",
    "links": "Interfaces",
    "wireguard": "WireGuard",
    "firewall": "The firewall",
    "machine": "The machine",
}

_HEAD = """\
# Prometheus

<!-- Made by `python -m docs.metrics` from the exporter. Change the text there, and the metrics in
`reconciler/services/statistics/prometheus`. -->

A node answers Prometheus from memory: a scrape asks babeld nothing, and costs the same at 10,000 routes as at ten. It
needs the Python package prometheus-client (`pip install 'stellwerk[prometheus]'`), which takes about 6 MiB of memory
(`stellwerk stats` with Prometheus alone is at 32 MiB), and is imported only where the node file has:

```yaml
stats:
  prometheus: {listen: "[::1]:9742"}
```

It listens at that address only, IPv4 or IPv6, and answers nothing but `GET /metrics`. There is no password and no
encryption: give it a loopback address, or one of the mesh, and have a firewall say who may ask. Slow, broken and too
many clients harm nobody: there are 32 places, each for some seconds, and all scrapes together take no more than a fifth
of a processor.

## Scrape it

```yaml
scrape_configs:
  - job_name: stellwerk
    scrape_interval: 30s
    static_configs:
      - targets: ["[fd00:6d65::7]:9742", "[fd00:6d65::8]:9742"]
rule_files: [alerts.yml]
```

The job's name is what the alerts and the dashboard expect. `stellwerk_info` has the node's name, so that
`babel_neighbours * on (instance) group_left (node) stellwerk_info` is told by it.

- [alerts.yml](prometheus/alerts.yml) are alert rules, each with what to do; `severity: critical` is for the night,
  `warning` for the morning. [alerts_test.yml](prometheus/alerts_test.yml) says when they fire.
- [dashboard.json](prometheus/dashboard.json) is a dashboard: in Grafana 11 or later *Dashboards*, *New*, *Import*.

## Names that are compatible

With OpenWrt's prometheus-node-exporter (its collectors babeld and wireguard) these have the same name, labels and
meaning, and at most one label more: `babel_neighbour_rxcost`, `babel_neighbour_txcost`, `babel_neighbour_hello_reach`,
`babel_neighbour_uhello_reach`, `babel_neighbour_rtt_seconds`, `babel_route_metric`, `babel_route_refmetric`,
`babel_route_installed`, `babel_xroute_metric`, `wireguard_sent_bytes_total`, `wireguard_received_bytes_total` and
`wireguard_latest_handshake_seconds`, which is a time, in seconds since 1970. `babel_info` lacks the label `host`.
Others have names there that `promtool check metrics` objects to, since only counters end in `_total`, or are not told
over babeld's socket:

| there | here |
| --- | --- |
| `babel_neighbours_total` | `babel_neighbours` |
| `babel_routes_total` | `sum by (instance) (babel_routes{origin="neighbour"})` |
| `babel_xroutes_total` | `babel_routes{origin="local"}` |
| `babel_neighbour_if_up` | `babel_interface_up`, one for each interface |
| `babel_route_smoothed_metric`, `babel_route_feasible`, `babel_route_seqno`, `babel_route_age_seconds` | none |
| `wireguard_interface_info`, `wireguard_peer_info` | none; `stellwerk_wireguard_roamed` for a changed endpoint |

For the machine there are only a few figures, under names of their own, so that a node may have node_exporter as well.

## What there is

A series is there only while its value is known: while babeld does not answer, `babel_up` is 0 and nothing else of
`babel_` is there. A part that fails is named by `stellwerk_part_up` and left out. Of what others can make any number
of, the first have series of their own (300 neighbours, 20 offenders), and `stellwerk_left_out` counts the rest; text
of others is cut at 128 characters. A route has series of its own only with `routes: true`, then for up to 20,000.
"""

_TAIL = """\
### This process, and its parts

`process_*` are those of prometheus-client: memory, processor time, open files, start. `stellwerk_scrapes_total` and
`stellwerk_scrapes_refused_total` count requests. What other parts count of themselves is there too, such as
`stellwerk_respondd_requests_total{kind}`, where they run in the same process.
"""


def text() -> str:
    """Return the document as the checked-in file holds it."""
    shared = (PART_UP, LEFT_OUT)
    parts = [_HEAD]
    for part in PARTS:
        parts += [f"### {_TITLES[part.name]}\n", _table(one for one in part.metrics if one not in shared)]
    return "\n".join([*parts, "### What is missing\n", _table(iter(shared)), _TAIL])


def _table(metrics: Iterator[Metric]) -> str:
    rows = ["| metric | type | labels | meaning |", "| --- | --- | --- | --- |"]
    for one in metrics:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        rows.append(f"| `{one.name}` | {one.type} | {labels} | {one.help} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
