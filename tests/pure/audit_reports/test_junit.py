"""JUnit XML as CI systems read it."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

import pytest

from reconciler.cli.audit_reports import rendered
from reconciler.core.audit import Audit
from tests.example_audits import HOSTILE, fleet, hostile, in_sync, many_findings, one_node, small_fleet


def _suites(audit: Audit) -> dict[str, Xml.Element]:
    whole = Xml.fromstring(rendered(audit, "junit"))
    assert whole.tag == "testsuites"
    for counted, path in (("tests", "testcase"), ("failures", "testcase/failure"), ("errors", "testcase/error")):
        suites = whole.findall("testsuite")
        assert all(int(suite.get(counted, "")) == len(suite.findall(path)) for suite in suites)
        assert int(whole.get(counted, "")) == sum(len(suite.findall(path)) for suite in suites)
    return {suite.get("name", ""): suite for suite in whole}


@pytest.mark.parametrize("audit", [one_node(), in_sync(), small_fleet(), hostile(), fleet(60, 0.5)])
def test_it_is_xml_with_a_suite_per_node_and_true_counts(audit: Audit) -> None:
    assert len(_suites(audit)) == len(audit.nodes)


def test_a_rule_is_a_case_that_fails() -> None:
    suite = _suites(one_node())["berlin-7"]
    results = {case.get("name"): [part.tag for part in case] for case in suite}
    assert results == {
        "compared": [],
        "default-without-from": ["failure"],
        "different": ["failure"],
        "foreign": ["system-out"],
        "forwarding-off": ["failure"],
        "missing": ["failure"],
    }
    failure = suite.find("testcase[@name='missing']/failure")
    assert failure is not None
    assert failure.get("type") == "major"
    assert failure.text == (
        "major: nodes/berlin-7.yaml:31:7: route default from 2001:db8:42::/56 via fd00:aa::1 dev gre-provider: "
        "is not there, and `exit` asks for it; `stellwerk plan` shows what would be done"
    )


def test_a_node_that_was_not_compared_has_passed_nothing() -> None:
    suites = _suites(small_fleet())
    assert [[part.tag for part in case] for case in suites["halle-1"]] == [["error"]]
    error = suites["mainz-1"].find("testcase/error")
    assert error is not None
    assert error.get("type") == "intent-invalid"
    # What was seen of a node is told, what was not is an error beside it.
    assert len(suites["rostock-1"]) == 6
    assert all(len(case) == 0 for case in suites["berlin-1"])
    assert len(suites["berlin-1"]) == 6


def test_characters_that_xml_has_not_are_spelled_out() -> None:
    text = rendered(hostile(), "junit")
    assert "\\x1b[2J" in text
    assert HOSTILE not in text


def test_very_much_is_counted() -> None:
    failure = _suites(many_findings(10_000))["berlin-7"].find("testcase/failure")
    assert failure is not None
    assert failure.text is not None
    assert failure.text.endswith("… and 9,900 more")
