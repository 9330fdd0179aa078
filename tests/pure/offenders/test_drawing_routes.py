"""The reference to what draws our traffic: asked of babeld, remembered for a while."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from intent.offences import Prefixes
from intent.refusals import MOST_REFUSED, DrawingRoutes
from reconciler.backends.drawing_routes import KEPT_SECONDS, PAUSE_SECONDS, AgainAndAgain, OnceAsked
from tests.pure.babel.fake_babeld import FakeBabeld, says
from tests.pure.loop.rig import FakeClock
from tests.pure.offenders.test_learned import line

EXIT = b"add xroute ::/0-2001:db8:42::/56 prefix ::/0 from 2001:db8:42::/56 metric 0\n"
PART = Prefixes("::/0", "2001:db8:42:1::/64")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def dump(*routes: tuple[str, str]) -> bytes:
    return EXIT + b"".join(line(route) + b"\n" for route in routes) + b"ok\n"


def test_it_is_what_is_inside_ours(tmp_path: Path) -> None:
    others = (
        PART,
        ("::/0", "::/0"),
        ("::/0", "2001:db8:42::/56"),
        ("::/0", "2001:db8::/32"),
        ("2001:db8::/64", "::/0"),
    )
    with FakeBabeld(tmp_path / "s", says(dump(*others))) as babeld:
        assert OnceAsked().resolve(DrawingRoutes(babeld.address, 10)).value == (PART,)


def test_without_a_babeld_it_is_nothing(tmp_path: Path) -> None:
    assert OnceAsked().resolve(DrawingRoutes(str(tmp_path / "s"), 10)).value == ()


def test_too_many_are_said_to_be(tmp_path: Path) -> None:
    many = [("::/0", f"2001:db8:42:{n:x}::/64") for n in range(MOST_REFUSED + 7)]
    with FakeBabeld(tmp_path / "s", says(dump(*many))) as babeld:
        found = OnceAsked().resolve(DrawingRoutes(babeld.address, 10))
    assert len(found.value) == MOST_REFUSED
    assert f"{MOST_REFUSED + 7} routes of others" in found.notes[0]


def test_of_too_many_the_widest_are_refused_and_then_those_known_longest(tmp_path: Path) -> None:
    clock = FakeClock()
    resolver = AgainAndAgain(clock, lambda: None)
    reference = DrawingRoutes(str(tmp_path / "s"), 10)
    first = Prefixes("::/0", "2001:db8:42:ff:ffff::/80")
    with FakeBabeld(tmp_path / "s", says(dump(first))):
        assert resolver.resolve(reference).value == (first,)
    (tmp_path / "s").unlink(missing_ok=True)
    junk = [("::/0", f"2001:db8:42:0:{n:x}::/80") for n in range(3 * MOST_REFUSED)]
    wide = Prefixes("::/0", "2001:db8:42:ff::/64")
    with FakeBabeld(tmp_path / "s", says(dump(first, *junk, wide))):
        clock.advance(PAUSE_SECONDS)
        found = resolver.resolve(reference).value
    assert len(found) == MOST_REFUSED
    assert {first, wide} <= set(found)


def test_it_is_asked_again_and_forgets_what_is_gone_after_a_while(tmp_path: Path) -> None:
    clock = FakeClock()
    resolver = AgainAndAgain(clock, lambda: None)
    reference = DrawingRoutes(str(tmp_path / "s"), 10)
    with FakeBabeld(tmp_path / "s", says(dump(PART))):
        assert resolver.resolve(reference).value == (PART,)
    assert resolver.due() == clock.now() + KEPT_SECONDS
    (tmp_path / "s").unlink(missing_ok=True)
    with FakeBabeld(tmp_path / "s", says(dump())):
        assert resolver.resolve(reference).value == (PART,), "it was asked just now"
        assert resolver.due() == clock.now() + PAUSE_SECONDS
        clock.advance(PAUSE_SECONDS)
        assert resolver.refresh()
        assert resolver.resolve(reference).value == (PART,), "it may come again"
        clock.advance(resolver.due() - clock.now())
        assert resolver.refresh()
        assert resolver.resolve(reference).value == ()
        assert resolver.due() == math.inf


def test_while_babeld_does_not_answer_all_stays_as_it_was(tmp_path: Path) -> None:
    clock = FakeClock()
    resolver = AgainAndAgain(clock, lambda: None)
    reference = DrawingRoutes(str(tmp_path / "s"), 10)
    with FakeBabeld(tmp_path / "s", says(dump(PART))):
        resolver.resolve(reference)
    clock.advance(2 * KEPT_SECONDS)
    assert resolver.resolve(reference).value == (PART,)


def test_it_lives_on_the_table_that_babeld_installs_into() -> None:
    assert DrawingRoutes("/s", 10).lives_on == {"route": frozenset({10}), "babel": None}
    assert DrawingRoutes("/s", 10).change((PART,), ()) == "of the routes of others inside ours 1 went"
