"""The document, the alerts and the dashboard speak of the metrics that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from docs import dashboard, metrics
from reconciler.services.statistics.prometheus import babel, listener, node
from reconciler.services.statistics.prometheus.collector import declared
from reconciler.services.statistics.prometheus.metrics import LONGEST_VALUE
from tests.figures import FakeFigures
from tests.scraped import scraped

FOLDER = dashboard.FILE.parent
SCHEMA = json.loads((Path(__file__).parent / "dashboard.schema.json").read_text())
# Those of Prometheus itself, and what the exporter counts of itself.
OTHERS = {"up", "ALERTS", "stellwerk_scrapes_total"}
METRIC = re.compile(r"\b(?:(?:stellwerk|babel|wireguard|process|node)_\w+|up|ALERTS)\b")


def known() -> set[str]:
    return {metric.name for metric in declared()} | scraped(FakeFigures()).names | OTHERS


def named(expression: str) -> set[str]:
    """Return the metrics in an expression: the names outside of matchers and of lists of labels."""
    bare = re.sub(r'\{[^}]*\}|\b(?:by|on|group_left|without)\s*\([^)]*\)|"[^"]*"', " ", expression)
    return set(METRIC.findall(bare))


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load(FOLDER / "alerts.yml")["groups"][0]["rules"]
    return found


def panels() -> Iterator[dict[str, Any]]:
    for panel in json.loads(dashboard.FILE.read_text())["panels"]:
        if panel["type"] != "row":
            yield panel


def test_the_document_is_current() -> None:
    assert metrics.FILE.read_text() == metrics.text(), "write it anew with `python -m docs.metrics`"


def test_the_dashboard_is_current() -> None:
    assert dashboard.FILE.read_text() == dashboard.text(), "write it anew with `python -m docs.dashboard`"


def test_what_the_document_says_of_bounds_is_so() -> None:
    text = " ".join(metrics.FILE.read_text().split())
    assert f"{babel.MOST_NEIGHBOURS} neighbours, {node.MOST_OFFENDERS} offenders" in text
    assert f"up to {babel.MOST_ROUTES:,}" in text
    assert f"cut at {LONGEST_VALUE} characters" in text
    assert f"there are {listener.MOST_CLIENTS} places" in text
    assert listener.SHARE == 1 / 5


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_is_of_metrics_that_there_are_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert named(rule["expr"])
    assert named(rule["expr"]) <= known()
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["for"]
    assert set(rule["annotations"]) == {"summary", "description", "action"}
    assert 'job="stellwerk"' in rule["expr"]


def test_every_alert_is_seen_firing_in_its_tests() -> None:
    tests = YAML(typ="safe").load(FOLDER / "alerts_test.yml")["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    quiet = {one["alertname"] for test in tests for one in test["alert_rule_test"] if not one["exp_alerts"]}
    every = {rule["alert"] for rule in rules()}
    assert fired == every
    assert quiet == every


def test_the_dashboard_is_as_grafana_has_them() -> None:
    found = json.loads(dashboard.FILE.read_text())
    assert not [f"{error.json_path}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(found)]


def test_panels_have_numbers_of_their_own_and_lie_beside_each_other() -> None:
    found = json.loads(dashboard.FILE.read_text())["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    taken: set[tuple[int, int]] = set()
    for panel in found:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= dashboard.WIDTH, panel["title"]
        cells = {(place["x"] + across, place["y"] + down) for across in range(place["w"]) for down in range(place["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells


def test_the_dashboard_has_the_rows_that_an_operator_looks_for() -> None:
    found = [panel["title"] for panel in json.loads(dashboard.FILE.read_text())["panels"] if panel["type"] == "row"]
    assert found == ["Is all well?", "Neighbours", "Exits", "Links and tunnels", "babeld and Stellwerk", "The machine"]


def test_the_data_source_and_the_node_are_chosen() -> None:
    found = json.loads(dashboard.FILE.read_text())["templating"]["list"]
    assert [(one["name"], one["type"]) for one in found] == [("datasource", "datasource"), ("node", "query")]
    # What Grafana makes of `query_result`, a line for each series, with its labels in the order of their names.
    line = 'stellwerk_info{domain="", instance="[::1]:9742", job="stellwerk", model="", node="berlin-7", node_id="0"} 1'
    (match,) = re.finditer(found[1]["regex"].strip("/").replace("(?<", "(?P<"), line)
    assert match.groupdict() == {"value": "[::1]:9742", "text": "berlin-7"}


@pytest.mark.parametrize("panel", list(panels()), ids=lambda panel: str(panel["title"]))
def test_a_panel_is_of_metrics_that_there_are(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for target in panel["targets"]:
        assert named(target["expr"])
        assert named(target["expr"]) <= known()
        assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert "$node" in target["expr"] or target["expr"].startswith("count(up")
