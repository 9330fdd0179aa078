"""Prometheus' own tool on what is answered, and on the rules that come with it."""

from __future__ import annotations

import subprocess

import pytest

from reconciler.backends.babel_table import Route
from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.respondd.tally import Tally
from tests.figures import BABEL, KNOWN, STATUS, FakeFigures
from tests.kernel.prometheus.server import ALERTS
from tests.scraped import listening, scraped

HOSTILE = 'a"b\\c\nd\x00\udcff{}'


def promtool(*words: str, text: str = "") -> str:
    done = subprocess.run(
        ["promtool", *words], input=text.encode(), capture_output=True, cwd=ALERTS.parent, timeout=60, check=False
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def everything() -> str:
    """Return what a node says that has everything, in the words of strangers too."""
    route = Route("fd00::/64", "::/0", True, "02:00:00:ff:fe:00:00:0b", 96, 0, "fe80::b", "mesh0")
    babel = BABEL._replace(known=KNOWN._replace(version=HOSTILE, routes=(route,)))
    services = [{"name": "respondd", "state": "running", "problem": ""}]
    counters = Counters()
    Tally(counters)
    settings = listening("::1", routes=True)
    return scraped(FakeFigures(settings=settings, babel=babel, status=STATUS | {"services": services}), counters).text


def test_it_finds_nothing_wrong_in_the_metrics() -> None:
    assert promtool("check", "metrics", text=everything()) == ""


def test_it_would_find_something() -> None:
    with pytest.raises(AssertionError, match="_total"):
        promtool("check", "metrics", text="# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n")


def test_it_finds_nothing_wrong_in_the_alerts() -> None:
    assert "SUCCESS" in promtool("check", "rules", "alerts.yml")


def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")
