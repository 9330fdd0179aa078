"""An audit as JUnit XML, which CI systems show as test results: a suite per node, a case per rule.

There is no standard; what GitLab, Jenkins and GitHub's actions read in common is written: ``failure`` for what
differs, ``error`` for what could not be told, ``system-out`` for notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from reconciler.cli.audit_reports import rules
from reconciler.cli.audit_reports.ranking import all_findings, first, nodes_by_name
from reconciler.cli.audit_reports.wording import line, machine_moment, plural, title
from reconciler.core.audit import Audit, Finding, NodeAudit, Severity

MOST_FINDINGS = 100
"""How many findings of a rule on a node are written."""
COMPARED = "compared"
"""The case of whether the node could be compared as a whole: a suite always has one."""


def render(audit: Audit, *, colour: bool) -> str:
    """Return the suites; each compared node has a case for every rule that found something anywhere."""
    names = sorted({one.rule for one in all_findings(audit)})
    whole = Xml.Element("testsuites", name=f"stellwerk audit: {title(audit)}")
    for node in nodes_by_name(audit.nodes):
        whole.append(_suite(node, names, audit.made))
    for count in ("tests", "failures", "errors"):
        whole.set(count, str(sum(int(suite.get(count, "0")) for suite in whole)))
    Xml.indent(whole)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(whole, encoding="unicode") + "\n"


def _suite(node: NodeAudit, names: Sequence[str], made: float) -> Xml.Element:
    suite = Xml.Element("testsuite", name=line(node.node), timestamp=machine_moment(made).removesuffix("Z"))
    obstacles = list(rules.obstacles(node))
    case = _case(suite, node, COMPARED)
    if obstacles:
        error = Xml.SubElement(case, "error", type=obstacles[0].rule, message=line(obstacles[0].message))
        error.text = "\n".join(line(one.message, 4000) for one in obstacles)
    # Where nothing was compared, no rule has passed.
    for name in () if node.problem else names:
        _tell(_case(suite, node, name), [one for one in node.findings if one.rule == name])
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("skipped", "0")
    return suite


def _case(suite: Xml.Element, node: NodeAudit, name: str) -> Xml.Element:
    return Xml.SubElement(
        suite, "testcase", classname=line(node.node), name=line(name, 100), file=line(node.file), time="0"
    )


def _tell(case: Xml.Element, found: Sequence[Finding]) -> None:
    wrong = [one for one in found if one.severity is not Severity.NOTE]
    notes = [one for one in found if one.severity is Severity.NOTE]
    if wrong:
        worst = first(wrong, 1)[0][0]
        message = rules.sentence(worst) if len(wrong) == 1 else f"{plural(len(wrong), 'finding')}, {worst.severity}"
        Xml.SubElement(case, "failure", type=worst.severity.value, message=message).text = _lines(wrong)
    if notes:
        Xml.SubElement(case, "system-out").text = _lines(notes)


def _lines(found: Sequence[Finding]) -> str:
    shown, left_out = first(found, MOST_FINDINGS)
    lines = [f"{one.severity.value}: {rules.located(one)}" for one in shown]
    if left_out:
        lines.append(f"… and {left_out:,} more")
    return "\n".join(lines)
