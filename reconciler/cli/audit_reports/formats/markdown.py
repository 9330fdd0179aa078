"""An audit as Markdown (GitHub's, which GitLab and wikis read too), short enough to comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.cli.audit_reports.ranking import (
    all_findings,
    count_states,
    first,
    nodes_worst_first,
)
from reconciler.cli.audit_reports.wording import WORDS, counted, line, moment, place, plural, severities, title
from reconciler.core.audit import Audit, Finding, NodeAudit, Severity, State

LONGEST_REPORT = 60_000
"""How many characters all of it has at most; GitHub takes 65,536 in a comment."""
MOST_FINDINGS = 20
"""How many findings of a node are shown."""
_LONGEST = 300
_SIGNS = {Severity.CRITICAL: "🔴", Severity.MAJOR: "🟠", Severity.MINOR: "🟡", Severity.NOTE: "⚪"}
_STATE_SIGNS = {State.IN_SYNC: "✅", State.DIFFERS: "⚠️", State.UNKNOWN: "❔", State.INVALID: "❌"}
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|&~@:$])")
_BACKTICKS = re.compile(r"`+")


def render(audit: Audit, *, colour: bool) -> str:
    """Return the report, the worst nodes first; what does not fit is counted."""
    states = {f"{_STATE_SIGNS[state]} {WORDS[state]}": count for state, count in count_states(audit.nodes).items()}
    head = [
        f"## Audit of {escaped(title(audit))}",
        "",
        f"{plural(len(audit.nodes), 'node')}: {counted(states) or 'none'}  ",
        f"Findings: {severities(all_findings(audit)) or 'none'}  ",
        f"Made {moment(audit.made)} by Stellwerk {escaped(line(audit.version, 100))}",
        "",
    ]
    whole = len(audit.nodes) == 1 and not audit.fleet
    parts = [
        "\n".join(_node(node)) for node in nodes_worst_first(audit.nodes) if whole or node.state is not State.IN_SYNC
    ]
    text = "\n".join(head)
    for number, part in enumerate(parts):
        if len(text) + len(part) > LONGEST_REPORT:
            return f"{text}\n… and {plural(len(parts) - number, 'node')} more that are not in sync.\n"
        text += f"\n{part}\n"
    return text


def code(text: str) -> str:
    """Return text of any kind as a code span, in which nothing is markup and nobody is called by ``@``."""
    shown = line(text, _LONGEST) or " "
    fence = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(shown)), default=0))
    # One space on each side is taken away again (CommonMark 6.1).
    padding = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def escaped(text: str) -> str:
    """Return text of any kind as prose: no markup, no link, and nobody is called by ``@`` or ``#``.

    Code spans of our own words stay: pairs of single backticks.
    """
    parts = line(text, _LONGEST).split("`")
    if len(parts) % 2 == 0:
        parts = ["\\`".join(parts)] if len(parts) < 2 else [*parts[:-2], f"{parts[-2]}`{parts[-1]}"]
    return "".join(code(part) if number % 2 else _prose(part) for number, part in enumerate(parts))


def _prose(text: str) -> str:
    # A character without width ends what GitHub would take for a name or a number; it calls after unescaping.
    return re.sub(r"(\\[@#])", r"\1&#8203;", _PUNCTUATION.sub(r"\\\1", text))


def _node(node: NodeAudit) -> Iterator[str]:
    counts = severities(node.findings)
    yield f"### {_STATE_SIGNS[node.state]} {code(node.node)} {WORDS[node.state]}{': ' + counts if counts else ''}"
    yield ""
    seen = f"against {code(node.seen)}, as of {moment(node.taken)}" if node.seen else "not compared"
    yield f"{code(node.file)} {seen}"
    yield ""
    for one in (*([node.problem] if node.problem else []), *node.unseen[:MOST_FINDINGS]):
        yield f"- {_STATE_SIGNS[State.UNKNOWN]} {code(one)}"
    shown, left_out = first(node.findings, MOST_FINDINGS)
    for finding in shown:
        yield _finding(finding)
    if left_out:
        yield f"- … and {left_out:,} more"


def _finding(finding: Finding) -> str:
    where = "" if finding.place is None else f" ({code(place(finding.place))})"
    advice = f" — {escaped(finding.advice)}" if finding.advice else ""
    return (
        f"- {_SIGNS[finding.severity]} **{finding.severity.value}** {code(finding.subject)}: "
        f"{escaped(finding.message)}{advice}{where}"
    )
