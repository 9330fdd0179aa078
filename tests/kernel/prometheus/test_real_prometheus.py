"""The real Prometheus scrapes a node: what it then knows, and what it knows no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import dashboard
from reconciler.services.statistics.counters import Counters
from tests.figures import KNOWN, PEERS, STATUS, FakeFigures
from tests.kernel.prometheus.conftest import PORT, Node, exporting, give, until
from tests.kernel.prometheus.server import Prometheus, prometheus
from tests.namespaces import namespaces


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Prometheus]]:
    """A node on an address of the mesh, and a Prometheus on another node."""
    with namespaces(2) as (here, there):
        here.cable("mesh0", there, "mesh0")
        give(here, "fd00:6d65::a/64", "mesh0")
        give(there, "fd00:6d65::b/64", "mesh0")
        figures, counters = FakeFigures(), Counters()
        with (
            exporting(here, "fd00:6d65::a", figures, counters),
            prometheus(there, tmp_path_factory.mktemp("prometheus"), f"[fd00:6d65::a]:{PORT}") as server,
        ):
            yield Node(here, figures, counters), server


def test_it_answers_with_the_values_of_the_node(scene: tuple[Node, Prometheus]) -> None:
    _, server = scene
    assert server.query("babel_neighbours") == [3]
    assert server.query('babel_neighbour_cost{address="fe80::c", interface="mesh0"}') == [289]
    assert server.query('babel_routes{origin="neighbour", state="fallback"}') == [61]
    assert server.query(f'wireguard_received_bytes_total{{public_key="{PEERS[0].public_key}"}}') == [9_000_000]
    assert server.query('stellwerk_exit_withdrawn{exit="2001:db8:43::/56", cause="carrier"}') == [1]
    (info,) = server.api("query", query="stellwerk_info")["result"]
    assert info["metric"]["node"] == "exit-berlin-7"
    assert info["metric"]["job"] == "stellwerk"


def test_it_has_the_types_and_the_words_of_the_metrics(scene: tuple[Node, Prometheus]) -> None:
    _, server = scene
    found = server.api("targets/metadata", match_target='{job="stellwerk"}')
    types = {one["metric"]: one["type"] for one in found}
    assert types["wireguard_sent_bytes_total".removesuffix("_total")] == "counter"
    assert types["babel_neighbours"] == "gauge"
    assert all(one["help"] for one in found)


def test_it_follows_a_change_and_forgets_at_once_what_is_not_known_any_more(scene: tuple[Node, Prometheus]) -> None:
    node, server = scene
    node.figures.know(KNOWN._replace(neighbours=KNOWN.neighbours[:1]))
    until(lambda: server.query("babel_neighbours") == [1], "one neighbour")
    assert server.query('babel_neighbour_cost{address="fe80::c"}') == []
    node.figures.know(None, "babeld does not answer")
    until(lambda: server.query("babel_up") == [0], "babeld is down")
    assert server.query("babel_neighbours") == []
    assert server.query("babel_neighbour_cost") == []
    node.figures.know(KNOWN)
    until(lambda: server.query("babel_neighbours") == [3], "three neighbours")


def test_alerts_are_loaded_and_pending_by_the_figures(scene: tuple[Node, Prometheus]) -> None:
    _, server = scene
    groups = server.api("rules")["groups"]
    assert [group["name"] for group in groups] == ["stellwerk"]

    def pending() -> set[str]:
        return {one["labels"]["alertname"] for one in server.api("alerts")["alerts"]}

    # The node has an exit without a carrier, and an offender that it refuses.
    until(lambda: {"StellwerkExitWithdrawn", "MeshOffenderRefused", "StellwerkDrift"} <= pending(), "pending alerts")
    until(lambda: not {"StellwerkDown", "BabelDown", "BabelNoNeighbours", "MeshOffender"} & pending(), "no others")
    assert not [rule for rule in server.api("rules")["groups"][0]["rules"] if rule["health"] == "err"]


def test_every_panel_of_the_dashboard_can_be_drawn(scene: tuple[Node, Prometheus]) -> None:
    node, server = scene
    services = [{"name": "respondd", "state": "running", "problem": ""}]
    node.figures.set(status=STATUS | {"services": services})
    until(lambda: server.query("stellwerk_service_up") == [1], "a service")
    queries = {
        # What Grafana puts in for All, and for scrapes of one second.
        target["expr"].replace("$node", ".*").replace("$__rate_interval", "4s")
        for panel in json.loads(dashboard.FILE.read_text())["panels"]
        for target in panel.get("targets", ())
    }

    def empty() -> set[str]:
        """Return those without a value. Raises OSError where one is not understood, or cannot be calculated."""
        return {query for query in queries if not server.query(query)}

    # Nothing is wrong with the links, and no alert has lasted for long enough to fire.
    until(lambda: all("> 0" in query or "ALERTS" in query for query in empty()), "values for all the panels")


def test_the_node_variable_finds_the_node(scene: tuple[Node, Prometheus]) -> None:
    _, server = scene
    (info,) = server.api("query", query="stellwerk_info")["result"]
    assert info["metric"]["instance"] == f"[fd00:6d65::a]:{PORT}"


def test_a_node_that_ends_is_down_and_has_no_series(tmp_path: Path) -> None:
    with (
        namespaces(1) as (namespace,),
        exporting(namespace, "127.0.0.1", FakeFigures(), Counters()) as exporter,
        prometheus(namespace, tmp_path, f"127.0.0.1:{PORT}") as server,
    ):
        exporter.close()
        until(lambda: server.query('up{job="stellwerk"}') == [0], "the node is down")
        assert server.query("babel_neighbours") == []
