"""The JSON of the figures: versioned, described name by name, without secrets and without what is old."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from intent.statistics import Statistics
from reconciler.services.statistics.as_json import as_json
from reconciler.services.statistics.live_figures import LiveFigures
from tests import figures as node
from tests.contract.figures import check
from tests.figures import FakeFigures

DESCRIPTION = Path(__file__).parents[3] / "docs" / "statistics.md"
FREE = {"counts", "objects", "problems"}
"""What is under these has names of its own."""


def told(**values: Any) -> dict[str, Any]:
    """Return what is told of a node, as whoever reads the JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps(as_json(FakeFigures(**values)), allow_nan=False))
    return found


def names(value: Any, of: str = "") -> Iterator[str]:
    if isinstance(value, dict) and of not in FREE:
        for name, one in value.items():
            yield name
            yield from names(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from names(one, of)


def test_every_name_is_described() -> None:
    described = set(re.findall(r"`([a-z0-9_]+)`", DESCRIPTION.read_text(encoding="utf-8")))
    assert set(names(told())) - described == set()


def test_the_same_parts_are_there_whatever_the_node_has() -> None:
    nothing: dict[str, Any] = {
        "babel": None,
        "links": {},
        "addresses": {},
        "peers": (),
        "firewall": None,
        "status": None,
    }
    bare = FakeFigures(Statistics(node="a"), **nothing)
    assert as_json(bare).keys() == told().keys()
    found = as_json(bare)
    left = [name for name in found if found[name] is None]
    assert left == ["babel", "wireguard", "firewall", "services", "exits", "reconciler", "offenders"]
    assert found["ways_out"] == {"ipv6": None, "ipv4": None, "all": []}


def test_it_says_its_version() -> None:
    assert told()["stellwerk_stats"] == 1


def test_a_node_in_words_of_a_reader() -> None:
    found = told()
    assert found["node"]["node_id"] == node.NODE_ID
    assert found["system"]["memory_total_bytes"] == 128 << 20
    assert found["system"]["model"] == "PC Engines APU2"
    assert [one["cost"] for one in found["babel"]["known"]["neighbours"]] == [96, 289, 65535]
    assert found["babel"]["known"]["neighbours"][1]["rtt_seconds"] == 0.012345
    assert {one["name"]: one["role"] for one in found["links"]} == {
        **{"gre-provider": "tunnel", "lo": None, "mesh0": "mesh", "wg-mesh": "mesh", "wlan0": "mesh"}
    }
    assert [one["roamed"] for one in found["wireguard"]] == [False, True, False]
    assert found["firewall"][0] == {"counter": "spoofed_in", "packets_total": 12, "bytes_total": 1536}
    assert (found["exits"]["announced"], found["exits"]["withdrawn"]) == (1, 1)
    assert found["reconciler"]["changes_total"] == 42
    assert found["reconciler"]["last_round_duration_seconds"] == 0.25
    assert found["reconciler"]["quarantined"] == 1
    assert found["offenders"]["counts"] == {"default": 1}
    assert found["ways_out"]["ipv6"]["here"]


def test_what_is_not_known_of_babeld_is_not_told() -> None:
    figures = FakeFigures()
    figures.know(None, "babeld does not answer")
    babel = as_json(figures)["babel"]
    assert (babel["known"], babel["problem"]) == (None, "babeld does not answer")
    assert "age_seconds" not in babel


def test_routes_that_are_not_kept_are_not_counted() -> None:
    figures = FakeFigures()
    figures.know(node.KNOWN._replace(counts=None, routers=None))
    known = as_json(figures)["babel"]["known"]
    assert (known["routes"], known["routers"]) == (None, None)


def test_a_status_of_an_older_daemon() -> None:
    status = {name: value for name, value in node.STATUS.items() if name != "work"}
    assert "changes_total" not in told(status=status)["reconciler"]


def test_the_figures_set_by_hand_are_of_their_types() -> None:
    check(FakeFigures())


@pytest.mark.parametrize("settings", [Statistics(node="a"), Statistics(node="a", wireguard=("absent0",))])
def test_the_figures_of_this_machine_are_of_their_types(settings: Statistics) -> None:
    with closing(LiveFigures(settings, None)) as figures:
        check(figures)
        json.dumps(as_json(figures), allow_nan=False)
