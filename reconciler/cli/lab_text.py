"""A lab for people."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, TextIO

import click

from intent.display import printable
from reconciler.lab.laboratory import unfinished

Json = Mapping[str, Any]
_NARROWEST = 24
"""How wide the last column of a table is at least."""


class Progress:
    """How `lab up` goes on: one line that changes on a terminal; what the kernel cannot do is told everywhere."""

    def __init__(self, output: TextIO) -> None:
        self.noted: set[str] = set()
        """The notes that were told."""
        self._output = output
        self._shown = output.isatty()

    def step(self, name: str) -> None:
        """Show what is being made."""
        self._show(f"making {name}")

    def look(self, status: Json, left: Mapping[str, str]) -> None:
        """Show whom it is waited for, and tell notes as soon as they are known."""
        for note in status["notes"]:
            if note not in self.noted:
                self.noted.add(note)
                self._show("")
                self._output.write(f"note: {printable(note)}\n")
                self._output.flush()
        for node, why in left.items():
            others = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
            self._show(f"waiting for {node}{others}: {why}")
            return

    def missing(self, what: str) -> None:
        """Show what the mesh still lacks."""
        self._show(f"waiting for the mesh: {what}")

    def done(self) -> None:
        """Leave an empty line to write on."""
        self._show("")

    def _show(self, words: str) -> None:
        if self._shown:
            # A line that is longer than the terminal would not be written over.
            width = max(20, shutil.get_terminal_size().columns - 1)
            self._output.write(f"\r\x1b[K{printable(words)[:width]}")
            self._output.flush()


def up_lines(
    status: Json, left: Mapping[str, str], missing: Iterable[str] = (), told: Container[str] = ()
) -> Iterator[str]:
    """Yield what is said when a lab is up: nodes that are not in sync, what the mesh lacks, what the kernel cannot."""
    for node, why in left.items():
        yield f"{printable(node)}: {click.style('not in sync', fg='yellow', bold=True)}: {printable(why)}"
    for what in missing:
        yield f"note: {printable(what)} yet"
    for note in status["notes"]:
        if note not in told:
            yield f"note: {printable(note)}"
    counts = [(len(status["nodes"]), "node"), (len(status["clients"]), "client")]
    words = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts)
    yield f"{printable(status['name'])} is up: {words}"


def list_of(alive: Mapping[str, bool]) -> str:
    """Return the labs that there are."""
    if not alive:
        return "no lab; `stellwerk lab up FILE` starts one"
    return "\n".join(f"{name}: {'up' if one else 'dead'}" for name, one in alive.items())


def lines(status: Json, width: int | None = None) -> Iterator[str]:
    """Yield the lines of a status; what is further right than the width of a terminal goes on below."""
    yield click.style(printable(status["name"]), bold=True)
    yield from _table(("node", "state", "neighbours", "announces", "Internet through"), _nodes(status), width)
    yield ""
    yield from _topology(status)
    reasons = dict(unfinished(dict(status)))
    if reasons:
        yield ""
    for node, why in reasons.items():
        yield f"{printable(node)}: {printable(why)}"
    internet = status["internet"]
    for node, packets in (internet or {"refused": {}})["refused"].items():
        if packets:
            words = f"refused from {printable(node)}: {packets} packet{'s' if packets > 1 else ''}"
            yield click.style(words, fg="red") + ", whose source is not its own"
    for note in status["notes"]:
        yield f"note: {printable(note)}"


def probe_lines(found: Json) -> Iterator[str]:
    """Yield what became of the requests of a probe."""
    yield (
        f"{printable(found['from'])} to {printable(found['to'])}: {found['answered']} of {found['sent']} answered, "
        f"{found['lost']} lost"
    )
    yield f"  longest time without an answer: {found['longest_gap']:.2f} s"
    for gap in found["gaps"]:
        start, end = (edge - found["started"] for edge in gap)
        yield f"    from {start:.2f} s to {end:.2f} s"
    for error, count in found["errors"].items():
        yield f"  {error}: {count}"
    if found["unsendable"]:
        yield f"  its own kernel had no way: {found['unsendable']}"
    if (trips := found["round_trip_seconds"]) is not None:
        yield f"  round trip: {1000 * trips['least']:.1f} ms at least, {1000 * trips['median']:.1f} ms in the middle"


def _nodes(status: Json) -> Iterator[tuple[str, ...]]:
    for name, node in status["nodes"].items():
        babel = node["babeld"]
        if babel is None:
            yield (name, _state(node), "" if not node["power"] else "no babeld", "", "")
            continue
        neighbours = ", ".join(sorted({one["node"] or one["address"] for one in babel["neighbours"]}))
        by_exit: dict[str, list[str]] = {}
        for one in babel["defaults"]:
            by_exit.setdefault(one["exit"] or one["id"], []).append(one["from"])
        ways = "; ".join(f"{exit_} for {', '.join(prefixes)}" for exit_, prefixes in by_exit.items())
        yield (name, _state(node), neighbours, ", ".join(babel["announces"]), ways)


def _state(node: Json) -> str:
    if not node["power"]:
        return click.style("no power", fg="red", bold=True)
    if not node["stellwerk"]:
        return "without Stellwerk"
    if node["daemon"] != "running":
        return click.style(f"daemon {node['daemon']}", fg="red", bold=True)
    own = node["status"]
    if own is None:
        return click.style("starting", fg="yellow")
    fine = own["sync"]["state"] == "synced" and own["health"]["state"] == "healthy"
    return click.style(f"{own['sync']['state']} and {own['health']['state']}", fg="green" if fine else "yellow")


def _topology(status: Json) -> Iterator[str]:
    """Yield the cables, each with its ends; ``//`` stands where one is silent, ``><`` where it has no carrier."""
    signs = {
        "up": "──",
        "no power": "  ",
        "silent": click.style("//", fg="red"),
        "no carrier": click.style("><", fg="red"),
    }
    rows = []
    for cable in status["wires"]:
        (first, state), *others = cable["ends"].items()
        left = printable(first) + signs[state]
        right = "  ".join(signs[state] + printable(end) for end, state in others)
        rows.append((left, cable["name"] if cable["is_wire"] else "", right, ", ".join(_facts(cable))))
    yield from _table(("end", "wire", "other ends", ""), rows)


def _facts(cable: Json) -> Iterator[str]:
    if cable["delay_milliseconds"]:
        yield f"{cable['delay_milliseconds']:g} ms"
    if cable["loss_percent"]:
        yield f"{cable['loss_percent']:g} % loss"
    for state in ("silent", "no carrier"):
        if state in cable["ends"].values():
            yield click.style(state, fg="red")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], width: int | None = None) -> Iterator[str]:
    """Yield lines of columns that are as wide as their widest field; the last one, which is plain, is broken."""
    found = [head, *rows]
    widths = [max(len(click.unstyle(row[column])) for row in found) for column in range(len(head))]
    before = sum(widths[:-1]) + 2 * (len(head) - 1)
    for row in found:
        fields = [field + " " * (size - len(click.unstyle(field))) for field, size in zip(row, widths, strict=True)]
        last = [row[-1]]
        if width is not None and before + len(row[-1]) > width:
            last = textwrap.wrap(row[-1], max(_NARROWEST, width - before), break_on_hyphens=False)
        yield "  ".join([*fields[:-1], last[0]]).rstrip()
        yield from (" " * before + more for more in last[1:])
