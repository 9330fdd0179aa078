"""A daemon that starts without knowing what the checks said leaves what is announced as it is until they say so."""

from __future__ import annotations

from tests.host import until
from tests.kernel.exit_health.conftest import CHECKED, PREFIXES, Place
from tests.kernel.exit_health.test_withdrawing import FIRST, SECOND, _offer


def test_an_exit_outlives_the_loss_of_the_verdict(place: Place) -> None:
    daemon = place.synced(CHECKED)
    daemon.end()
    (verdict,) = place.node.folder.rglob("health.json")
    verdict.unlink()
    place.uplink_answers(False)
    route = place.way_out(FIRST)
    daemon = place.start.synced(place.node.folder / "node.yaml")
    assert place.way_out(FIRST) == route
    assert place.heard() == set(PREFIXES)
    until(lambda: place.heard() == {SECOND}, "the end of the first exit at the neighbour")
    daemon.until(lambda _: _offer(daemon, FIRST)["cause"] == "checks", "the exit to be withdrawn")


def test_a_new_exit_waits_for_its_first_check(place: Place) -> None:
    place.uplink_answers(False)
    daemon = place.start.synced(place.node.node_file(CHECKED))
    until(lambda: place.heard() == {SECOND}, "the second exit at the neighbour")
    daemon.until(lambda _: _offer(daemon, FIRST)["cause"] == "checks", "the first exit to be withdrawn")
    assert not place.way_out(FIRST)
