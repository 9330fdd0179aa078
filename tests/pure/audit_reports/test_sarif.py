"""SARIF as the specification (OASIS, SARIF 2.1.0) has it, and as GitHub wants it beyond that."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.cli.audit_reports import rendered
from reconciler.core.audit import Audit, Place
from tests.example_audits import MTU, fleet, hostile, in_sync, many_findings, one_node, small_fleet


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _list(items: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


TEXT = {"type": "string", "minLength": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
MESSAGE = _object(["text"], text=TEXT)
BAG = {"type": "object", "properties": {"tags": _list(TEXT, uniqueItems=True, maxItems=20)}}
POSITIVE = {"type": "integer", "minimum": 1}
URI = {"type": "string", "pattern": r"^(file:///|(?![^/?#]*:))[A-Za-z0-9._~!$&'()*+,;=:@%/-]+$"}
# The parts of the specification that are written: 3.13, 3.14, 3.19, 3.20, 3.27, 3.28, 3.29, 3.30, 3.33, 3.49, 3.58.
SARIF = _object(
    ["version", "runs", "$schema"],
    version={"const": "2.1.0"},
    **{"$schema": {"type": "string", "format": "uri"}},
    runs=_list(
        _object(
            ["tool", "results"],
            tool=_object(
                ["driver"],
                driver=_object(
                    ["name"],
                    name=TEXT,
                    version=TEXT,
                    rules=_list(
                        _object(
                            ["id"],
                            id=TEXT,
                            name=TEXT,
                            shortDescription=MESSAGE,
                            fullDescription=MESSAGE,
                            help=MESSAGE,
                            defaultConfiguration=_object([], level=LEVEL),
                            properties=BAG,
                        ),
                        uniqueItems=True,
                    ),
                ),
            ),
            columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            automationDetails=_object([], id=TEXT),
            originalUriBaseIds={"additionalProperties": _object([], uri=TEXT, description=MESSAGE)},
            invocations=_list(
                _object(
                    ["executionSuccessful"],
                    executionSuccessful={"type": "boolean"},
                    endTimeUtc={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
                    toolExecutionNotifications=_list(_object(["message"], level=LEVEL, message=MESSAGE)),
                )
            ),
            results=_list(
                _object(
                    ["message", "ruleId", "locations", "partialFingerprints"],
                    ruleId=TEXT,
                    ruleIndex={"type": "integer", "minimum": 0},
                    level=LEVEL,
                    message=MESSAGE,
                    locations=_list(
                        _object(
                            ["physicalLocation"],
                            physicalLocation=_object(
                                ["artifactLocation", "region"],
                                artifactLocation=_object(["uri"], uri=URI, uriBaseId=TEXT),
                                region=_object(["startLine"], startLine=POSITIVE, startColumn=POSITIVE),
                            ),
                            logicalLocations=_list(
                                _object([], name=TEXT, fullyQualifiedName=TEXT, kind={"const": "resource"})
                            ),
                        ),
                        minItems=1,
                        maxItems=1,
                    ),
                    partialFingerprints={"type": "object", "additionalProperties": TEXT},
                    properties=BAG,
                ),
                maxItems=25_000,
            ),
        ),
        minItems=1,
        maxItems=1,
    ),
)


def _run(audit: Audit) -> dict[str, Any]:
    document = json.loads(rendered(audit, "sarif"))
    Draft202012Validator(SARIF).validate(document)
    run: dict[str, Any] = document["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    return run


@pytest.mark.parametrize("audit", [one_node(), in_sync(), small_fleet(), hostile(), fleet(100, 0.5)])
def test_it_is_as_the_specification_says(audit: Audit) -> None:
    _run(audit)


def test_a_result_points_to_the_line_and_names_the_object() -> None:
    result = _run(one_node())["results"][0]
    assert result["ruleId"] == "default-without-from"
    assert result["level"] == "error"
    location = result["locations"][0]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "nodes/berlin-7.yaml", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 6, "startColumn": 3},
    }
    assert location["logicalLocations"][0]["fullyQualifiedName"].startswith("berlin-7/route default via fe80::1")


def test_levels_follow_severities_and_critical_ones_are_for_security() -> None:
    run = _run(one_node())
    assert [one["level"] for one in run["results"]] == ["error", "error", "error", "warning", "note"]
    rules = {one["id"]: one["properties"] for one in run["tool"]["driver"]["rules"]}
    assert rules["default-without-from"]["security-severity"] == "9.0"
    assert "security-severity" not in rules["different"]
    assert all(one["help"]["text"] for one in run["tool"]["driver"]["rules"])


def test_what_could_not_be_compared_is_a_result_too() -> None:
    run = _run(small_fleet())
    met = {one["properties"]["node"]: one["ruleId"] for one in run["results"]}
    assert met["halle-1"] == "not-compared"
    assert met["rostock-1"] == "not-seen"
    assert met["mainz-1"] == "intent-invalid"
    assert not run["invocations"][0]["executionSuccessful"]


def _prints(audit: Audit) -> list[str]:
    return [one["partialFingerprints"]["primaryLocationLineHash"] for one in _run(audit)["results"]]


def test_fingerprints_stay_when_lines_move_and_differ_between_findings() -> None:
    audit = one_node()
    node = audit.nodes[0]
    moved = [replace(one, place=Place(node.file, 99, 1), message="else said") for one in reversed(node.findings)]
    later = replace(audit, nodes=(replace(node, findings=tuple(moved)),), made=audit.made + 86_400)
    assert _prints(later) == _prints(audit)
    twice = replace(audit, nodes=(replace(node, findings=(MTU, MTU, *node.findings)),))
    prints = _prints(twice)
    assert len(set(prints)) == len(prints) == 7


def test_a_file_elsewhere_is_a_file_of_the_machine() -> None:
    audit = one_node()
    node = replace(audit.nodes[0], findings=(replace(MTU, place=Place("/etc/stellwerk/a b#.yaml", 3, 0)),))
    place = _run(replace(audit, nodes=(node,)))["results"][0]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "file:///etc/stellwerk/a%20b%23.yaml"},
        "region": {"startLine": 3},
    }


def test_more_than_a_run_may_have_is_left_out_and_said() -> None:
    audit = many_findings(26_000)
    critical = one_node().nodes[0].findings[3]
    worst = replace(audit, nodes=(replace(audit.nodes[0], findings=(*audit.nodes[0].findings, critical)),))
    run = json.loads(rendered(worst, "sarif"))["runs"][0]
    assert len(run["results"]) == 25_000
    assert run["results"][0]["ruleId"] == "default-without-from"
    assert "1001 findings more" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
