"""The checks of exits in the background: by their own rhythm, never waited for, and known again after a restart."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from intent.checks import Check, Ping
from intent.fitness import CheckedHealth, Health
from reconciler.backends.checked_health import HealthOnce, WatchedHealth, fingerprint
from reconciler.backends.state_folder import StateFolder
from reconciler.core.checks import CheckResult
from reconciler.core.errors import StellwerkError
from reconciler.core.known_health import KnownHealth
from tests.pure.loop.rig import FakeClock

UPLINK = (Ping(address="2001:db8::1"),)
TUNNEL = (Ping(address="2001:db8::2"), Ping(address="2001:db8::3"))


def exit_(name: str, checks: tuple[Check, ...] = UPLINK) -> CheckedHealth:
    return CheckedHealth(name, checks, every_seconds=2, fall=3, rise=5)


class Uplinks:
    """Answers checks: those of the addresses in ``dead`` fail. ``asked`` are all that were carried out."""

    def __init__(self) -> None:
        self.dead: set[str] = set()
        self.asked: list[tuple[Check, ...]] = []

    def __call__(self, checks: Sequence[Check]) -> tuple[CheckResult, ...]:
        self.asked.append(tuple(checks))
        found = []
        for check in checks:
            assert isinstance(check, Ping)
            passed = check.address not in self.dead
            found.append(CheckResult(check, passed, "answered" if passed else "no answer"))
        return tuple(found)


class Bench:
    """A resolver with a clock to turn."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.store = StateFolder(folder)
        self.uplinks = Uplinks()
        self.rung = threading.Semaphore(0)
        self.begin()

    def begin(self) -> None:
        """Begin anew, with what is on disk."""
        self.watched = WatchedHealth(self.store, self.clock, self.rung.release, self.uplinks, lambda: 0.5)

    def ask(self, *references: CheckedHealth) -> list[Health]:
        """Return what is known of each."""
        found = self.watched.resolve_all(references)
        return [found[one].value for one in references]

    def step(self) -> bool:
        """Go on to the next check, have it carried out, and return whether something is to be resolved anew."""
        self.clock.advance(max(0.0, self.watched.due() - self.clock.now()))
        assert not self.watched.refresh(), "nothing has ended"
        assert self.rung.acquire(timeout=20)
        assert self.watched.due() == -math.inf
        return self.watched.refresh()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "state")


def test_the_first_result_decides_and_until_then_nothing_is_known(bench: Bench) -> None:
    assert bench.ask(exit_("a"))[0].fit is None
    assert bench.step()
    assert bench.ask(exit_("a"))[0].fit is True


def test_it_falls_after_three_failures_and_says_which_check_failed(bench: Bench) -> None:
    bench.ask(exit_("a"))
    bench.step()
    bench.uplinks.dead = {"2001:db8::1"}
    begun = bench.clock.now()
    assert [bench.step() for _ in range(3)] == [False, False, True]
    (health,) = bench.ask(exit_("a"))
    assert (health.fit, health.reason, health.since) == (False, "ping 2001:db8::1: no answer", bench.clock.wall())
    assert bench.clock.now() - begun <= 3 * 2
    bench.uplinks.dead.clear()
    assert [bench.step() for _ in range(5)] == [False, False, False, False, True]
    assert bench.ask(exit_("a"))[0].fit is True


def test_the_same_checks_of_two_exits_are_carried_out_once(bench: Bench) -> None:
    bench.ask(exit_("a"), exit_("b"))
    bench.step()
    assert bench.uplinks.asked == [UPLINK]
    assert [one.fit for one in bench.ask(exit_("a"), exit_("b"))] == [True, True]


def test_all_checks_of_an_exit_must_pass(bench: Bench) -> None:
    bench.uplinks.dead = {"2001:db8::3"}
    bench.ask(exit_("a", TUNNEL))
    bench.step()
    assert bench.ask(exit_("a", TUNNEL))[0].fit is False


def test_a_restart_keeps_the_verdict_before_any_check(bench: Bench) -> None:
    bench.ask(exit_("a"))
    bench.step()
    bench.begin()
    assert bench.ask(exit_("a"))[0].fit is True
    assert len(bench.uplinks.asked) == 1


def test_what_was_known_before_the_machine_started_does_not_count(bench: Bench) -> None:
    bench.ask(exit_("a"))
    bench.step()
    bench.clock.reboot()
    bench.begin()
    assert bench.ask(exit_("a"))[0].fit is None


@pytest.mark.parametrize("restart", [False, True])
def test_with_other_checks_the_verdict_holds_until_they_have_said_something(bench: Bench, restart: bool) -> None:
    bench.ask(exit_("a"))
    bench.step()
    bench.ask(exit_("a"))
    if restart:
        bench.begin()
    assert bench.ask(exit_("a", TUNNEL))[0].fit is True
    bench.uplinks.dead = {"2001:db8::2"}
    assert bench.step()
    assert bench.ask(exit_("a", TUNNEL))[0].fit is False


def test_an_exit_that_gets_checks_stays_announced_until_they_have_said_something(bench: Bench) -> None:
    assert bench.ask(exit_("a", ()))[0].fit is True
    assert bench.watched.due() == math.inf
    assert bench.ask(exit_("a"))[0].fit is True
    bench.uplinks.dead = {"2001:db8::1"}
    assert bench.step()
    assert bench.ask(exit_("a"))[0].fit is False


def test_checks_that_are_not_asked_for_are_not_carried_out(bench: Bench) -> None:
    bench.ask(exit_("a"))
    bench.ask()
    assert bench.watched.due() == math.inf


def test_a_check_under_way_is_not_begun_again(bench: Bench) -> None:
    bench.ask(exit_("a"))
    bench.watched.refresh()
    assert bench.rung.acquire(timeout=20)
    bench.clock.advance(100)
    bench.watched.refresh()
    assert bench.rung.acquire(timeout=20)
    assert len(bench.uplinks.asked) == 2


def test_a_full_disk_keeps_nothing_from_being_judged(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: KnownHealth) -> None:
        raise StellwerkError("health.json cannot be written: no space left on device")

    monkeypatch.setattr(bench.store, "save_health", full)
    bench.ask(exit_("a"))
    assert bench.step()
    found = bench.watched.resolve(exit_("a"))
    assert found.value.fit is True
    assert any("no space left" in note for note in found.notes)


def test_checks_on_disk_are_known_by_a_hash(bench: Bench) -> None:
    bench.ask(exit_("a", TUNNEL))
    bench.step()
    (known,) = bench.store.load_health().known
    assert known.checks == fingerprint(TUNNEL)


def test_once_waits_for_the_checks_of_all(bench: Bench) -> None:
    bench.uplinks.dead = {"2001:db8::2"}
    once = HealthOnce(bench.store, clock=bench.clock, carry_out=bench.uplinks)
    found = once.resolve_all([exit_("a"), exit_("b", TUNNEL)])
    assert [one.value.fit for one in found.values()] == [True, False]
    once.resolve_all([exit_("a"), exit_("b", TUNNEL)])
    assert bench.uplinks.asked == [UPLINK + TUNNEL, TUNNEL, TUNNEL], "only what fails is tried again"
    assert not bench.store.load_health().known


def test_once_keeps_what_it_found_for_the_daemon_that_comes(bench: Bench) -> None:
    HealthOnce(bench.store, keep=True, clock=bench.clock, carry_out=bench.uplinks).resolve(exit_("a"))
    assert bench.ask(exit_("a"))[0].fit is True


def test_once_takes_the_word_of_a_daemon_that_runs(bench: Bench) -> None:
    bench.uplinks.dead = {"2001:db8::1"}
    bench.ask(exit_("a"))
    bench.step()
    bench.uplinks.asked.clear()
    bench.uplinks.dead.clear()
    with bench.store.locked(role="run"):
        told = HealthOnce(bench.store, clock=bench.clock, carry_out=bench.uplinks).resolve(exit_("a"))
    assert (told.value.fit, bench.uplinks.asked) == (False, [])
    told = HealthOnce(bench.store, clock=bench.clock, carry_out=bench.uplinks).resolve(exit_("a"))
    assert (told.value.fit, bench.uplinks.asked) == (True, [UPLINK] * 5)
