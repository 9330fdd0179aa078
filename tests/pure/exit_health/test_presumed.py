"""What is held of an exit before its checks have said something, and how much one lost packet says by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path

import pytest

from intent.checks import Check, Ping
from intent.fitness import CheckedHealth, WayOut
from reconciler.backends.checked_health import HealthOnce, fingerprint
from reconciler.core.checks import CheckResult
from reconciler.core.errors import BackendError
from reconciler.core.known_health import Known, KnownHealth
from tests.pure.exit_health.test_watched import UPLINK, Bench, exit_

OURS = WayOut(10, "wan", IPv6Network("2001:db8:42::/56"))
LEADS_OUT = replace(exit_("a"), way_out=OURS)


class Announced(Bench):
    """A daemon that has lost what the checks said, on a node whose routes are as they were."""

    def __init__(self, folder: Path) -> None:
        self.ways: list[WayOut] = [OURS]
        self.fails = False
        super().__init__(folder)

    def look(self, routing_table: int) -> Sequence[WayOut]:
        assert routing_table == 10
        if self.fails:
            raise BackendError("the kernel does not answer")
        return self.ways

    def begin(self) -> None:
        super().begin()
        self.watched._look = self.look


@pytest.fixture
def bench(tmp_path: Path) -> Announced:
    return Announced(tmp_path / "state")


def test_what_is_announced_stays_so_until_the_checks_say_otherwise(bench: Announced) -> None:
    bench.uplinks.dead = {"2001:db8::1"}
    assert bench.ask(LEADS_OUT)[0].fit is True
    assert [bench.step() for _ in range(3)] == [False, False, True]
    assert bench.ask(LEADS_OUT)[0].fit is False
    bench.begin()
    assert bench.ask(LEADS_OUT)[0].fit is False, "what is known counts more"


def test_the_source_of_a_delegated_one_is_not_known_before(bench: Announced) -> None:
    assert bench.ask(replace(LEADS_OUT, way_out=replace(OURS, source=None)))[0].fit is True


@pytest.mark.parametrize(
    "ways",
    [
        [],
        [replace(OURS, link="wan2")],
        [replace(OURS, source=IPv6Network("2001:db8:43::/56"))],
    ],
)
def test_what_is_not_announced_waits_for_its_first_check(bench: Announced, ways: list[WayOut]) -> None:
    bench.ways = ways
    assert bench.ask(LEADS_OUT)[0].fit is None


def test_where_the_kernel_cannot_be_asked_nothing_is_presumed(bench: Announced) -> None:
    bench.fails = True
    assert bench.ask(LEADS_OUT)[0].fit is None


class Lossy:
    """Answers the first checks as it is told: ``+`` passed, ``-`` failed."""

    def __init__(self, answers: str) -> None:
        self.answers = list(answers)

    def __call__(self, checks: Sequence[Check]) -> tuple[CheckResult, ...]:
        passed = self.answers.pop(0) == "+"
        return tuple(CheckResult(check, passed, "answered" if passed else "no answer") for check in checks)


@pytest.mark.parametrize(
    ("known", "answers", "fit"),
    [
        (None, "+", True),
        (None, "--+", True),
        (None, "---", False),
        (True, "+", True),
        (True, "--+", True),
        (True, "---", False),
        (False, "-", False),
        (False, "++++-", False),
        (False, "+++++", True),
    ],
)
def test_by_hand_as_many_in_a_row_turn_it_as_in_the_background(
    bench: Bench, known: bool | None, answers: str, fit: bool
) -> None:
    """Three failures make unfit and five passes fit again, of what is known from this start of the machine."""
    if known is not None:
        before = Known(fingerprint(UPLINK), ("a",), known, 1.0, "seen then", 1.0, 0)
        bench.store.save_health(KnownHealth(bench.clock.boot(), (before,)))
    carry_out = Lossy(answers)
    once = HealthOnce(bench.store, clock=bench.clock, carry_out=carry_out)
    assert once.resolve(exit_("a")).value.fit is fit
    assert carry_out.answers == []


def test_by_hand_only_what_is_not_decided_is_tried_again(bench: Bench) -> None:
    bench.uplinks.dead = {"2001:db8::2"}
    once = HealthOnce(bench.store, clock=bench.clock, carry_out=bench.uplinks)
    other = (Ping(address="2001:db8::2"),)
    found = once.resolve_all([exit_("a"), exit_("b", other)])
    assert [one.value.fit for one in found.values()] == [True, False]
    assert bench.uplinks.asked == [UPLINK + other, other, other]


def test_two_that_differ_in_the_way_out_are_the_same_reference() -> None:
    assert exit_("a") == LEADS_OUT
    assert isinstance(LEADS_OUT, CheckedHealth)
