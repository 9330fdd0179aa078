"""The statistics for people: a few lines and tables made of their JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from intent.display import printable
from intent.durations import spelled

Json = Mapping[str, Any]

MOST_ROWS = 50
"""How many rows of a table are shown; the JSON has all."""
INFINITE_COST = 65535
"""The cost of a neighbour that nothing can be sent to (RFC 8966, section 3.4.3)."""
_NEIGHBOUR = ("neighbour", "interface", "heard", "rxcost", "txcost", "cost", "rtt")
_LINK = ("interface", "role", "kind", "state", "received", "sent", "errors", "dropped")
_PEER = ("peer", "interface", "handshake", "received", "sent", "endpoint")
_HELLOS = 16
_SHORT = 12
_STEP = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def lines(stats: Json) -> Iterator[str]:
    """Yield the lines."""
    yield _heading(stats["node"], stats["system"])
    yield from _reconciler(stats["reconciler"])
    yield from _services(stats.get("services"))
    babel = stats["babel"]
    for name, problem in stats["problems"].items():
        if name == "babel" and babel is not None and babel["known"] is None:
            # Said below, where babel's neighbours would be.
            continue
        yield f"  {click.style('missing', fg='red', bold=True)}: {printable(name)}: {printable(problem)}"
    yield from _babel(babel)
    yield from _ways_out(stats["ways_out"])
    yield from _exits(stats["exits"])
    yield from _links(stats["links"])
    yield from _peers(stats["wireguard"])
    for one in (stats["offenders"] or {}).get("all", ()):
        yield f"\noffender: {printable(one['description'])}; {printable(one['state'])}"


def _heading(node: Json, system: Json) -> str:
    name = click.style(printable(node["name"]), bold=True)
    # Kernels before 3.14 do not tell what is available.
    available, total = (system.get(f"memory_{part}_bytes") for part in ("available", "total"))
    memory = "" if available is None or total is None else f", {_bytes(available)} of {_bytes(total)} available"
    load = " ".join(f"{system[f'load_{span}m']:.2f}" for span in (1, 5, 15))
    return f"{name} ({node['node_id']}): up {spelled(int(system['uptime_seconds']))}, load {load}{memory}"


def _reconciler(found: Json | None) -> Iterator[str]:
    if found is not None:
        why = "" if (found["sync"], found["health"]) == ("synced", "healthy") else "; `stellwerk status` says why"
        yield f"  node: {found['sync']} and {found['health']}{why}"


def _services(found: Sequence[Json] | None) -> Iterator[str]:
    """Yield which services run in one line, and why others do not in one each."""
    running = [printable(one["name"]) for one in found or () if not one["problem"]]
    if running:
        yield f"  services: {', '.join(running)} running"
    for one in found or ():
        if one["problem"]:
            yield f"  {click.style('does not run', fg='red', bold=True)}: {printable(one['name'])}: " + printable(
                one["problem"]
            )


def _babel(babel: Json | None) -> Iterator[str]:
    if babel is None:
        return
    known = babel["known"]
    if known is None:
        why = printable(babel["problem"] or "no answer yet")
        yield f"babel: {click.style('not known', fg='red', bold=True)}: {why}"
        return
    how = "monitor" if babel["following"] == "monitor" else f"{babel['following']}, {babel['age_seconds']:.0f} s ago"
    yield f"babel: {printable(known['version'])}, router {printable(known['router_id'])}, by {how}"
    if known["routes"] is not None:
        states = ", ".join(f"{count} {state}" for state, count in known["routes"].items())
        yield f"  routes: {states}, from {known['routers']} routers"
    yield from _table(_NEIGHBOUR, map(_neighbour, known["neighbours"]))


def _neighbour(one: Json) -> Sequence[object]:
    hellos = (one["reach"] or one["ureach"]).bit_count()
    cost = "unreachable" if one["cost"] >= INFINITE_COST else one["cost"]
    rtt = f"{one['rtt_seconds'] * 1000:.1f} ms" if "rtt_seconds" in one else "-"
    return one["address"], one["interface"], f"{hellos}/{_HELLOS}", one["rxcost"], one["txcost"], cost, rtt


def _ways_out(found: Json | None) -> Iterator[str]:
    if found is not None:
        yield from _table(["way out", "from", "by", "metric"], map(_way, found["all"]))


def _way(one: Json) -> Sequence[object]:
    by = "this node" if one["here"] else f"{one['next_hop']} dev {one['interface']}"
    return one["destination"], one["source"], by, one["metric"]


def _exits(found: Json | None) -> Iterator[str]:
    if found is not None:
        rows = ((one["name"], one["state"], one.get("reason") or "-") for one in found["all"])
        yield from _table(["exit", "state", "reason"], rows)


def _links(found: Sequence[Json]) -> Iterator[str]:
    rows = (
        (
            one["name"],
            one["role"] or "-",
            one["kind"] or "-",
            "up" if one["up"] else "down",
            _bytes(one["rx_bytes"]),
            _bytes(one["tx_bytes"]),
            one["rx_errors"] + one["tx_errors"],
            one["rx_dropped"] + one["tx_dropped"],
        )
        for one in found
    )
    yield from _table(_LINK, rows)


def _peers(found: Sequence[Json] | None) -> Iterator[str]:
    rows = (
        (
            one["public_key"][:_SHORT] + "…",
            one["interface"],
            "never" if one["handshake_seconds"] is None else f"{spelled(round(one['handshake_seconds']))} ago",
            _bytes(one["rx_bytes"]),
            _bytes(one["tx_bytes"]),
            (one["endpoint"] or "-") + (" (roamed)" if one["roamed"] else ""),
        )
        for one in found or ()
    )
    yield from _table(_PEER, rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the rows below their heads, each column as wide as it has to be; nothing where there are none."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    if not cells:
        return
    shown = cells[:MOST_ROWS]
    widths = [max(map(len, column)) for column in zip(heads, *shown, strict=True)]
    yield ""
    yield click.style(_row(heads, widths), bold=True)
    for row in shown:
        yield _row(row, widths)
    if len(cells) > MOST_ROWS:
        yield f"… and {len(cells) - MOST_ROWS} more, which `--json` has"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _bytes(count: float) -> str:
    """Return a number of bytes with at most four digits: ``512 B``, ``1.5 KiB``."""
    unit = 0
    while count >= _STEP and unit < len(_UNITS) - 1:
        count, unit = count / _STEP, unit + 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{count} {_UNITS[0]}"
