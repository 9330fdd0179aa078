"""Which document a node is held at: the file, one given by hand, and those that are refused."""

from __future__ import annotations

import pytest

from intent.problems import IntentError
from reconciler.core.errors import BusyError, RefusedError, StellwerkError
from reconciler.core.guards import DeletionsError
from reconciler.core.plan import PlanError
from reconciler.core.reconcile import ConflictError
from tests.pure.loop.rig import ToyStage, document, invalid


@pytest.fixture
def calm(toys: ToyStage) -> ToyStage:
    toys.file("a; b")
    toys.run(1)
    return toys


@pytest.mark.parametrize("problem", ["node.yaml:1:1: is empty", None], ids=["wrong", "absent"])
def test_a_file_that_cannot_be_used_changes_nothing(calm: ToyStage, problem: str | None) -> None:
    calm.file(None, problem)
    calm.lose("a")
    calm.run(600)
    assert calm.there() == "a; b"
    assert any("is empty" in reason for reason in calm.status["health"]["reasons"]) is (problem is not None)
    assert len(calm.history.of("refused")) == (problem is not None)


@pytest.mark.parametrize("problem", ["node.yaml:1:1: is empty", None], ids=["wrong", "absent"])
def test_a_file_that_cannot_be_used_at_the_start_leaves_what_was_adopted(calm: ToyStage, problem: str | None) -> None:
    calm.file(None, problem)
    calm.restart()
    calm.lose("a")
    calm.run(600)
    assert calm.there() == "a; b"


def test_without_any_file_ever_nothing_is_done(toys: ToyStage) -> None:
    toys.put("a")
    toys.file(None, "node.yaml: there is no such file")
    toys.run(600)
    assert toys.journal == []
    assert toys.status["sync"]["state"] == "unknown"
    assert "there is no intent to hold the node at" in toys.status["health"]["reasons"]


def test_a_wrong_file_is_told_once(calm: ToyStage) -> None:
    for _ in range(3):
        calm.file(None, "node.yaml:1:1: is empty")
        calm.run(400)
    assert calm.history.events().count("refused") == 1


def test_a_document_that_means_nothing_on_this_node_is_refused_and_told_once(calm: ToyStage) -> None:
    calm.interpreter.fails["a; c"] = invalid("no such uplink")
    calm.file("a; c")
    calm.run(1000)
    calm.lose("b")
    calm.run()
    assert calm.there() == "a; b"
    (told,) = calm.history.of("refused")
    assert "no such uplink" in told["outcome"]
    assert told["digest"] == document("a; c").digest
    assert any("was refused: node.yaml" in reason for reason in calm.status["health"]["reasons"])


def test_a_document_without_a_plan_is_refused_and_the_old_one_is_kept(calm: ToyStage) -> None:
    calm.file("x holds=port; y holds=port")
    calm.run(1000)
    calm.lose("b")
    calm.run()
    assert calm.there() == "a; b"
    assert len(calm.history.of("refused")) == 1


def test_a_refused_document_is_tried_again_when_asked(calm: ToyStage) -> None:
    calm.interpreter.fails["a; c"] = invalid("no such uplink")
    calm.file("a; c")
    calm.run(10)
    calm.interpreter.fails.clear()
    calm.run(1000)
    assert calm.there() == "a; b"
    calm.loop.reconcile()
    calm.run()
    assert calm.there() == "a; c"
    assert calm.status["health"]["reasons"] == []


def test_a_refused_document_is_tried_again_when_what_it_refers_to_changes(calm: ToyStage) -> None:
    calm.interpreter.fails["a; c"] = invalid("there is no key in /keys/c")
    calm.file("a; c")
    calm.run(10)
    for _ in range(3):
        calm.loop.references_changed()
        calm.run(10)
    assert len(calm.history.of("refused")) == 1
    calm.interpreter.fails.clear()
    calm.loop.references_changed()
    calm.run()
    assert calm.there() == "a; c"


def test_what_could_not_be_adopted_for_a_passing_reason_is_adopted_later(calm: ToyStage) -> None:
    calm.interpreter.fails["a; c"] = BusyError("the names cannot be looked up now")
    calm.file("a; c")
    calm.run(700)
    assert calm.there() == "a; b"
    assert len(calm.history.of("refused")) == 1
    calm.interpreter.fails.clear()
    calm.run(331)
    assert calm.there() == "a; c"


def test_what_could_not_be_written_down_is_adopted_later(calm: ToyStage) -> None:
    calm.disk.full.add("intents")
    calm.file("a; c")
    calm.run(700)
    assert calm.there() == "a; b"
    calm.disk.full.clear()
    calm.run(331)
    assert calm.there() == "a; c"
    assert calm.status["health"]["reasons"] == []


# What deletes too much.


@pytest.fixture
def guarded(calm: ToyStage) -> ToyStage:
    calm.file("a; b; c; d")
    calm.run(1)
    calm.file("deletes=0.5 | a")
    calm.run(600)
    return calm


def test_what_deletes_more_than_its_share_is_refused(guarded: ToyStage) -> None:
    assert guarded.there() == "a; b; c; d"
    (told,) = guarded.history.of("refused")
    assert "deletes 3 of the 4 objects" in told["outcome"]
    guarded.lose("b")
    guarded.run()
    assert guarded.there() == "a; b; c; d"


def test_it_is_done_when_that_is_allowed(guarded: ToyStage) -> None:
    guarded.loop.allow_deletes()
    guarded.run()
    assert guarded.there() == "a"
    assert guarded.status["health"]["reasons"] == []
    with pytest.raises(RefusedError, match="none was refused"):
        guarded.loop.allow_deletes()


def test_what_is_allowed_is_on_trial_where_it_says_so(guarded: ToyStage) -> None:
    guarded.file("confirm=30 deletes=0.5 | a")
    guarded.run(1)
    guarded.loop.allow_deletes()
    guarded.run(1)
    assert guarded.there() == "a"
    guarded.run(60)
    assert guarded.there() == "a; b; c; d"


def test_repairs_and_exactly_the_share_pass(calm: ToyStage) -> None:
    calm.file("deletes=0.5 | a; c")
    calm.run(1)
    assert calm.there() == "a; c"


# By hand.


def test_a_document_given_by_hand_holds_until_the_file_changes(calm: ToyStage) -> None:
    done = calm.loop.apply(document("a; c"))
    assert not done.failed
    assert calm.there() == "a; c"
    calm.run(1000)
    calm.restart()
    calm.run(1000)
    assert calm.there() == "a; c"
    assert calm.status["intent"]["by_hand"] is True
    calm.file("a; d")
    calm.run()
    assert calm.there() == "a; d"
    assert calm.status["intent"]["by_hand"] is False


def test_the_file_may_change_to_what_was_given_and_back(calm: ToyStage) -> None:
    calm.loop.apply(document("a; c"))
    calm.run(1)
    calm.file("a; c")
    calm.run(1)
    assert calm.there() == "a; c"
    calm.file("a; b")
    calm.run(1)
    assert calm.there() == "a; b"


def test_a_file_that_became_unreadable_and_readable_again_has_not_changed(calm: ToyStage) -> None:
    calm.loop.apply(document("a; c"))
    calm.run(1)
    calm.file(None, "node.yaml: cannot be read")
    calm.run(1)
    calm.file("a; b")
    calm.run(1)
    assert calm.there() == "a; c"


def test_after_an_apply_there_is_one_more_look(calm: ToyStage) -> None:
    calm.loop.apply(document("a; c"))
    looks = calm.backend.looks
    calm.run(10)
    assert calm.backend.looks - looks <= 1


def test_by_hand_it_is_all_or_nothing(calm: ToyStage) -> None:
    calm.put("c size=9 foreign")
    calm.run()
    calm.journal.clear()
    with pytest.raises(ConflictError):
        calm.loop.apply(document("a; c; d"))
    with pytest.raises(DeletionsError):
        calm.loop.apply(document("deletes=0.1 | a"))
    with pytest.raises(PlanError):
        calm.loop.apply(document("x holds=port; y holds=port"))
    calm.interpreter.fails["x"] = invalid("no such uplink")
    with pytest.raises(IntentError):
        calm.loop.apply(document("x"))
    calm.disk.full.add("intents")
    with pytest.raises(StellwerkError, match="no space left"):
        calm.loop.apply(document("a; d"))
    calm.run(600)
    assert calm.journal == []
    assert calm.there() == "a; b; c size=9 foreign"
    assert calm.status["health"]["reasons"] == []


def test_while_suspended_nothing_is_taken_by_hand(calm: ToyStage) -> None:
    calm.loop.suspend("work on the mast", None)
    with pytest.raises(RefusedError, match="work on the mast"):
        calm.loop.apply(document("a; c"))
    with pytest.raises(RefusedError, match="work on the mast"):
        calm.loop.allow_deletes()


def test_what_is_planned_is_told_before_the_first_change_and_may_be_refused(calm: ToyStage) -> None:
    told = list[str]()
    calm.loop.apply(document("a; c"), check=lambda seen: told.append(calm.there()))
    assert told == ["a; b"]

    def refuse(seen: object) -> None:
        raise RefusedError("the plan is not the one that was saved")

    calm.journal.clear()
    with pytest.raises(RefusedError, match="not the one"):
        calm.loop.apply(document("a; d"), check=refuse)
    calm.run(10)
    assert calm.journal == []


def test_that_a_file_can_be_used_again_is_told(calm: ToyStage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "stellwerk")
    calm.file(None, "node.yaml: is empty")
    calm.run(1)
    calm.file(calm.loop.custody.intents.adopted.text if calm.loop.custody.intents.adopted else None)
    calm.run(1)
    assert calm.history.events()[-2:] == ["refused", "accepted"]
    states = [record.fact["state"] for record in caplog.records if record.getMessage() == "status"]  # type: ignore[attr-defined]
    assert states == ["synced and degraded", "synced and healthy"]
