"""A change that must be confirmed stands for some time, and is undone unless it is."""

from __future__ import annotations

import pytest

from reconciler.core.errors import BusyError, RefusedError, RolledBackError, StellwerkError
from reconciler.core.intents import Intents
from reconciler.core.permission import Mode
from tests.pure.loop.rig import ToyStage, document

A = "a; b needs=a; c"
B = "a size=2; b needs=a; d"
ON_TRIAL = f"confirm=60 | {B}"
CHECKED = f"confirm=60 checks=2 | {B}"


def held(toys: ToyStage) -> str:
    found = toys.loop.custody.held()
    return "" if found is None else found.text


@pytest.fixture
def calm(toys: ToyStage) -> ToyStage:
    toys.file(A)
    toys.run(1)
    toys.journal.clear()
    toys.history.entries.clear()
    return toys


@pytest.fixture
def trial(calm: ToyStage) -> ToyStage:
    calm.file(ON_TRIAL)
    calm.run(1)
    assert calm.there() == B
    return calm


def check_rolled_back(toys: ToyStage) -> None:
    assert toys.there() == A
    assert toys.disk.intents.trial is None
    assert toys.disk.intents.adopted == document(A)
    assert toys.status["sync"]["state"] == "synced"


def test_it_is_on_disk_before_the_first_change(trial: ToyStage) -> None:
    requests = [number for number, entry in enumerate(trial.journal) if entry.startswith("request")]
    assert trial.journal.index("intents") < min(requests)
    assert trial.history.events() == ["armed", "changed"]


def test_nobody_confirms(trial: ToyStage) -> None:
    trial.run(58)
    assert trial.there() == B
    assert 0 < trial.status["trial"]["seconds_left"] <= 2
    trial.run(2)
    check_rolled_back(trial)
    assert trial.history.of("rolled back")[0]["because"] == "not confirmed in time"
    assert trial.history.of("rolled back")[0]["digest"] == document(ON_TRIAL).digest


def test_the_end_is_on_disk_before_it_is_undone(trial: ToyStage) -> None:
    trial.journal.clear()
    trial.run(60)
    requests = [number for number, entry in enumerate(trial.journal) if entry.startswith("request")]
    assert trial.journal.index("intents") < min(requests)


def test_what_was_rolled_back_is_not_tried_again_until_it_changes(trial: ToyStage) -> None:
    trial.run(1000)
    trial.file(ON_TRIAL)
    trial.restart()
    trial.loop.reconcile()
    trial.run(1000)
    check_rolled_back(trial)
    assert any("in quarantine" in reason for reason in trial.status["health"]["reasons"])
    with pytest.raises(RefusedError, match="quarantine"):
        trial.loop.apply(document(ON_TRIAL))
    trial.file("a; e")
    trial.run(1)
    assert trial.there() == "a; e"
    trial.file(ON_TRIAL)
    trial.run(1)
    assert trial.there() == "a; e"


def test_what_was_rolled_back_is_tried_again_when_asked(trial: ToyStage) -> None:
    trial.run(100)
    trial.loop.retry()
    trial.run(1)
    assert trial.there() == B
    assert trial.loop.custody.intents.trial is not None
    with pytest.raises(RefusedError, match="nothing is in quarantine"):
        trial.loop.retry()


def test_confirmed_by_hand(trial: ToyStage) -> None:
    trial.loop.confirm()
    trial.run(600)
    assert trial.there() == B
    assert trial.disk.intents.adopted == trial.disk.intents.good == document(ON_TRIAL)
    assert trial.status["trial"] is None
    assert trial.history.events() == ["armed", "changed", "confirmed"]
    with pytest.raises(RefusedError, match="nothing waits to be confirmed"):
        trial.loop.confirm()


def test_rolled_back_by_hand(trial: ToyStage) -> None:
    trial.loop.roll_back()
    trial.run()
    check_rolled_back(trial)
    with pytest.raises(RefusedError, match="was rolled back"):
        trial.loop.roll_back()
    with pytest.raises(RefusedError, match="was rolled back"):
        trial.loop.confirm()


def test_it_is_too_late_to_confirm(trial: ToyStage) -> None:
    trial.clock.advance(60)
    with pytest.raises(RolledBackError, match="too late"):
        trial.loop.confirm()
    trial.run()
    check_rolled_back(trial)


def test_drift_is_repaired_during_a_trial(trial: ToyStage) -> None:
    trial.lose("d")
    trial.run()
    assert trial.there() == B


def test_a_document_that_changes_nothing_needs_no_trial(calm: ToyStage) -> None:
    calm.file(f"confirm=60 | {A}")
    calm.run(1)
    assert calm.loop.custody.intents.trial is None
    calm.run(600)
    assert held(calm) == f"confirm=60 | {A}"


def test_a_trial_that_cannot_be_reached_is_undone_with_the_reason(calm: ToyStage) -> None:
    calm.backend.errors["d"] = BusyError("d is busy")
    calm.file(ON_TRIAL)
    calm.run(100)
    check_rolled_back(calm)
    assert calm.history.of("rolled back")[0]["because"] == "not confirmed in time; 1 to create"


def test_the_first_document_ever_leaves_nothing_of_ours(toys: ToyStage) -> None:
    toys.put("z foreign")
    toys.file(ON_TRIAL)
    toys.run(1)
    assert toys.there() == f"{B}; z foreign"
    toys.run(60)
    assert toys.there() == "z foreign"
    toys.restart()
    toys.run(600)
    assert toys.there() == "z foreign"
    toys.file(A)
    toys.run(1)
    assert toys.there() == f"{A}; z foreign"


def test_what_was_forgotten_is_not_gone_back_to(calm: ToyStage) -> None:
    # A state folder that was lost, on a node that is up: to undo would be to take all of it away.
    calm.disk.intents = Intents()
    calm.restart()
    calm.file(ON_TRIAL)
    calm.run(100)
    assert calm.there() == B
    assert calm.disk.intents.adopted == document(ON_TRIAL)
    assert [fact["event"] for fact in calm.history.entries] == ["not armed", "changed"]


def test_what_could_not_be_undone_is_refused_where_that_is_asked_for(calm: ToyStage) -> None:
    calm.disk.intents = Intents()
    calm.restart()
    calm.file(None, "cannot be read")
    with pytest.raises(RefusedError, match="not known"):
        calm.loop.apply(document(B), 60)
    calm.run(100)
    assert calm.there() == A


# Checks.


def test_checks_confirm_after_they_went_on_passing(calm: ToyStage) -> None:
    calm.verdict = True
    calm.file(CHECKED)
    calm.run(5)
    assert calm.loop.custody.intents.trial is not None
    calm.run(15)
    assert calm.loop.custody.intents.trial is None
    assert calm.there() == B
    (told,) = calm.history.of("confirmed")
    assert told["because"] == "all checks pass"
    assert len(calm.checker.starts) > 5


def test_checks_that_pass_at_the_very_end_do_not_confirm(calm: ToyStage) -> None:
    calm.verdict = False
    calm.file(CHECKED)
    calm.run(50)
    calm.verdict = True
    calm.run(20)
    check_rolled_back(calm)


def test_checks_that_pass_now_and_then_do_not_confirm(calm: ToyStage) -> None:
    calm.file(CHECKED)
    turns = iter(range(1000))

    def answer() -> None:
        if calm.checker.under_way is not None:
            calm.answer(next(turns) % 2 == 0)

    calm.after_turn = answer
    calm.run(59)
    assert calm.loop.custody.intents.trial is not None
    calm.run(2)
    check_rolled_back(calm)


def test_failed_checks_are_the_reason_to_roll_back_and_are_made_again_after_it(calm: ToyStage) -> None:
    calm.file(f"checks=1 | {A}")
    calm.verdict = False
    calm.run(1)
    calm.file(CHECKED)
    calm.run(100)
    assert calm.there() == A
    (told,) = calm.history.of("rolled back")
    assert "ping 2001:db8::1: no answer" in told["because"]
    (after,) = calm.history.of("checked")
    assert "fail now as well" in after["outcome"]


def test_checks_that_pass_after_the_roll_back_are_told(calm: ToyStage) -> None:
    calm.file(f"checks=1 | {A}")
    calm.run(1)
    calm.answer(True)

    def answer() -> None:
        if calm.checker.under_way is not None:
            calm.answer("size=2" not in calm.there())

    calm.after_turn = answer
    calm.file(CHECKED)
    calm.run(100)
    (after,) = calm.history.of("checked")
    assert after["outcome"] == "all checks pass now"


def test_results_from_before_the_change_confirm_nothing(calm: ToyStage) -> None:
    calm.file(f"checks=1 | {A}")
    calm.run(1)
    assert calm.checker.under_way is not None
    calm.file(CHECKED)
    calm.run(1)
    calm.answer(True)
    assert calm.loop.checks.results == ()
    calm.run(1)
    assert calm.checker.under_way is not None
    assert len(calm.checker.under_way[0]) == 2


def test_results_from_before_a_roll_back_are_not_told_as_those_after_it(calm: ToyStage) -> None:
    calm.file(f"checks=1 | {A}")
    calm.run(1)
    calm.answer(True)
    calm.file(CHECKED)
    calm.run(1)
    calm.loop.roll_back()
    calm.answer(False)
    assert calm.history.of("checked") == []
    calm.run(1)
    calm.answer(True)
    assert [one["outcome"] for one in calm.history.of("checked")] == ["all checks pass now"]


def test_a_roll_back_to_what_has_no_checks_is_not_told_of_later_ones(trial: ToyStage) -> None:
    trial.run(100)
    trial.verdict = True
    trial.file(f"checks=1 | {A}")
    trial.run(100)
    assert trial.history.of("checked") == []


def test_checks_do_not_confirm_what_is_not_reached(calm: ToyStage) -> None:
    calm.backend.errors["d"] = BusyError("d is busy")
    calm.verdict = True
    calm.file(CHECKED)
    calm.run(59)
    assert calm.loop.custody.intents.trial is not None
    calm.run(5)
    check_rolled_back(calm)


def test_checks_are_carried_out_now_and_then_without_a_trial(calm: ToyStage) -> None:
    calm.verdict = True
    calm.file(f"checks=1 | {A}")
    calm.run(3600)
    assert 50 <= len(calm.checker.starts) <= 70
    calm.verdict = False
    calm.run(70)
    assert "ping 2001:db8::1: no answer" in calm.status["health"]["reasons"]


# Restarts.


def test_a_restart_goes_on_with_the_time_that_is_left(trial: ToyStage) -> None:
    trial.run(30)
    trial.restart()
    trial.run(10)
    assert trial.there() == B
    assert 15 <= trial.status["trial"]["seconds_left"] <= 20
    trial.run(20)
    check_rolled_back(trial)


def test_a_restart_after_the_time_rolls_back_at_once(trial: ToyStage) -> None:
    trial.clock.advance(100)
    trial.restart()
    trial.run()
    check_rolled_back(trial)


def test_another_boot_rolls_back_at_once(trial: ToyStage) -> None:
    trial.clock.reboot()
    trial.restart()
    trial.run()
    check_rolled_back(trial)
    assert "started anew" in trial.history.of("rolled back")[0]["because"]


def test_a_confirmed_one_stays_after_another_boot(trial: ToyStage) -> None:
    trial.loop.confirm()
    trial.clock.reboot()
    trial.backend.things.clear()
    trial.restart()
    trial.run()
    assert trial.there() == B


# The disk.


def test_without_a_word_on_disk_nothing_is_changed(calm: ToyStage) -> None:
    calm.disk.full.add("intents")
    calm.file(ON_TRIAL)
    calm.run(100)
    assert calm.journal == []
    assert calm.there() == A
    assert any("no space left" in reason for reason in calm.status["health"]["reasons"])


def test_what_cannot_be_written_down_is_not_confirmed(trial: ToyStage) -> None:
    trial.disk.full.add("intents")
    with pytest.raises(StellwerkError, match="no space left"):
        trial.loop.confirm()
    trial.run(10)
    assert trial.status["trial"] is not None
    trial.disk.full.clear()
    trial.loop.confirm()
    trial.run(100)
    assert trial.there() == B


def test_checks_confirm_as_soon_as_it_can_be_written_down(calm: ToyStage) -> None:
    calm.verdict = True
    calm.file(CHECKED)
    calm.run(1)
    calm.disk.full.add("intents")
    calm.run(30)
    assert calm.status["trial"] is not None
    assert any("no space left" in reason for reason in calm.status["health"]["reasons"])
    calm.disk.full.clear()
    calm.run(5)
    assert calm.status["trial"] is None
    assert calm.status["health"]["reasons"] == []


def test_it_is_undone_though_that_cannot_be_written_down(trial: ToyStage) -> None:
    trial.disk.full.add("intents")
    trial.run(100)
    assert trial.there() == A
    assert any("no space left" in reason for reason in trial.status["health"]["reasons"])
    trial.restart()
    trial.run(100)
    assert trial.there() == A
    trial.disk.full.clear()
    trial.run(331)
    check_rolled_back(trial)
    assert not any("no space left" in reason for reason in trial.status["health"]["reasons"])


def test_it_is_undone_though_what_was_before_cannot_be_read_any_more(trial: ToyStage) -> None:
    trial.interpreter.fails[A] = BusyError("links: no answer")
    trial.run(100)
    check_rolled_back(trial)
    assert trial.status["health"]["reasons"][0] == "links: no answer"


def test_after_a_restart_it_is_undone_as_soon_as_what_was_before_can_be_read(trial: ToyStage) -> None:
    trial.interpreter.fails[A] = BusyError("links: no answer")
    trial.restart()
    trial.run(100)
    assert trial.there() == B
    assert any("links: no answer" in reason for reason in trial.status["health"]["reasons"])
    trial.interpreter.fails.clear()
    trial.run(331)
    check_rolled_back(trial)


# The file in the middle of it.


def test_another_file_during_a_trial_is_on_trial_in_its_place(trial: ToyStage) -> None:
    trial.run(30)
    trial.file("confirm=60 | a; e")
    trial.run(50)
    assert trial.there() == "a; e"
    assert trial.history.events() == ["armed", "changed", "abandoned", "armed", "changed"]
    trial.run(20)
    check_rolled_back(trial)


def test_the_old_file_during_a_trial_ends_it(trial: ToyStage) -> None:
    trial.file(A)
    trial.run()
    check_rolled_back(trial)
    assert trial.history.events()[-2:] == ["abandoned", "changed"]
    trial.file(ON_TRIAL)
    trial.run(1)
    assert trial.there() == B
    assert trial.loop.custody.intents.trial is not None


def test_the_old_file_during_a_trial_ends_it_though_that_cannot_be_written_down(trial: ToyStage) -> None:
    trial.disk.full.add("intents")
    trial.file(A)
    trial.run(5)
    assert trial.there() == A
    assert any("no space left" in reason for reason in trial.status["health"]["reasons"])
    trial.disk.full.clear()
    trial.run(331)
    check_rolled_back(trial)
    assert trial.status["health"]["reasons"] == []


def test_an_apply_that_the_disk_stopped_half_way_is_finished_or_undone(calm: ToyStage) -> None:
    calm.disk.full.add("inventory")
    done = calm.loop.apply(document("a; b needs=a; c; x"), confirm_seconds=60)
    assert ["no space left" in str(one.error) for one in done.outcomes] == [True]
    calm.run(10)
    assert any("no space left" in reason for reason in calm.status["health"]["reasons"])
    calm.disk.full.clear()
    calm.run(100)
    check_rolled_back(calm)


def test_a_file_that_changes_nothing_more_during_a_trial_is_on_trial_too(trial: ToyStage) -> None:
    trial.run(30)
    trial.file(f"confirm=90 | {B}")
    trial.run(1)
    assert trial.status["trial"]["seconds_left"] > 80
    trial.run(90)
    check_rolled_back(trial)


@pytest.mark.parametrize("problem", ["node.yaml:1:1: is empty", None], ids=["wrong", "absent"])
def test_a_file_that_cannot_be_used_during_a_trial_changes_nothing(trial: ToyStage, problem: str | None) -> None:
    trial.file(None, problem)
    trial.run(50)
    assert trial.there() == B
    trial.restart()
    trial.run(1)
    assert trial.there() == B
    trial.run(10)
    check_rolled_back(trial)


def test_a_refused_file_during_a_trial_changes_nothing(trial: ToyStage) -> None:
    trial.file("x holds=port; y holds=port")
    trial.run(10)
    trial.loop.references_changed()
    trial.run(30)
    assert trial.there() == B
    trial.loop.confirm()
    trial.run(600)
    assert trial.there() == B


def test_a_file_in_quarantine_during_a_trial_changes_nothing(calm: ToyStage) -> None:
    calm.file("confirm=10 | q")
    calm.run(20)
    calm.file(ON_TRIAL)
    calm.run(1)
    calm.file("confirm=10 | q")
    calm.run(30)
    assert calm.there() == B
    calm.run(60)
    check_rolled_back(calm)


# By hand.


def test_by_hand_it_is_on_trial_for_the_seconds_that_were_given(calm: ToyStage) -> None:
    calm.loop.apply(document(B), confirm_seconds=30)
    assert calm.there() == B
    calm.run(25)
    assert calm.there() == B
    calm.run(10)
    check_rolled_back(calm)
    calm.run(1000)
    calm.restart()
    calm.run(1000)
    check_rolled_back(calm)


def test_a_roll_back_returns_to_what_was_given_by_hand_before(calm: ToyStage) -> None:
    calm.loop.apply(document("a; g"))
    calm.run(1)
    calm.loop.apply(document(B), confirm_seconds=30)
    calm.run(60)
    assert calm.there() == "a; g"
    calm.restart()
    calm.run(600)
    assert calm.there() == "a; g"
    calm.file("a; h")
    calm.run(1)
    assert calm.there() == "a; h"


def test_the_one_before_given_by_hand_during_a_trial_needs_no_trial(calm: ToyStage) -> None:
    before = f"confirm=60 | {A}"
    calm.file(before)
    calm.run(1)
    calm.loop.apply(document(ON_TRIAL))
    calm.run(1)
    calm.loop.apply(document(before))
    calm.run(600)
    assert calm.there() == A
    assert calm.loop.custody.intents.quarantine == ()


def test_what_the_node_is_held_at_is_never_put_in_quarantine(calm: ToyStage) -> None:
    calm.backend.things.pop("c")
    calm.loop.apply(document(A), confirm_seconds=30)
    calm.run(600)
    assert calm.there() == A
    assert calm.loop.custody.intents.quarantine == ()


# What cannot be done yet is not adopted behind the back of a trial.


@pytest.mark.parametrize("by_hand", [False, True])
def test_what_cannot_be_seen_now_is_on_trial_all_the_same(calm: ToyStage, by_hand: bool) -> None:
    calm.backend.hidden = BusyError("things: no answer")
    if by_hand:
        calm.loop.apply(document(B), 60)
    else:
        calm.file(ON_TRIAL)
    calm.run(5)
    calm.backend.hidden = None
    calm.run(10)
    assert calm.there() == B
    calm.run(60)
    check_rolled_back(calm)


def test_what_waits_for_something_outside_is_on_trial(calm: ToyStage) -> None:
    calm.file("confirm=60 | a; b needs=a; c; d needs=away")
    calm.run(1)
    assert calm.disk.intents.trial is not None


def test_a_roll_back_is_made_though_the_disk_is_full(trial: ToyStage) -> None:
    trial.disk.full |= {"inventory", "intents", "suspension"}
    trial.run(100)
    # All but what could not be known for ours without a record.
    assert trial.there() == "a; b needs=a"
    trial.disk.full.clear()
    trial.run(400)
    check_rolled_back(trial)


def test_slow_checks_can_confirm(calm: ToyStage) -> None:
    calm.file(CHECKED)
    calm.loop.turn()
    calm.clock.advance(31)
    calm.answer(True)
    calm.run(5)
    assert calm.loop.custody.intents.trial is None
    assert calm.there() == B


def test_who_only_reports_ends_no_trial(trial: ToyStage) -> None:
    trial.restart(Mode.REPORT)
    trial.file(A)
    trial.run(300)
    for command in (trial.loop.confirm, trial.loop.roll_back):
        with pytest.raises(RefusedError, match="only reported"):
            command()
    assert trial.disk.intents.trial is not None
    trial.restart(Mode.ENFORCE)
    trial.run(1)
    check_rolled_back(trial)


def test_what_was_rolled_back_stays_in_quarantine_though_the_intents_are_lost(trial: ToyStage) -> None:
    trial.run(100)
    check_rolled_back(trial)
    trial.disk.intents = Intents()
    trial.restart()
    trial.run(100)
    assert trial.there() == A
    assert any("quarantine" in reason for reason in trial.status["health"]["reasons"])
    trial.loop.retry()
    trial.run(1)
    assert trial.there() == B
    trial.restart()
    assert trial.loop.custody.intents.quarantine == ()


def test_an_apply_that_fails_on_the_way_says_that_it_is_adopted(
    calm: ToyStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StellwerkError("it broke")

    monkeypatch.setattr(calm.loop.rounds, "apply", fail)
    with pytest.raises(StellwerkError, match=r"adopted.*it broke") as caught:
        calm.loop.apply(document(B))
    assert not isinstance(caught.value, RefusedError)
