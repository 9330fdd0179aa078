"""A value is one small function; what is wrong with one is not wrong with the others."""

from __future__ import annotations

import logging
from types import ModuleType

import pytest

from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.respondd import providers
from reconciler.services.statistics.respondd.document import Sections
from reconciler.services.statistics.respondd.provider import provider, providers_in
from tests.figures import FakeFigures
from tests.pure.respondd.asked import Asked

FAILURES = "stellwerk_respondd_provider_failures_total"


def test_a_value_is_added_by_one_function() -> None:
    @provider("statistics", "more", "exits")
    def exits(figures: Figures) -> int:
        return len(figures.settings.exits)

    sections = Sections(FakeFigures(), exits.providers, Counters().counter(FAILURES, "", ["provider"]))  # type: ignore[attr-defined]
    assert sections.made("statistics").value == {"more": {"exits": 2}}
    assert sections.made("nodeinfo").value == {}


def test_a_section_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no section statistic; there are neighbours, nodeinfo, statistics"):
        provider("statistic", "typo")


def test_those_that_others_import_are_found_once() -> None:
    found = providers_in(providers)
    assert len({one.name for one in found}) == len(found) > 20
    assert {one.section for one in found} == {"nodeinfo", "statistics", "neighbours"}
    assert isinstance(providers, ModuleType)


def test_a_figure_that_fails_takes_nothing_else_with_it(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked()
    whole = asked.told()
    asked.figures.set(system=OSError("no /proc here"))
    with caplog.at_level(logging.WARNING, "stellwerk"):
        for _ in range(10):
            asked.now += 5
            told = asked.told()
    lost = {"uptime", "idletime", "loadavg", "rootfs_usage", "memory", "processes", "stat"}
    assert whole["statistics"].keys() - told["statistics"].keys() == lost
    assert told["neighbours"] == whole["neighbours"]
    assert whole["nodeinfo"].keys() - told["nodeinfo"].keys() == {"hardware"}
    told_of = [record.__dict__["fact"] for record in caplog.records]
    assert len(told_of) == len(lost) + 1, "each once"
    assert {"value": "statistics.uptime", "because": "OSError('no /proc here')"} in told_of
    assert asked.counted("provider_failures", "statistics.uptime") == 10


def test_what_failed_is_tried_again_soon() -> None:
    asked = Asked()
    good = asked.figures.system()
    asked.figures.set(system=OSError("for a moment"))
    assert "hardware" not in asked.told()["nodeinfo"]
    # Of this nobody tells.
    asked.figures._values["system"] = good
    asked.now += 5.1
    assert asked.told()["nodeinfo"]["hardware"]["nproc"] == 2


def test_it_is_told_again_when_it_fails_again(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked()
    good = asked.figures.peers()
    with caplog.at_level(logging.WARNING, "stellwerk"):
        for peers in (ValueError("1"), ValueError("2"), good, ValueError("3")):
            asked.figures.set(peers=peers)
            asked.now += 5
            assert ("mesh_vpn" in asked.told()["statistics"]) is (peers is good)
    assert [record.__dict__["fact"]["because"] for record in caplog.records] == ["ValueError('1')", "ValueError('3')"]


def test_what_json_has_not_is_left_out() -> None:
    asked = Asked()
    asked.figures.set(system=asked.figures.system()._replace(load=(float("nan"), 0.0, 0.0)))
    told = asked.told()["statistics"]
    assert "loadavg" not in told
    assert told["rootfs_usage"] == 0.2475
