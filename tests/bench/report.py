"""A report as a page for readers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.bench.findings import Finding, Measured, Report
from tests.bench.targets import MOST_GROWTH, Growth, Target, Verdict, growths, verdicts

PAGE, VALUES = "benchmarks.md", "benchmarks.json"
INTRODUCTION = """\
# Measured

Stellwerk beside its peers: in the same run, on the same machine, in the same network namespace, in turns. `make bench`
measures all of it again and writes this page, and the same as values in [benchmarks.json](benchmarks.json).

Each figure is the median of several runs, with the smallest and the largest in brackets. Absolute times are those of
one machine; what is promised are ratios where there is a peer. *CPU* counts user and system seconds of the process
that is named; *wall* is the time that goes by.
"""
KERNELS = {"this": "this machine's kernel", "full": "a kernel with WireGuard, in an emulated machine"}


def write(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write benchmarks.md and benchmarks.json and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, values = folder / PAGE, folder / VALUES
    page.write_text(markdown(report))
    values.write_text(json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n")
    return page, values


def read(file: Path) -> Report:
    """Return the report in a file of values."""
    return Report.from_json(json.loads(file.read_text()))


def markdown(report: Report) -> str:
    """Return the page."""
    parts = [INTRODUCTION, "## Promises\n", *_promises(verdicts(report.findings))]
    if grown := growths(report.findings):
        parts += ["## Growth\n", *_growth(grown)]
    parts += ["## Figures\n"]
    for kernel in report.machines:
        findings = [one for one in report.findings if one.kernel == kernel]
        if findings:
            parts += [f"### On {KERNELS[kernel]}\n", *_figures(findings, report.about)]
    if report.failures:
        lines = [f"- {one.case} with {number(one.size)}: {one.why}" for one in report.failures]
        parts += ["## Not measured\n", "\n".join(lines) + "\n"]
    parts += ["## Machine\n", *_machines(report)]
    return "\n".join(parts)


def _promises(found: Iterable[Verdict]) -> list[str]:
    rows = [
        (
            f"{one.target.case}, {one.target.quantity}",
            number(one.target.size),
            promise(one.target, one.finding),
            "not measured" if one.value is None or one.finding is None else value(one.value, one.target, one.finding),
            {True: "met", False: "**not met**", None: "not measured"}[one.met],
        )
        for one in found
    ]
    return [table(("what", "routes, peers or nodes", "promised: at most", "measured", "promise"), rows)]


def promise(target: Target, finding: Finding | None) -> str:
    """Return what is promised, in words."""
    if target.basis == "ratio":
        peer = "the peer" if finding is None else f"`{finding.peer_name}`"
        return f"{target.most:g} × {peer}"
    if target.basis == "size":
        return f"{target.most:g} × that with {number(target.beside)}"
    amount = quantity(target.most, target.unit)
    if target.basis == "difference":
        return f"{amount} more than {'the peer' if finding is None else finding.peer_name}"
    return amount


def value(amount: float, target: Target, finding: Finding) -> str:
    """Return a measured value as a promise is worded."""
    return times(amount) if target.basis in ("ratio", "size") else quantity(amount, finding.unit)


def _growth(found: Iterable[Growth]) -> list[str]:
    words = (
        f"Time per row with many rows over that with few. Promised is at most {MOST_GROWTH:g} from the smallest size to"
        " the largest. What does not depend on the number of rows weighs most where they are few, so the growth from"
        " the middle size says more.\n"
    )
    rows = [
        (
            f"{one.case}, {one.quantity}" + ("" if one.kernel == "this" else ", emulated"),
            f"{number(one.small)} → {number(one.large)}",
            f"{one.factor:.2f} ×",
            "met" if one.met else "**not met**",
        )
        for one in found
    ]
    return [words, table(("what", "routes, peers or nodes", "growth", "promise"), rows)]


def _figures(findings: Sequence[Finding], about: dict[str, str]) -> list[str]:
    parts = []
    for case in dict.fromkeys(one.case for one in findings):
        mine = [one for one in findings if one.case == case]
        parts.append(f"#### {case[0].upper()}{case[1:]}\n")
        if words := about.get(case):
            parts.append(f"{words[0].upper()}{words[1:]}.\n")
        peers = {one.peer_name for one in mine} - {""}
        rows = [_figure(one, bool(peers)) for one in mine]
        heads = ("routes, peers or nodes", "what", "runs", "Stellwerk")
        parts.append(table(heads + ((", ".join(sorted(peers)), "ratio") if peers else ()), rows))
    return parts


def _figure(one: Finding, with_peer: bool) -> tuple[str, ...]:
    cells = (number(one.size), one.quantity, str(len(one.ours.values)), spread(one.ours, one.unit))
    if not with_peer:
        return cells
    ratio = "" if one.ratio is None else times(one.ratio)
    return (*cells, "" if one.peer is None else spread(one.peer, one.unit), ratio)


def _machines(report: Report) -> list[str]:
    names = list(dict.fromkeys(name for facts in report.machines.values() for name in facts))
    rows = [(name, *(facts.get(name, "") for facts in report.machines.values())) for name in names]
    return [table(("", *(KERNELS[kernel] for kernel in report.machines)), rows)]


def spread(measured: Measured, unit: str) -> str:
    """Return the median, and the smallest and largest value where there are several."""
    words = quantity(measured.median, unit)
    if len(measured.values) == 1:
        return words
    return f"{words} ({quantity(min(measured.values), unit)}–{quantity(max(measured.values), unit)})"


def quantity(amount: float, unit: str) -> str:
    """Return an amount with its unit, short times in milliseconds."""
    if unit == "s" and abs(amount) < 1:
        digits = 2 if abs(amount) < 0.01 else 1 if abs(amount) < 0.1 else 0
        return f"{1000 * amount:.{digits}f} ms"
    if unit == "s":
        return f"{amount:.2f} s"
    return f"{amount:.0f} {unit.removesuffix('s') if amount == 1 else unit}"


def times(ratio: float) -> str:
    """Return a ratio, small ones with two digits that count."""
    return f"{ratio:.2f} ×" if ratio >= 0.1 else f"{ratio:.2g} ×"


def number(amount: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{amount:,}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
