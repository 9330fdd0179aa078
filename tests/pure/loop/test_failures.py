"""What fails is tried again in its own time, and the rest goes on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest

from intent.resources.resource import Request
from reconciler.core.backend import News
from reconciler.core.errors import BusyError, DamagedStateError, RejectedError, UnsupportedError
from tests.pure.core.thing import Make, key
from tests.pure.loop.rig import ToyStage, document, toy_stage


def attempts(toys: ToyStage, name: str, seconds: float) -> list[float]:
    """Return when, from now on, something was tried on a toy, in seconds."""
    start, times = toys.clock.now(), list[float]()
    seen = toys.backend.tried.count(name)

    def note() -> None:
        nonlocal seen
        now = toys.backend.tried.count(name)
        times.extend([toys.clock.now() - start] * (now - seen))
        seen = now

    toys.after_turn = note
    toys.run(seconds)
    return times


@pytest.mark.parametrize("seed", range(5))
def test_what_fails_is_tried_again_from_a_tenth_of_a_second_to_five_minutes(seed: int) -> None:
    toys = toy_stage(random=Random(seed).random)
    toys.backend.errors["a"] = BusyError("a is busy")
    toys.file("a; b")
    times = attempts(toys, "a", 3 * 3600)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert "b" in toys.backend.things
    assert pauses[0] <= 0.15
    for number, pause in enumerate(pauses):
        assert min(300, 0.1 * 2**number) * 0.74 <= pause <= min(300, 0.1 * 2**number * 1.26) + 0.001
    assert pauses[-1] >= 300 * 0.74
    assert len(set(pauses[-10:])) > 1


def test_news_of_nothing_at_the_time_of_an_attempt_do_not_put_it_off(toys: ToyStage) -> None:
    toys.backend.errors["a"] = BusyError("a is busy")
    toys.file("a; b")
    toys.run(10)
    tried = toys.backend.tried.count("a")
    for _ in range(4):
        toys.clock.advance_to(toys.loop.due())
        toys.hear()
        toys.run()
    assert toys.backend.tried.count("a") >= tried + 2


def test_it_is_told_once_and_shown_as_long_as_it_fails(toys: ToyStage) -> None:
    toys.backend.errors["a"] = BusyError("a is busy")
    toys.file("a; b")
    toys.run(600)
    assert toys.history.events() == ["failed"]
    (told,) = toys.status["objects"]
    assert (told["description"], told["state"], told["reason"]) == ("thing a", "failed", "a is busy")
    assert 0 < told["retry_in"] <= 300
    assert toys.status["health"]["state"] == "degraded"
    toys.backend.errors.clear()
    toys.run(400)
    assert toys.there() == "a; b"
    assert toys.status["health"] == {**toys.status["health"], "state": "healthy", "reasons": []}


def test_what_fails_again_after_it_was_in_order_is_told_again(toys: ToyStage) -> None:
    toys.file("a; b")
    for _ in range(2):
        toys.backend.errors["a"] = BusyError("a is busy")
        toys.backend.things.pop("a", None)
        toys.hear("thing")
        toys.run(10)
        toys.backend.errors.clear()
        toys.run(60)
        assert toys.there() == "a; b"
    assert toys.history.events().count("failed") == 2


def test_others_are_repaired_at_once_while_one_waits(toys: ToyStage) -> None:
    toys.backend.errors["a"] = BusyError("a is busy")
    toys.file("a; b")
    toys.run(600)
    toys.lose("b")
    toys.run()
    assert toys.there() == "b"


def test_what_needs_a_failed_one_waits_with_it_and_nothing_spins(toys: ToyStage) -> None:
    toys.backend.errors["a"] = BusyError("a is busy")
    toys.file("a; b needs=a; c needs=b; d")
    toys.run(60)
    assert toys.there() == "d"
    looks = toys.backend.looks
    toys.run(3600)
    assert toys.backend.looks - looks < 100
    toys.backend.errors.clear()
    toys.run(330)
    assert toys.there() == "a; b needs=a; c needs=b; d"


def test_a_replacement_that_fails_half_way_is_finished_later(toys: ToyStage) -> None:
    toys.file("a; b needs=a")
    toys.run(1)

    def jam() -> None:
        if "a" not in toys.backend.things:
            toys.backend.errors["a"] = BusyError("a is busy")

    toys.backend.after_request = jam
    toys.file("a colour=red; b needs=a")
    toys.run(1)
    assert toys.there() == ""
    toys.backend.after_request = lambda: None
    toys.backend.errors.clear()
    toys.run(60)
    assert toys.there() == "a colour=red; b needs=a"


def test_what_was_only_skipped_is_not_called_failed(toys: ToyStage) -> None:
    """Of a replaced object the deletion is done, and the creation waits for something that failed."""
    toys.file("a; b needs=a")
    toys.run(1)
    toys.backend.errors["c"] = BusyError("c is busy")
    toys.file("a; c; b needs=a,c colour=red")
    toys.run(1)
    failed = {told["description"]: told["reason"] for told in toys.status["objects"] if told["state"] == "failed"}
    assert failed == {"thing c": "c is busy"}


def test_where_trying_again_does_not_help_it_is_not_tried_again(toys: ToyStage) -> None:
    toys.backend.errors["a"] = RejectedError("a is not possible")
    toys.file("a; b")
    toys.run(2 * 3600)
    assert toys.backend.tried.count("a") == 1
    assert toys.status["objects"][0]["retry_in"] is None


def test_reconcile_tries_everything_again(toys: ToyStage) -> None:
    toys.backend.errors["a"] = RejectedError("a is not possible")
    toys.file("a; b")
    toys.run(600)
    toys.backend.errors.clear()
    toys.loop.reconcile()
    toys.run()
    assert toys.there() == "a; b"
    assert toys.status["health"]["state"] == "healthy"


def test_a_new_intent_tries_everything_again(toys: ToyStage) -> None:
    toys.backend.errors["a"] = RejectedError("a is not possible")
    toys.file("a; b")
    toys.run(600)
    toys.backend.errors.clear()
    toys.file("a; b; c")
    toys.run()
    assert toys.there() == "a; b; c"


def test_what_is_done_but_is_not_so_at_the_second_look_is_not_hammered(toys: ToyStage) -> None:
    toys.backend.forgets.add("a")
    toys.file("a; b")
    times = attempts(toys, "a", 3600)
    assert "b" in toys.backend.things
    assert len(times) < 30
    assert times[1] - times[0] >= 0.07
    assert any("at a second look it was not so" in reason for reason in toys.status["health"]["reasons"])


def test_a_failure_is_forgotten_when_the_object_is_there_after_all(toys: ToyStage) -> None:
    toys.backend.errors["a"] = BusyError("a is busy")
    toys.file("a; b")
    toys.run(600)
    toys.backend.errors.clear()
    toys.put("a")
    toys.run()
    assert toys.status["sync"]["state"] == "synced"
    assert toys.status["health"]["reasons"] == []


def test_what_the_node_lacks_is_shown_and_the_rest_is_done(toys: ToyStage, monkeypatch: pytest.MonkeyPatch) -> None:
    lack = UnsupportedError("this kernel cannot make a")

    def lacks(requests: Sequence[Request]) -> list[UnsupportedError]:
        return [lack] if any(isinstance(one, Make) and one.thing.name == "a" for one in requests) else []

    monkeypatch.setattr(toys.backend, "lacks", lacks)
    toys.file("a; b needs=a; c")
    toys.run(600)
    assert toys.there() == "c"
    assert "a" not in toys.backend.tried
    assert toys.status["health"]["reasons"] == ["this kernel cannot make a"]
    (told,) = toys.history.of("failed")
    assert [one.get("error") for one in told["operations"]] == ["this kernel cannot make a", None]


# What is in the way.


def test_a_conflict_holds_only_what_hangs_together_with_it(toys: ToyStage) -> None:
    toys.put("a size=7 foreign")
    toys.file("a; b needs=a; c; d needs=c")
    toys.run(600)
    assert toys.there() == "a size=7 foreign; c; d needs=c"
    (told,) = [one for one in toys.status["objects"] if one["state"] == "in conflict"]
    assert "not ours" in told["reason"]
    assert toys.status["sync"]["state"] == "drifted"
    assert toys.status["health"]["state"] == "degraded"


def test_when_it_is_out_of_the_way_the_rest_is_done(toys: ToyStage) -> None:
    toys.put("a size=7 foreign")
    toys.file("a; b needs=a; c")
    toys.run(600)
    toys.lose("a")
    toys.run()
    assert toys.there() == "a; b needs=a; c"
    assert toys.status["health"]["state"] == "healthy"


def test_what_was_there_in_its_place_is_not_removed_for_a_conflict(toys: ToyStage) -> None:
    toys.file("a holds=port; b")
    toys.run(1)
    toys.put("foe taken=slot2 foreign")
    toys.file("b; c holds=port,slot2")
    toys.run(60)
    assert toys.there() == "a holds=port; b; foe taken=slot2 foreign"


# The disk.


def test_a_full_disk_is_told_once_and_the_pauses_grow(toys: ToyStage) -> None:
    toys.file("a; b")
    toys.run(1)
    toys.disk.full.add("inventory")
    toys.backend.things.clear()
    toys.disk.inventory = type(toys.disk.inventory)()
    toys.restart()
    toys.backend.looks = 0
    toys.run(600)
    assert toys.there() == ""
    assert toys.backend.looks < 40
    assert len(toys.history.of("failed")) == 1
    assert any("no space left" in reason for reason in toys.status["health"]["reasons"])
    toys.disk.full.clear()
    toys.run(330)
    assert toys.there() == "a; b"
    assert toys.status["health"]["reasons"] == []


def test_what_needs_no_record_is_repaired_with_a_full_disk(toys: ToyStage) -> None:
    toys.file("a; b")
    toys.run(1)
    toys.disk.full |= {"inventory", "intents", "suspension"}
    toys.alter("a", size=9)
    toys.run()
    assert toys.there() == "a; b"


def test_a_history_that_cannot_be_written_keeps_nothing_from_being_done(toys: ToyStage) -> None:
    toys.history.full = True
    toys.file("a; b")
    toys.run(1)
    assert toys.there() == "a; b"
    assert any("history cannot be written" in reason for reason in toys.status["health"]["reasons"])
    assert toys.status["recent"][-1]["event"] == "changed"
    toys.history.full = False
    toys.lose("a")
    toys.run()
    assert toys.status["health"]["reasons"] == []


def test_a_damaged_inventory_keeps_everything_as_it_is_until_it_is_mended(toys: ToyStage) -> None:
    toys.file("a; b")
    toys.run(1)
    toys.disk.damaged["inventory"] = DamagedStateError("inventory.json", "inventory.json is damaged")
    toys.restart()
    toys.lose("a")
    toys.run(600)
    assert toys.there() == "b"
    assert any("is damaged" in reason for reason in toys.status["health"]["reasons"])
    del toys.disk.damaged["inventory"]
    toys.loop.reconcile()
    toys.run()
    assert toys.there() == "a; b"


def test_a_new_file_does_not_wait_until_the_pause_after_a_failed_round_is_over(toys: ToyStage) -> None:
    toys.file("a; b")
    toys.run(1)
    toys.interpreter.fails["a; b"] = BusyError("names cannot be looked up")
    toys.restart()
    toys.run(3600)
    assert toys.loop.due() > toys.clock.now() + 30
    toys.file("a; b; c")
    toys.run()
    assert toys.there() == "a; b; c"


def test_the_digest_of_what_did_it_is_told(toys: ToyStage) -> None:
    toys.file("a")
    toys.run()
    assert toys.history.entries[-1]["digest"] == document("a").digest


def test_news_of_its_table_shorten_the_wait_to_a_second(toys: ToyStage) -> None:
    toys.backend.errors["a"] = BusyError("a is busy")
    toys.file("a; b")
    toys.run(900)
    del toys.backend.errors["a"]
    (told,) = toys.status["objects"]
    assert told["retry_in"] > 30
    toys.lose("b")
    toys.run(1.1)
    assert toys.there() == "a; b"


def test_what_our_own_attempts_stir_up_does_not_shorten_the_wait(toys: ToyStage) -> None:
    toys.backend.errors["a"] = BusyError("a is busy")
    toys.file("a")
    toys.backend.after_request = lambda: None
    tries: list[float] = []

    def echo() -> None:
        if toys.backend.tried.count("a") > len(tries):
            tries.append(toys.clock.now())
            toys.hear("thing")

    toys.after_turn = echo
    toys.run(900)
    assert tries[-1] - tries[-2] > 100


def test_what_fails_slowly_waits_from_its_end_on(toys: ToyStage) -> None:
    toys.backend.errors["slow"] = BusyError("did not end in time")
    toys.backend.seconds = 40
    toys.file("slow")
    start = toys.clock.now()
    toys.loop.turn()
    assert toys.clock.now() - start == 40
    toys.loop.turn()
    assert toys.backend.tried == ["slow"]


def test_no_attempt_is_lost_while_it_is_decided(toys: ToyStage, monkeypatch: pytest.MonkeyPatch) -> None:
    toys.backend.errors["a"] = BusyError("a is busy")
    toys.file("a")
    toys.run(0.01)
    del toys.backend.errors["a"]
    # Time goes on between any two looks at the clock.
    now = toys.clock.now

    def ticking() -> float:
        toys.clock.advance(0.02)
        return now()

    monkeypatch.setattr(toys.clock, "now", ticking)
    for _ in range(30):
        toys.loop.hear(News(frozenset({"thing"})))
        toys.loop.turn()
    monkeypatch.undo()
    toys.run(2)
    assert toys.there() == "a"


def test_a_removal_that_cannot_be_recorded_is_told_as_done(toys: ToyStage) -> None:
    toys.file("a; b")
    toys.run(1)
    toys.disk.full.add("inventory")
    toys.file("a")
    toys.run(1)
    assert toys.there() == "a"
    assert [one["description"] for one in toys.history.of("changed")[-1]["operations"]] == ["thing b"]
    assert toys.status["health"]["state"] == "degraded"
    toys.disk.full.clear()
    toys.run(400)
    assert key("b") not in toys.disk.inventory.entries
    assert toys.status["health"]["state"] == "healthy"
