"""An audit for people at a terminal: the worst first, a line for each finding, and counts at the end."""

from __future__ import annotations

from collections.abc import Iterator

import click

from reconciler.cli.audit_reports.ranking import (
    all_findings,
    count_states,
    first,
    nodes_worst_first,
)
from reconciler.cli.audit_reports.wording import WORDS, counted, line, moment, place, plural, severities, title
from reconciler.core.audit import Audit, Finding, NodeAudit, Severity, State

MOST_FINDINGS = 100
"""How many findings of a node are shown."""
LONGEST_LINE = 150

_SIGNS = {Severity.CRITICAL: "!!", Severity.MAJOR: "!", Severity.MINOR: "~", Severity.NOTE: "·"}
_COLOURS = {Severity.CRITICAL: "red", Severity.MAJOR: "red", Severity.MINOR: "yellow", Severity.NOTE: "cyan"}
_STATE_COLOURS = {State.IN_SYNC: "green", State.DIFFERS: "yellow", State.UNKNOWN: "yellow", State.INVALID: "red"}


def render(audit: Audit, *, colour: bool) -> str:
    """Return the report; of a fleet only the nodes that are not in sync."""
    text = "\n".join(_lines(audit)) + "\n"
    return text if colour else click.unstyle(text)


def _lines(audit: Audit) -> Iterator[str]:
    whole = len(audit.nodes) == 1 and not audit.fleet
    for node in nodes_worst_first(audit.nodes):
        if whole or node.state is not State.IN_SYNC:
            yield from _node(node)
            yield ""
    yield _summary(audit)


def _node(node: NodeAudit) -> Iterator[str]:
    state = click.style(WORDS[node.state], fg=_STATE_COLOURS[node.state], bold=True)
    counts = severities(node.findings)
    yield f"{click.style(line(node.node, 100), bold=True)}: {state}" + (f", {counts}" if counts else "")
    yield click.style(f"  {_source(node)}", dim=True)
    if node.problem:
        shown = [line(part) for part in node.problem.splitlines()[:20] if part.strip()]
        yield f"  {click.style('?', fg='red', bold=True)} " + "\n    ".join(shown)
    for one in node.unseen:
        yield f"  {click.style('?', fg='yellow', bold=True)} not seen: {line(one)}"
    shown_findings, left_out = first(node.findings, MOST_FINDINGS)
    for finding in shown_findings:
        yield _finding(finding)
    if left_out:
        yield f"    … and {left_out:,} more; `--format json` has all"
    if node.unmanaged:
        there = ", ".join(f"{count:,} in {line(table, 60)}" for table, count in sorted(node.unmanaged))
        yield click.style(f"  left alone, since nobody asked for it: {there}", dim=True)


def _source(node: NodeAudit) -> str:
    seen = line(node.seen)
    when = "" if node.taken is None else f", as of {moment(node.taken)}"
    return f"{line(node.file)} against {seen}{when}" if seen else line(node.file)


def _finding(finding: Finding) -> str:
    sign = click.style(f"{_SIGNS[finding.severity]:>2}", fg=_COLOURS[finding.severity], bold=True)
    subject, message = line(finding.subject), line(finding.message)
    parts = [f"{finding.severity.value}: {message}", line(finding.advice)]
    if finding.place is not None:
        parts[0] += f" ({place(finding.place)})"
    why = "# " + "; ".join(filter(None, parts))
    if len(subject) + len(why) <= LONGEST_LINE:
        return f" {sign} {subject}  {click.style(why, dim=True)}"
    rest = "".join(f"\n       {click.style(f'# {part}', dim=True)}" for part in parts if part)
    return f" {sign} {subject}{rest}"


def _summary(audit: Audit) -> str:
    states = counted({WORDS[state]: count for state, count in count_states(audit.nodes).items()})
    findings = severities(all_findings(audit)) or "none"
    nodes = f"{plural(len(audit.nodes), 'node')}: {states}" if audit.nodes else "no nodes"
    name = f"{title(audit)}: " if audit.fleet else ""
    return f"{name}{nodes}; findings: {findings}"
