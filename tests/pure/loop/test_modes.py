"""Only looking, and being told to leave the node alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.backend import News
from reconciler.core.desired import Desired
from reconciler.core.errors import BusyError, DamagedStateError, RefusedError, StellwerkError
from reconciler.core.history import Head, head_of, line, verify
from reconciler.core.permission import Mode
from tests.pure.core.thing import parse
from tests.pure.loop.rig import ToyStage, document, invalid, toy_stage

FILES = {"a": "confirm=20 checks=1 deletes=0.3 | a; b", "b": "b size=2; c", "bad": None}
STEP = st.sampled_from(
    [
        *("file a", "file b", "file bad", "lose", "put", "lost-news", "time 10", "time 400", "checks", "confirm"),
        *("roll-back", "suspend", "resume", "reconcile", "allow", "retry", "apply", "restart", "reboot"),
    ]
)
FAULT = st.sampled_from(["full intents", "full inventory", "full suspension", "busy a", "busy c", "hide", "recover"])
STEPS = st.lists(STEP, max_size=12)


def lose_a(toys: ToyStage) -> None:
    if "a" in toys.backend.things:
        toys.lose("a")


def hide(toys: ToyStage) -> None:
    toys.backend.hidden = BusyError("things: no answer")
    toys.hear("thing")


def recover(toys: ToyStage) -> None:
    toys.disk.full.clear()
    toys.backend.errors.clear()
    toys.backend.hidden = None


def reboot(toys: ToyStage) -> None:
    toys.clock.reboot()
    toys.restart()


def take(toys: ToyStage, step: str) -> None:
    """Have something happen; commands may be refused."""
    name, *words = step.split()
    deeds: dict[str, Callable[..., object]] = {
        "file": lambda text: toys.file(FILES[text], None if FILES[text] else "node.yaml:1:1: is empty"),
        "lose": lambda: lose_a(toys),
        "put": lambda: toys.put("z"),
        "lost-news": lambda: toys.loop.hear(News(None)),
        "time": lambda seconds: toys.run(float(seconds)),
        "checks": lambda: toys.answer(True) if toys.checker.under_way else None,
        "confirm": toys.loop.confirm,
        "roll-back": toys.loop.roll_back,
        "suspend": lambda: toys.loop.suspend("work on the mast", 30),
        "resume": toys.loop.resume,
        "reconcile": toys.loop.reconcile,
        "allow": toys.loop.allow_deletes,
        "retry": toys.loop.retry,
        "apply": lambda: toys.loop.apply(document("c; d"), confirm_seconds=10),
        "restart": toys.restart,
        "full": toys.disk.full.add,
        "busy": lambda name: toys.backend.errors.update({name: BusyError(f"{name} is busy")}),
        "hide": lambda: hide(toys),
        "recover": lambda: recover(toys),
        "reboot": lambda: reboot(toys),
    }
    with contextlib.suppress(StellwerkError):
        deeds[name](*words)
    toys.run()


@settings(derandomize=True, database=None, deadline=None, max_examples=100)
@given(STEPS, STEPS)
def test_a_node_that_is_only_reported_on_never_gets_a_request(before: list[str], steps: list[str]) -> None:
    toys = toy_stage()
    for step in before:
        take(toys, step)
    toys.restart(Mode.REPORT)
    toys.journal.clear()
    for step in steps:
        take(toys, step)
    assert [entry for entry in toys.journal if entry.startswith("request")] == []


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.lists(st.one_of(STEP, FAULT), min_size=4, max_size=25))
def test_whatever_happens_the_node_is_what_it_is_held_at_in_the_end(steps: list[str]) -> None:
    toys = toy_stage()
    toys.put("y foreign")
    for step in steps:
        take(toys, step)
        if not toys.disk.full:
            held, kept = toys.loop.custody, toys.disk.intents
            assert held.intents == kept or held.unsaved is not None
    take(toys, "recover")
    if toys.loop.permission.suspension is not None:
        toys.loop.resume()
    toys.run(1000)
    assert toys.loop.custody.intents.trial is None
    assert toys.disk.intents == toys.loop.custody.intents
    held_at = toys.loop.custody.held()
    wanted = Desired() if held_at is None else toys.interpreter.interpret(held_at).desired
    strangers = [repr(thing) for thing in parse("y foreign")]
    # Without any word from anybody even what carries our mark stays.
    theirs = ["z"] if toys.loop.wanted is None and "z" in toys.backend.things else []
    assert sorted(map(repr, toys.backend.things.values())) == sorted([*map(repr, wanted), *strangers, *theirs])
    lines = [line(entry) for entry in toys.history.entries]
    head = head_of(toys.history.entries[-1]) if lines else Head()
    assert verify(lines, head).flaws == ()


@settings(derandomize=True, database=None, deadline=None, max_examples=50)
@given(st.lists(st.one_of(STEP, FAULT), min_size=4, max_size=25))
def test_whatever_happened_a_new_file_is_done(steps: list[str]) -> None:
    toys = toy_stage()
    for step in [*steps, "recover"]:
        take(toys, step)
    if toys.loop.permission.suspension is not None:
        toys.loop.resume()
    toys.file("e; f needs=e")
    toys.run(1)
    assert toys.there() == "e; f needs=e"
    toys.run(1000)
    assert toys.status["sync"]["state"] == "synced"
    assert toys.disk.intents.adopted == document("e; f needs=e")


def test_drift_is_shown_where_it_is_only_reported() -> None:
    toys = toy_stage(mode=Mode.REPORT)
    toys.file("a; b")
    toys.run(600)
    assert toys.status["mode"] == {"mode": "report"}
    assert toys.status["sync"]["state"] == "drifted"
    assert toys.status["sync"]["reason"] == "2 to create"
    assert [one["description"] for one in toys.status["objects"]] == ["thing a", "thing b"]
    for name in ("a", "b"):
        toys.put(name)
    toys.run()
    assert toys.status["sync"]["state"] == "synced"


@pytest.mark.parametrize("mode", list(Mode))
def test_a_new_file_that_means_nothing_hides_no_drift(mode: Mode) -> None:
    """Where nothing may be changed either: the node is compared with what it was held at."""
    toys = toy_stage()
    toys.file("a; b")
    toys.run(1)
    toys.loop.suspend("work on the mast", None)
    toys.restart(mode)
    toys.run(1)
    toys.interpreter.fails["a; c"] = invalid("no such uplink")
    toys.file("a; c")
    toys.lose("a")
    toys.run(600)
    assert toys.status["sync"]["reason"] == "1 to create"
    assert len(toys.history.of("refused")) == 1
    assert any("no such uplink" in reason for reason in toys.status["health"]["reasons"])


def test_where_it_is_only_reported_a_document_given_by_hand_is_refused() -> None:
    toys = toy_stage(mode=Mode.REPORT)
    with pytest.raises(RefusedError, match="only reported on"):
        toys.loop.apply(document("a"))


def test_where_it_is_only_reported_a_trial_is_left_for_who_may_end_it(toys: ToyStage) -> None:
    toys.file("a")
    toys.run(1)
    toys.file("confirm=60 checks=1 | b")
    toys.run(1)
    toys.restart(Mode.REPORT)
    toys.verdict = True
    toys.run(600)
    assert toys.there() == "b"
    assert toys.disk.intents.trial is not None
    assert toys.status["health"]["reasons"] == []
    toys.restart(Mode.ENFORCE)
    toys.run(1)
    assert toys.there() == "a"


@pytest.fixture
def calm(toys: ToyStage) -> ToyStage:
    toys.file("a; b")
    toys.run(1)
    return toys


def test_while_suspended_nothing_is_changed_and_drift_is_shown(calm: ToyStage) -> None:
    calm.loop.suspend("work on the mast", None)
    calm.lose("a")
    calm.run(3600)
    assert calm.there() == "b"
    assert calm.status["mode"]["mode"] == "suspended"
    assert calm.status["mode"]["reason"] == "work on the mast"
    assert calm.status["sync"]["state"] == "drifted"
    calm.loop.resume()
    calm.run()
    assert calm.there() == "a; b"
    assert calm.history.events()[-3:] == ["suspended", "resumed", "changed"]


def test_a_suspension_ends_at_its_time(calm: ToyStage) -> None:
    calm.loop.suspend("work on the mast", 3600)
    calm.lose("a")
    calm.run(3590)
    assert calm.there() == "b"
    calm.run(20)
    assert calm.there() == "a; b"
    assert calm.disk.suspension is None


def test_a_suspension_survives_a_restart(calm: ToyStage) -> None:
    calm.loop.suspend("work on the mast", 3600)
    calm.lose("a")
    calm.restart()
    calm.run(3000)
    assert calm.there() == "b"
    calm.run(700)
    assert calm.there() == "a; b"


@pytest.mark.parametrize("seconds", [None, 3600])
def test_a_suspension_ends_when_the_machine_starts(calm: ToyStage, seconds: float | None) -> None:
    calm.loop.suspend("work on the mast", seconds)
    calm.lose("a")
    calm.clock.reboot()
    calm.restart()
    calm.run()
    assert calm.there() == "a; b"
    assert calm.disk.suspension is None
    assert calm.history.of("resumed")[-1]["because"] == "the machine was started anew"


def test_a_suspension_that_is_over_does_not_refuse_what_is_given_by_hand(calm: ToyStage) -> None:
    calm.loop.suspend("work on the mast", 3600)
    calm.clock.advance(3601)
    calm.restart()
    calm.loop.apply(document("a; c"))
    assert calm.there() == "a; c"


def test_a_new_file_while_suspended_is_done_after_it(calm: ToyStage) -> None:
    calm.loop.suspend("work on the mast", 100)
    calm.file("confirm=60 | a; c")
    calm.run(90)
    assert calm.there() == "a; b"
    assert calm.status["sync"]["reason"] == "1 to create, 1 to delete"
    calm.run(20)
    assert calm.there() == "a; c"
    assert calm.loop.custody.intents.trial is not None


def test_a_suspension_is_refused_while_something_is_on_trial(calm: ToyStage) -> None:
    calm.file("confirm=60 | a; c")
    calm.run(1)
    with pytest.raises(RefusedError, match="on trial"):
        calm.loop.suspend("work on the mast", None)


def test_what_cannot_be_written_is_not_suspended(calm: ToyStage) -> None:
    calm.disk.full.add("suspension")
    with pytest.raises(StellwerkError, match="no space left"):
        calm.loop.suspend("work on the mast", None)
    calm.lose("a")
    calm.run()
    assert calm.there() == "a; b"


def test_the_end_of_a_suspension_on_a_full_disk_does_not_make_the_loop_spin(calm: ToyStage) -> None:
    calm.loop.suspend("work on the mast", 10)
    calm.disk.full.add("suspension")
    calm.run(600)
    calm.disk.full.clear()
    calm.lose("a")
    calm.run(330)
    assert calm.there() == "a; b"


def test_the_end_of_a_suspension_after_rounds_that_failed_does_not_make_the_loop_spin(calm: ToyStage) -> None:
    calm.loop.suspend("work on the mast", 100)
    calm.interpreter.fails["a; b; x"] = invalid("no key in /keys/x")
    calm.file("a; b; x")
    calm.run(600)
    assert calm.loop.permission.suspension is None


def test_a_damaged_suspension_holds_until_somebody_lifts_it(calm: ToyStage) -> None:
    calm.disk.damaged["suspension"] = DamagedStateError("suspension.json", "suspension.json is damaged")
    calm.restart()
    calm.lose("a")
    calm.run(600)
    assert calm.there() == "b"
    assert any("is damaged" in reason for reason in calm.status["health"]["reasons"])
    assert calm.status["mode"]["mode"] == "suspended"
    calm.loop.resume()
    calm.run()
    assert calm.there() == "a; b"
    assert calm.status["health"]["reasons"] == []


def test_a_suspension_takes_its_time_whatever_the_time_of_day_is_set_to(calm: ToyStage) -> None:
    calm.loop.suspend("work on the mast", 7200)
    calm.lose("a")
    calm.clock.set_wall(1_900_000_000.0)
    calm.run(7000)
    assert calm.status["mode"]["mode"] == "suspended"
    assert calm.status["mode"]["until"] == pytest.approx(1_900_000_000.0 + 7200)
    calm.clock.set_wall(1_000.0)
    calm.run(300)
    assert calm.status["mode"]["mode"] == "enforce"
