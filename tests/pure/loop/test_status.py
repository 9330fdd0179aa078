"""What the status says."""

from __future__ import annotations

import json

from reconciler.core.errors import BusyError
from tests.pure.loop.rig import ToyStage, document


def test_before_the_first_round_everything_is_unknown(toys: ToyStage) -> None:
    found = toys.status
    assert found["stellwerk_status"] == 1
    assert found["sync"]["state"] == "unknown"
    assert found["health"]["state"] == "degraded"
    json.dumps(found)


def test_a_node_that_is_as_it_should_be(toys: ToyStage) -> None:
    toys.file("a; b needs=a")
    begun = toys.clock.wall()
    toys.run(1000)
    found = json.loads(json.dumps(toys.status))
    assert found["node"] == "toys"
    assert found["mode"] == {"mode": "enforce"}
    assert found["sync"] == {"state": "synced", "since": begun, "reason": "in sync"}
    assert found["health"] == {"state": "healthy", "since": begun, "reasons": []}
    assert found["objects"] == []
    assert found["owned"] == 2
    assert found["trial"] is None
    digest = document("a; b needs=a").digest
    assert (found["intent"]["held"], found["intent"]["good"], found["intent"]["tried"]) == (digest, digest, digest)
    assert [one["event"] for one in found["recent"]] == ["changed"]


def test_what_was_done_is_counted_and_the_latest_round_has_its_time(toys: ToyStage) -> None:
    assert toys.status["work"] == {"changes": 0, "failures": 0, "last_round": None}
    toys.file("a; b needs=a")
    begun = toys.clock.wall()
    toys.run(100)
    first = toys.status["work"]
    assert (first["changes"], first["failures"]) == (2, 0)
    assert begun <= first["last_round"]["time"] <= begun + 100
    assert first["last_round"]["seconds"] >= 0
    toys.file("a; b needs=a; c")
    toys.run(100)
    second = toys.status["work"]
    assert second["changes"] == 3
    assert second["last_round"]["time"] > first["last_round"]["time"]


def test_each_attempt_that_fails_is_counted(toys: ToyStage) -> None:
    toys.backend.errors["a"] = BusyError("a is busy")
    toys.file("a; b")
    toys.run(10)
    work = toys.status["work"]
    assert work["changes"] == 1
    assert work["failures"] == toys.backend.tried.count("a") > 1


def test_each_axis_keeps_the_time_since_when_it_is_so(toys: ToyStage) -> None:
    toys.file("a; b")
    toys.run(100)
    toys.file(None, "node.yaml:1:1: is empty")
    wrong_since = toys.clock.wall()
    toys.run(100)
    toys.put("c foreign")
    toys.file("a; b; c size=3")
    toys.run(100)
    toys.file(None, "node.yaml:1:1: is empty")
    toys.run(100)
    found = toys.status
    assert found["health"]["since"] == wrong_since
    assert found["sync"]["state"] == "drifted"
    assert found["sync"]["since"] == wrong_since + 100
    assert found["sync"]["reason"] == "1 in conflict"


def test_what_waits_for_something_outside_is_drift_and_not_ill_health(toys: ToyStage) -> None:
    toys.file("a; b needs=radio")
    toys.run(100)
    assert toys.status["sync"] == {**toys.status["sync"], "state": "drifted", "reason": "1 pending"}
    assert toys.status["health"]["state"] == "healthy"
    (told,) = toys.status["objects"]
    assert (told["state"], told["key"]) == ("pending", ["thing", "b"])
    assert "waits for thing radio" in told["reason"]


def test_a_trial_is_shown_with_the_time_that_is_left(toys: ToyStage) -> None:
    toys.file("a")
    toys.run(1)
    toys.file("confirm=60 checks=1 | b")
    begun = toys.clock.wall()
    toys.run(10)
    digest = document("confirm=60 checks=1 | b").digest
    assert toys.status["trial"] == {"digest": digest, "since": begun, "seconds_left": 50.0, "confirmed_by": "checks"}
    toys.run(60)
    (kept,) = toys.status["intent"]["quarantine"]
    assert kept["digest"] == digest
    assert toys.status["health"]["state"] == "degraded"


def test_thousands_of_objects_do_not_make_it_endless(toys: ToyStage) -> None:
    toys.loop.permission.mode = type(toys.loop.permission.mode).REPORT
    toys.file("; ".join(f"thing{number}" for number in range(2000)))
    toys.run(1)
    assert len(toys.status["objects"]) == 200
    assert toys.status["sync"]["reason"] == "2000 to create"
    assert len(json.dumps(toys.status)) < 100_000


def test_what_was_recent_is_the_same_after_a_restart(toys: ToyStage) -> None:
    toys.file("a; b")
    toys.run(1)
    before = toys.status["recent"]
    assert before
    toys.restart()
    assert toys.status["recent"] == before
