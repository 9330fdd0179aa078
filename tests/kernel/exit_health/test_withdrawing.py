"""An exit goes, at the neighbour too, when its uplink fails, its carrier is lost or it is drained; and comes back."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from tests.host import until
from tests.kernel.daemon.running import Daemon, within
from tests.kernel.exit_health.conftest import CHECKED, PREFIXES, UNCHECKED, Place

EVERY, FALL, RISE = 1, 3, 2
FIRST, SECOND = PREFIXES
HEARD_SECONDS = 2.0
"""Within what time after a drain has ended even a neighbour on a busy machine has heard of it."""
CARRIER_SECONDS = 2.0


def _offer(daemon: Daemon, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in daemon.status()["offers"] if one["name"] == name)
    return found


def test_a_failing_uplink_check_withdraws_the_exit_and_it_comes_back(place: Place) -> None:
    daemon = place.synced(CHECKED)
    assert _offer(daemon, FIRST)["state"] == "announced"

    def seconds() -> float:
        until(lambda: place.heard() == set(PREFIXES), "both exits at the neighbour")
        begun = time.monotonic()
        place.uplink_answers(False)
        until(lambda: place.heard() == {SECOND}, "the end of the first exit at the neighbour")
        took = time.monotonic() - begun
        daemon.until(lambda _: _offer(daemon, FIRST)["state"] == "withdrawn", "the exit to be withdrawn")
        shown = _offer(daemon, FIRST)
        assert shown["cause"] == "checks"
        assert "no answer within 1s" in shown["reason"]
        assert not place.way_out(FIRST)
        assert daemon.status()["health"]["state"] == "degraded"
        # Whatever the uplink does meanwhile: the guard against loops stays.
        assert f"throw {FIRST}" in place.node.namespace.ip("-6", "route", "show", "table", "10")
        place.uplink_answers(True)
        until(lambda: place.heard() == set(PREFIXES), "both exits at the neighbour")
        return took

    print("seconds until a failed uplink is withdrawn", within(seconds, FALL * EVERY + 2))
    said = place.node.stellwerk("history", *place.node.state()).out
    assert "withdrawn" in said
    assert "taken back" in said
    assert "no answer within 1s" in daemon.said()


def test_a_pulled_cable_withdraws_the_exits_at_once(place: Place) -> None:
    daemon = place.synced(UNCHECKED)

    def seconds() -> float:
        until(lambda: place.heard() == set(PREFIXES), "both exits at the neighbour")
        begun = time.monotonic()
        place.carrier(False)
        until(lambda: not place.heard(), "the end of the exits at the neighbour")
        took = time.monotonic() - begun
        daemon.until(lambda _: _offer(daemon, FIRST)["state"] == "withdrawn", "the exit to be withdrawn")
        assert _offer(daemon, FIRST)["reason"] == "wan has no carrier"
        place.carrier(True)
        until(lambda: place.heard() == set(PREFIXES), "both exits at the neighbour")
        return took

    print("seconds until a pulled cable is heard", within(seconds, CARRIER_SECONDS))
    daemon.until(lambda status: status["health"]["state"] == "healthy", "all well")


def test_an_uplink_that_is_set_down_here_withdraws_the_exits(place: Place) -> None:
    """The kernel takes the routes away by itself then; the neighbour is told all the same."""
    daemon = place.synced(UNCHECKED)
    place.node.namespace.ip("link", "set", "wan", "down")
    begun = time.monotonic()
    until(lambda: not place.heard(), "the end of the exits at the neighbour")
    print("seconds until an uplink that is down is heard", time.monotonic() - begun)
    daemon.until(lambda status: status["sync"]["state"] == "synced", "a node in sync")
    assert _offer(daemon, FIRST)["reason"] == "wan is down"
    place.node.namespace.ip("link", "set", "wan", "up")
    until(lambda: place.heard() == set(PREFIXES), "both exits at the neighbour")


def test_a_drained_exit_is_gone_soon_after_the_command_ends_and_back_after_undrain(place: Place) -> None:
    daemon = place.synced(CHECKED)
    said = place.node.stellwerk("drain", FIRST, "--reason", "new kernel", *place.node.state())
    assert (said.code, said.out) == (0, f"{FIRST}: drained until `stellwerk undrain`\n"), said
    ended = time.monotonic()
    until(lambda: place.heard() == {SECOND}, "the end of the exit at the neighbour")
    assert time.monotonic() - ended < HEARD_SECONDS
    assert not place.way_out(FIRST)
    status = daemon.status()
    assert (status["sync"]["state"], status["health"]["state"]) == ("synced", "healthy")
    assert "drained by hand: new kernel" in place.node.stellwerk("status", *place.node.state()).out
    plan = place.node.stellwerk("plan", place.node.folder / "node.yaml", *place.node.state())
    assert (plan.code, "drained by hand: new kernel" in plan.err) == (0, True), plan
    daemon.end()
    place.start.synced(place.node.folder / "node.yaml")
    assert place.heard() == {SECOND}
    said = place.node.stellwerk("undrain", "--json", *place.node.state())
    assert said.code == 0, said
    (back,) = json.loads(said.out)["offers"]
    assert back["state"] == "announced"
    until(lambda: place.heard() == set(PREFIXES), "both exits at the neighbour")


def test_a_drain_ends_by_itself(place: Place) -> None:
    place.synced(UNCHECKED)
    assert place.node.stellwerk("drain", "--for", "2s", *place.node.state()).code == 0
    until(lambda: place.heard() == set(PREFIXES), "both exits at the neighbour")


def test_without_a_daemon_it_is_drained_by_the_command(place: Place) -> None:
    file = place.node.node_file(CHECKED)
    assert place.node.apply(file).code == 0
    until(lambda: place.heard() == set(PREFIXES), "both exits at the neighbour")
    said = place.node.stellwerk("drain", *place.node.state())
    assert (said.code, said.out.count(": drained until `stellwerk undrain`\n")) == (0, 2), said
    assert not place.heard()
    # A daemon that begins holds it so.
    daemon = place.start.synced(file)
    assert not place.heard()
    assert {one["state"] for one in daemon.status()["offers"]} == {"withdrawn"}


def test_by_hand_a_failing_uplink_is_not_announced(place: Place) -> None:
    place.uplink_answers(False)
    said = place.node.apply(place.node.node_file(CHECKED))
    assert said.code == 0, said
    assert f"exit {FIRST} is withdrawn: ping" in said.err
    until(lambda: place.heard() == {SECOND}, "the second exit at the neighbour")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_keeps_the_verdict(place: Place, number: signal.Signals) -> None:
    daemon = place.synced(CHECKED)
    file = place.node.folder / "node.yaml"
    daemon.end(number)
    # Nobody checks now: a daemon that begins keeps the exit until the checks have failed often enough.
    place.uplink_answers(False)
    daemon = place.start.synced(file)
    assert place.heard() == set(PREFIXES)
    until(lambda: place.heard() == {SECOND}, "the end of the first exit at the neighbour")
    daemon.until(lambda _: _offer(daemon, FIRST)["state"] == "withdrawn", "the exit to be withdrawn")
    since = _offer(daemon, FIRST)["since"]
    daemon.end(number)
    daemon = place.start.synced(file)
    shown = _offer(daemon, FIRST)
    assert (shown["state"], shown["since"]) == ("withdrawn", since)
    assert place.heard() == {SECOND}


@pytest.mark.parametrize("pause", [0.0, 0.1, 0.6])
def test_killed_in_the_middle_of_a_drain_the_next_daemon_ends_it(place: Place, pause: float) -> None:
    daemon = place.synced(UNCHECKED)
    place.start.client("drain", FIRST)
    until(lambda: "proto 243" in place.way_out(FIRST), "the handing over")
    time.sleep(pause)  # Not a condition: moments of the drain to be killed at.
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.wait()
    daemon = place.start.synced(place.node.folder / "node.yaml")
    assert not place.way_out(FIRST)
    until(lambda: place.heard() == {SECOND}, "the end of the first exit at the neighbour")
    assert _offer(daemon, FIRST)["cause"] == "drained"
    assert place.node.stellwerk("undrain", *place.node.state()).code == 0
    until(lambda: place.heard() == set(PREFIXES), "both exits at the neighbour")
