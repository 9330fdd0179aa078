"""An audit as SARIF 2.1.0, which GitHub's and GitLab's code scanning and many editors read.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0; GitHub, SARIF support for code scanning (its limits,
``primaryLocationLineHash`` and ``security-severity``).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from reconciler.cli.audit_reports import rules
from reconciler.cli.audit_reports.ranking import SEVERITIES
from reconciler.cli.audit_reports.wording import line, machine_moment
from reconciler.core.audit import Audit, Finding, NodeAudit, Place, Severity, State

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS = 25_000
"""More in a run are refused by GitHub."""
LONGEST_NAME = 255

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.MAJOR: "error",
    Severity.MINOR: "warning",
    Severity.NOTE: "note",
}
_SECURITY = {Severity.CRITICAL: "9.0", Severity.MAJOR: "7.0", Severity.MINOR: "4.0", Severity.NOTE: "1.0"}
"""What GitHub orders alerts by: from 9.0 critical, 7.0 high, 4.0 medium, below that low."""


def render(audit: Audit, *, colour: bool) -> str:
    """Return the audit as one run; of more than GitHub takes, the worst."""
    return json.dumps(document(audit), indent=1) + "\n"


def document(audit: Audit) -> dict[str, Any]:
    """Return what is written."""
    results = list(_results(audit))
    left_out = max(0, len(results) - MOST_RESULTS)
    # Stable: equal ones stay in the order of nodes.
    kept = sorted(results, key=lambda one: SEVERITIES.index(one[1].severity))[:MOST_RESULTS] if left_out else results
    by_rule: dict[str, list[Finding]] = {}
    for _, finding, _ in kept:
        by_rule.setdefault(finding.rule, []).append(finding)
    numbers = {rule: number for number, rule in enumerate(sorted(by_rule))}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "stellwerk audit",
                        "version": line(audit.version, 100),
                        "rules": [_rule(rule, by_rule[rule]) for rule in numbers],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "automationDetails": {"id": f"stellwerk/{quote(line(audit.fleet, 100)) or 'node'}/"},
                "originalUriBaseIds": {"SRCROOT": {"description": {"text": "where the repository is checked out"}}},
                "invocations": [_invocation(audit, left_out)],
                "results": [_result(node, finding, mark, numbers[finding.rule]) for node, finding, mark in kept],
            }
        ],
    }


def _results(audit: Audit) -> Iterator[tuple[NodeAudit, Finding, str]]:
    """Yield what was found with a mark that is the same in each audit that finds it, wherever it moved in the file."""
    met: Counter[tuple[str, str, str]] = Counter()
    for node, finding in rules.told(audit):
        key = (node.node, finding.rule, finding.subject)
        met[key] += 1
        digest = hashlib.sha256("\0".join(key).encode(errors="surrogatepass")).hexdigest()[:32]
        yield node, finding, f"{digest}:{met[key]}"


def _rule(rule: str, found: list[Finding]) -> dict[str, Any]:
    worst = min((one.severity for one in found), key=SEVERITIES.index)
    advice = {one.advice for one in found if one.advice}
    about = rules.HELP.get(rule) or f"An audit found: {rules.words(rule)}."
    if len(advice) == 1:
        about += f" What to do: {line(advice.pop())}."
    return {
        "id": line(rule, LONGEST_NAME),
        "name": line(rule, LONGEST_NAME),
        "shortDescription": {"text": rules.words(rule)},
        "fullDescription": {"text": about},
        "help": {"text": about},
        "defaultConfiguration": {"level": _LEVELS[worst]},
        "properties": {
            "tags": ["network", "security"] if worst is Severity.CRITICAL else ["network"],
            "precision": "very-high",
            "problem.severity": {"error": "error", "warning": "warning", "note": "recommendation"}[_LEVELS[worst]],
            **({"security-severity": _SECURITY[worst]} if worst is Severity.CRITICAL else {}),
        },
    }


def _invocation(audit: Audit, left_out: int) -> dict[str, Any]:
    unseen = sum(node.state in (State.UNKNOWN, State.INVALID) for node in audit.nodes)
    said = [(left_out, f"{left_out} findings more are left out: a run has at most {MOST_RESULTS}")]
    said.append((unseen, f"{unseen} of {len(audit.nodes)} nodes could not be compared, or not as a whole"))
    return {
        "executionSuccessful": unseen == 0,
        "endTimeUtc": machine_moment(audit.made),
        "toolExecutionNotifications": [
            {"level": "warning", "message": {"text": words}} for count, words in said if count
        ],
    }


def _result(node: NodeAudit, finding: Finding, mark: str, rule_number: int) -> dict[str, Any]:
    message = line(finding.message) + (f"; {line(finding.advice)}" if finding.advice else "")
    subject, name = line(finding.subject, LONGEST_NAME), line(node.node, LONGEST_NAME)
    located = "" if finding.subject == node.node else f"{subject} "
    return {
        "ruleId": line(finding.rule, LONGEST_NAME),
        "ruleIndex": rule_number,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{name}: {located}{message}"},
        "locations": [
            {
                "physicalLocation": _physical(finding.place or Place(node.file)),
                "logicalLocations": [{"name": subject, "fullyQualifiedName": f"{name}/{subject}", "kind": "resource"}],
            }
        ],
        # The second is what GitHub knows a finding by; it would else be made of the line that it is shown at.
        "partialFingerprints": {"stellwerkFinding/v1": mark, "primaryLocationLineHash": mark},
        "properties": {"node": name, "severity": finding.severity.value},
    }


def _physical(place: Place) -> dict[str, Any]:
    region: Mapping[str, int] = {
        "startLine": place.line or 1,
        **({"startColumn": place.column} if place.column else {}),
    }
    path = quote(place.file.encode(errors="surrogatepass"))
    # A colon in the first part of a relative reference would make a scheme of it (RFC 3986, 4.2); quote() escapes it.
    artifact = {"uri": f"file://{path}"} if path.startswith("/") else {"uri": path, "uriBaseId": "SRCROOT"}
    return {"artifactLocation": artifact, "region": region}
