"""The rules of an audit, as those formats tell of them that group what was found by rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.cli.audit_reports.ranking import nodes_by_name, ranked
from reconciler.cli.audit_reports.wording import line, place
from reconciler.core.audit import Audit, Finding, NodeAudit, Place, Severity, State

INVALID = "intent-invalid"
NOT_COMPARED = "not-compared"
NOT_SEEN = "not-seen"
HELP = {
    INVALID: "What the node should be cannot be read. `stellwerk check` shows every error with its place.",
    NOT_COMPARED: "There is nothing to hold against the intent: no snapshot, or one that cannot be read.",
    NOT_SEEN: "A part of the node could not be looked at, so what is wrong there is not known.",
}
"""What stands for a node that could not be compared, or not as a whole."""


def words(rule: str) -> str:
    """Return a rule's name as words: ``default without from``."""
    return line(rule, 100).replace("-", " ")


def obstacles(node: NodeAudit) -> Iterator[Finding]:
    """Yield why a node could not be compared, or not as a whole, in the shape of findings."""
    whole = Place(node.file)
    if node.problem:
        rule = INVALID if node.state is State.INVALID else NOT_COMPARED
        yield Finding(rule, Severity.MAJOR, node.node, node.problem, "", whole)
    for one in node.unseen:
        yield Finding(NOT_SEEN, Severity.MAJOR, node.node, one, "", whole)


def told(audit: Audit) -> Iterator[tuple[NodeAudit, Finding]]:
    """Yield everything that is to be told, nodes by name, each the worst first and with a place: at least its file."""
    for node in nodes_by_name(audit.nodes):
        for finding in (*obstacles(node), *ranked(node.findings)):
            yield node, finding if finding.place is not None else replace(finding, place=Place(node.file))


def sentence(finding: Finding) -> str:
    """Return a finding as one line: the object, what is wrong with it, and what to do."""
    message = f"{line(finding.subject)}: {line(finding.message)}"
    return f"{message}; {line(finding.advice)}" if finding.advice else message


def located(finding: Finding) -> str:
    """Return a finding as one line with its place, where it has one."""
    return sentence(finding) if finding.place is None else f"{place(finding.place)}: {sentence(finding)}"
