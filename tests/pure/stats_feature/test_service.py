"""What becomes of the answers when the settings change, and when they cannot start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from intent.statistics import About, Listen, PageSettings, PrometheusSettings, RespondSettings, Statistics
from reconciler.core.errors import StaleError
from reconciler.services.attempts import LONGEST_ABSENT_SECONDS, LONGEST_SECONDS, LOOK_SECONDS
from reconciler.services.statistics.service import StatisticsService
from tests.pure.stats_feature.conftest import Theatre, taken

ALL = Statistics(
    node="berlin-7",
    respondd=RespondSettings(interfaces=("mesh0",)),
    prometheus=PrometheusSettings(listen=Listen(address="::1", port=9742)),
    page=PageSettings(listen=Listen(address="::1", port=8080)),
)


@pytest.fixture
def service(theatre: Theatre) -> StatisticsService:
    return StatisticsService(None)


def test_only_what_differs_is_begun_anew(service: StatisticsService, theatre: Theatre) -> None:
    service.attend(ALL, 0.0)
    assert theatre.take() == ["+ figures", "+ respondd", "+ prometheus", "+ page"]
    service.attend(ALL, 1.0)
    assert theatre.take() == []
    moved = replace(ALL, page=PageSettings(listen=Listen(address="::1", port=8081)))
    service.attend(moved, 2.0)
    assert theatre.take() == ["- page", "+ page"]
    service.attend(replace(moved, prometheus=None), 3.0)
    assert theatre.take() == ["- prometheus"]
    service.attend(replace(moved, about=About(contact="noc@example.org")), 4.0)
    assert theatre.take() == ["- respondd", "- page", "- figures", "+ figures", "+ respondd", "+ prometheus", "+ page"]
    service.close()
    assert theatre.take()[-1] == "- figures"


def test_what_respondd_counts_is_what_prometheus_shows_also_after_a_change(
    service: StatisticsService, theatre: Theatre
) -> None:
    service.attend(ALL, 0.0)
    first = dict(theatre.counters)
    assert first["prometheus"] is first["respondd"] is not None
    service.attend(replace(ALL, about=About(contact="noc@example.org")), 1.0)
    assert theatre.counters == first


def test_two_answers_may_change_places(service: StatisticsService, theatre: Theatre) -> None:
    service.attend(ALL, 0.0)
    theatre.take()
    other = replace(
        ALL,
        prometheus=PrometheusSettings(listen=Listen(address="::1", port=8080)),
        page=PageSettings(listen=Listen(address="::1", port=9742)),
    )
    service.attend(other, 1.0)
    told = theatre.take()
    assert {told[0], told[1]} == {"- prometheus", "- page"}


def test_each_answer_is_tried_again_for_itself(service: StatisticsService, theatre: Theatre) -> None:
    theatre.failing["prometheus"] = taken("prometheus")
    service.attend(ALL, 0.0)
    assert theatre.take() == ["+ figures", "+ respondd", "+ page"]
    assert {state.name: state.problem for state in service.states()} == {
        "respondd": "",
        "prometheus": "prometheus cannot listen: the port is taken",
        "page": "",
    }
    service.close()
    only = replace(ALL, respondd=None, page=None)
    alone = StatisticsService(None)
    waits, due = pauses(alone, only)
    assert waits[0] < 2
    assert waits[-1] > LONGEST_SECONDS / 2
    assert max(waits) < LONGEST_SECONDS + 0.001
    assert "+ prometheus" not in theatre.take()
    del theatre.failing["prometheus"]
    alone.attend(only, due)
    assert theatre.take() == ["+ prometheus"]
    assert [state.problem for state in alone.states()] == [""]


def pauses(service: StatisticsService, settings: Statistics) -> tuple[list[float], float]:
    """Return the seconds between twelve attempts, and when the next one is."""
    waits, now, due = [], 0.0, service.attend(settings, 0.0)
    for _ in range(12):
        waits.append(due - now)
        now, due = due, service.attend(settings, due)
    return waits, due


def test_an_address_that_is_not_there_yet_is_looked_for_often(service: StatisticsService, theatre: Theatre) -> None:
    theatre.failing["page"] = StaleError("this node does not have the address (now)")
    waits, _ = pauses(service, replace(ALL, respondd=None, prometheus=None))
    assert max(waits) < LONGEST_ABSENT_SECONDS + 0.001 < LONGEST_SECONDS


def test_what_dies_is_shown_and_started_again(service: StatisticsService, theatre: Theatre) -> None:
    due = service.attend(ALL, 0.0)
    assert due <= LOOK_SECONDS
    theatre.take()
    theatre.dead.add("respondd")
    due = service.attend(ALL, LOOK_SECONDS)
    assert theatre.take() == ["- respondd"]
    assert [bool(state.problem) for state in service.states()] == [True, False, False]
    theatre.dead.clear()
    service.attend(ALL, due)
    assert theatre.take() == ["+ respondd"]
    assert [state.problem for state in service.states()] == ["", "", ""]


def test_what_dies_at_once_each_time_is_started_less_and_less_often(
    service: StatisticsService, theatre: Theatre
) -> None:
    theatre.dead.add("prometheus")
    waits, _ = pauses(service, replace(ALL, respondd=None, page=None))
    assert max(waits) > 2 * LOOK_SECONDS


def test_a_fault_of_an_answer_is_no_fault_of_the_others(
    service: StatisticsService, theatre: Theatre, caplog: pytest.LogCaptureFixture
) -> None:
    theatre.failing["respondd"] = ZeroDivisionError("in a provider")
    service.attend(ALL, 0.0)
    assert theatre.take() == ["+ figures", "+ prometheus", "+ page"]
    assert "ZeroDivisionError" in service.states()[0].problem
    assert "test_service" not in service.states()[0].problem
    (crash,) = (record for record in caplog.records if record.getMessage() == "service crashed")
    assert "in a provider" in crash.__dict__["fact"]["traceback"]


def test_a_library_that_is_missing_is_named_with_what_installs_it(
    service: StatisticsService, theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jinja2" else real(name))
    service.attend(replace(ALL, prometheus=None), 0.0)
    (problem,) = (state.problem for state in service.states() if state.name == "page")
    assert "jinja2" in problem
    assert "pip install 'stellwerk[page]'" in problem
    assert theatre.take() == ["+ figures", "+ respondd"]
