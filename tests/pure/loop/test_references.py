"""What a document refers to has changed: the node follows in the same turn, and no new intent comes of it."""

from __future__ import annotations

import pytest

from reconciler.core.backend import News
from reconciler.core.errors import BusyError, RejectedError
from tests.pure.loop.rig import ToyStage, toy_stage

MAIN = 254


@pytest.fixture
def toys() -> ToyStage:
    """A node whose intent refers to something in a table of which only a part is listened to, and to a whole one."""
    stage = toy_stage()
    stage.interpreter.lives_on = {"route": frozenset({MAIN}), "thing": None}
    stage.interpreter.values = {"prefix": "aaaa"}
    stage.file("deletes=0.1 | a; $prefix; x; y; z")
    stage.run(1)
    assert stage.status["sync"]["state"] == "synced"
    stage.interpreter.asked.clear()
    return stage


def heard(stage: ToyStage) -> None:
    stage.loop.hear(News(heard=frozenset({"route"})))


def test_another_value_is_carried_out_at_the_news_of_it(toys: ToyStage) -> None:
    toys.interpreter.values = {"prefix": "bbbb"}
    before = toys.clock.now()
    heard(toys)
    assert toys.loop.due() <= before
    toys.run()
    assert {"a", "bbbb", "x", "y", "z"} == set(toys.backend.things)
    assert toys.clock.now() == before
    assert toys.history.of("changed")[-1]["because"] == "prefix is bbbb"


def test_it_is_no_new_intent(toys: ToyStage) -> None:
    """No trial, no guard against deletions, nothing adopted; what is held stays what it was."""
    events, held = len(toys.history.entries), toys.status["intent"]
    toys.interpreter.values = {"prefix": "bbbb"}
    heard(toys)
    toys.run(1)
    assert toys.history.events()[events:] == ["changed"]
    assert {**toys.status["intent"], "good_since": 0} == {**held, "good_since": 0}
    assert toys.status["trial"] is None
    assert toys.status["health"]["state"] == "healthy"


def test_news_after_which_the_value_is_the_same_have_nothing_looked_at(toys: ToyStage) -> None:
    looks = toys.backend.looks
    for _ in range(3):
        heard(toys)
        toys.run()
    assert toys.interpreter.asked
    assert toys.backend.looks == looks


def test_news_of_other_things_have_nothing_resolved(toys: ToyStage) -> None:
    toys.loop.hear(News(frozenset({"address"})))
    toys.loop.hear(News(frozenset({"route"})))
    toys.run()
    assert toys.interpreter.asked == []


def test_any_news_of_a_table_that_it_depends_on_as_a_whole_count(toys: ToyStage) -> None:
    toys.interpreter.values = {"prefix": "bbbb"}
    toys.hear("thing")
    toys.run()
    assert "bbbb" in toys.backend.things


def test_lost_news_count(toys: ToyStage) -> None:
    toys.interpreter.values = {"prefix": "bbbb"}
    toys.loop.hear(News(None))
    toys.run()
    assert "bbbb" in toys.backend.things


def test_it_is_listened_to_before_it_is_resolved_for_good(toys: ToyStage) -> None:
    stage = toy_stage()
    stage.interpreter.lives_on = {"thing": frozenset({"all"}), "elsewhere": None}
    stage.interpreter.values = {"prefix": "aaaa"}
    stage.file("a; $prefix")
    stage.loop.turn()
    assert stage.backend.listened == [{"thing": frozenset({"all"})}]
    # What came before the kernel was asked to tell of it.
    stage.interpreter.values = {"prefix": "bbbb"}
    stage.run()
    assert "bbbb" in stage.backend.things
    stage.interpreter.lives_on = {}
    stage.file("a; b")
    stage.run()
    assert stage.backend.listened[1:] == [{}]


def test_tables_without_news_are_asked_by_the_clock(toys: ToyStage) -> None:
    toys.loop.tables_without_news(frozenset({"route"}))
    toys.interpreter.values = {"prefix": "bbbb"}
    toys.run(34)
    assert "bbbb" in toys.backend.things


def test_what_waits_for_its_time_is_asked_then(toys: ToyStage) -> None:
    toys.interpreter.due_at = toys.clock.now() + 10
    toys.interpreter.values = {"prefix": "bbbb"}
    toys.run(9.9)
    assert "aaaa" in toys.backend.things
    toys.run(0.1)
    assert "bbbb" in toys.backend.things
    assert "aaaa" not in toys.backend.things


def test_what_cannot_be_resolved_now_leaves_all_as_it_is_and_is_asked_again(toys: ToyStage) -> None:
    text = toys.interpreter.asked[0] if toys.interpreter.asked else "deletes=0.1 | a; $prefix; x; y; z"
    toys.interpreter.fails[text] = BusyError("the routes cannot be seen")
    toys.interpreter.due_at, toys.interpreter.stays_due = toys.clock.now(), True
    turns = toys.run(10)
    assert turns < 25
    assert "aaaa" in toys.backend.things
    assert "the routes cannot be seen" in toys.status["health"]["reasons"]
    toys.interpreter.fails.clear()
    toys.interpreter.stays_due = False
    toys.interpreter.values = {"prefix": "bbbb"}
    toys.run(1)
    assert "bbbb" in toys.backend.things
    assert toys.status["health"]["state"] == "healthy"


def test_while_it_is_suspended_the_difference_is_seen_and_left(toys: ToyStage) -> None:
    toys.loop.suspend("hands off", None)
    toys.interpreter.values = {"prefix": "bbbb"}
    heard(toys)
    toys.run(1)
    assert "aaaa" in toys.backend.things
    assert toys.status["sync"]["state"] == "drifted"
    toys.loop.resume()
    toys.run(1)
    assert "bbbb" in toys.backend.things


def test_a_value_that_changes_while_a_document_is_on_trial_changes_nothing_about_that() -> None:
    stage = toy_stage()
    stage.interpreter.lives_on = {"route": frozenset({MAIN})}
    stage.interpreter.values = {"prefix": "aaaa"}
    stage.file("a; $prefix")
    stage.run(1)
    stage.file("confirm=60 | a; b; $prefix")
    stage.run(1)
    stage.interpreter.values = {"prefix": "bbbb"}
    heard(stage)
    stage.run(30)
    assert {"a", "b", "bbbb"} == set(stage.backend.things)
    assert stage.status["trial"] is not None
    stage.run(60)
    # It was not confirmed: the one before it is held again, with the value of now.
    assert {"a", "bbbb"} == set(stage.backend.things)
    assert len(stage.status["intent"]["quarantine"]) == 1


def test_what_comes_and_goes_with_what_is_referred_to_is_not_fought_over(toys: ToyStage) -> None:
    toys.interpreter.values["exit"] = ""
    toys.file("a; $exit")
    for _ in range(10):
        for there in ("exit", ""):
            toys.interpreter.values["exit"] = there
            heard(toys)
            toys.run(1)
            assert ("exit" in toys.backend.things) == bool(there)
    assert toys.history.of("fight") == []


def test_what_is_given_another_value_again_and_again_is_not_fought_over(toys: ToyStage) -> None:
    toys.interpreter.values["size"] = "0"
    toys.file("a; exit size=$size")
    for size in range(20):
        toys.interpreter.values["size"] = str(size)
        heard(toys)
        toys.run(1)
        assert toys.toy("exit").size == size
    assert toys.history.of("fight") == []


def test_what_is_fought_over_is_withdrawn_at_once_and_others_stay_fought_over(toys: ToyStage) -> None:
    toys.interpreter.values["exit"] = "exit"
    toys.file("a; b; $exit")

    def foe() -> None:
        for name in {"a", "exit"} & toys.backend.things.keys():
            if toys.toy(name).size != 9:
                toys.alter(name, size=9)

    toys.after_turn = foe
    toys.run(600)
    toys.after_turn = lambda: None
    repairs = toys.backend.tried.count("a")
    toys.interpreter.values["exit"] = ""
    heard(toys)
    toys.run()
    assert "exit" not in toys.backend.things
    assert toys.backend.tried.count("a") == repairs


def test_what_cannot_be_made_is_tried_again_with_another_value(toys: ToyStage) -> None:
    toys.backend.errors = {"exit": RejectedError("exit: no such size; correct it")}
    toys.interpreter.values["size"] = "1"
    toys.file("a; exit size=$size")
    toys.run(600)
    assert toys.backend.tried.count("exit") == 1
    toys.backend.errors = {}
    toys.interpreter.values["size"] = "2"
    heard(toys)
    toys.run()
    assert toys.toy("exit").size == 2
