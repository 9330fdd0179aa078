"""An audit for programs: the whole of it, in a versioned form that schemas/audit.schema.json describes."""

from __future__ import annotations

import json
from typing import Any

from reconciler.cli.audit_reports.ranking import all_findings, count_severities, count_states, nodes_by_name, ranked
from reconciler.core.audit import Audit, Finding, NodeAudit

VERSION = 1


def render(audit: Audit, *, colour: bool) -> str:
    """Return the audit as JSON in ASCII: nodes by name, findings the worst first, so that two can be compared."""
    return json.dumps(_sound(document(audit)), indent=1) + "\n"


def document(audit: Audit) -> dict[str, Any]:
    """Return what is written."""
    return {
        "stellwerk_audit": VERSION,
        "made": audit.made,
        "version": audit.version,
        "fleet": audit.fleet or None,
        "state": audit.worst().value,
        "counts": {
            "nodes": {state.value: count for state, count in count_states(audit.nodes).items()},
            "findings": {severity.value: count for severity, count in count_severities(all_findings(audit)).items()},
        },
        "nodes": [_node(node) for node in nodes_by_name(audit.nodes)],
    }


def _sound(value: Any) -> Any:
    """Return the value with each half of a surrogate pair spelled out: many parsers refuse to read it."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_sound(key): _sound(one) for key, one in value.items()}
    return [_sound(one) for one in value] if isinstance(value, list) else value


def _node(node: NodeAudit) -> dict[str, Any]:
    return {
        "node": node.node,
        "file": node.file,
        "digest": node.digest or None,
        "seen": node.seen or None,
        "taken": node.taken,
        "state": node.state.value,
        "problem": node.problem or None,
        "unseen": list(node.unseen),
        "findings": [_finding(one) for one in ranked(node.findings)],
        "unmanaged": dict(sorted(node.unmanaged)),
        "links": [
            {"to": one.to, "interface": one.interface, "works": one.works}
            for one in sorted(node.links, key=lambda link: (link.to, link.interface))
        ],
        "exits": [
            {"prefix": one.prefix, "announced": one.announced}
            for one in sorted(node.exits, key=lambda offer: offer.prefix)
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    place = finding.place
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "message": finding.message,
        "advice": finding.advice or None,
        "place": None if place is None else {"file": place.file, "line": place.line, "column": place.column},
    }
