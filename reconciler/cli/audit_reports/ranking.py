"""The order of what an audit found, the worst first, and how much of it there is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from reconciler.core.audit import Audit, Finding, NodeAudit, Severity, State

SEVERITIES = tuple(Severity)
"""The worst first."""
STATES = (State.INVALID, State.UNKNOWN, State.DIFFERS, State.IN_SYNC)
"""Those that say the least of a node first."""
_DIGITS = re.compile(r"([0-9]{1,18})")


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return what a name is sorted by, so that ``berlin-9`` comes before ``berlin-10``."""
    parts = _DIGITS.split(name)
    return tuple((int(part), "") if number % 2 else (-1, part) for number, part in enumerate(parts))


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings the worst first, each severity by rule and by object."""
    return sorted(findings, key=lambda one: (_SEVERITY_RANK[one.severity], one.rule, natural(one.subject), one.message))


def worst_severity(node: NodeAudit) -> Severity | None:
    """Return the severity of a node's worst finding, ``None`` without any."""
    return min((one.severity for one in node.findings), key=_SEVERITY_RANK.__getitem__, default=None)


def rank(node: NodeAudit) -> int:
    """Return how soon a node wants to be looked at, 0 at once.

    What harms others now comes before what is not known, and that before what only does not work.
    """
    severity = worst_severity(node)
    if severity is Severity.CRITICAL:
        return 0
    if node.state in (State.INVALID, State.UNKNOWN):
        return 1 if node.state is State.INVALID else 2
    return 3 + (len(SEVERITIES) if severity is None else _SEVERITY_RANK[severity]) + 10 * (node.state is State.IN_SYNC)


def nodes_worst_first(nodes: Iterable[NodeAudit]) -> list[NodeAudit]:
    """Return the nodes in the order of `rank`, then by name."""
    return sorted(nodes, key=lambda one: (rank(one), natural(one.node), one.file))


def nodes_by_name(nodes: Iterable[NodeAudit]) -> list[NodeAudit]:
    """Return the nodes by name, which stays as it is between two audits."""
    return sorted(nodes, key=lambda one: (natural(one.node), one.file))


def count_states(nodes: Iterable[NodeAudit]) -> Mapping[State, int]:
    """Return how many nodes are in each state, in the order of `STATES`."""
    found = Counter(node.state for node in nodes)
    return {state: found[state] for state in STATES}


def count_severities(findings: Iterable[Finding]) -> Mapping[Severity, int]:
    """Return how many findings there are of each severity, in the order of `SEVERITIES`."""
    found = Counter(one.severity for one in findings)
    return {severity: found[severity] for severity in SEVERITIES}


def all_findings(audit: Audit) -> list[Finding]:
    """Return the findings of all nodes."""
    return [one for node in audit.nodes for one in node.findings]


def first(findings: Sequence[Finding], most: int) -> tuple[Sequence[Finding], int]:
    """Return the worst ``most`` findings, and how many are left out."""
    return ranked(findings)[:most], max(0, len(findings) - most)


_SEVERITY_RANK = {severity: number for number, severity in enumerate(SEVERITIES)}
