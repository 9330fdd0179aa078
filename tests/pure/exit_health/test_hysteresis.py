"""The judgement of what is checked again and again: it turns as the terms say, and never faster."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.hysteresis import CALM_SECONDS, LONGEST_RISE_SECONDS, Judgement, Result, Terms, judged, needed

TERMS = Terms(every_seconds=2, fall=3, rise=5)


def played(
    results: str, terms: Terms = TERMS, before: Judgement | None = None, start: float = 100.0
) -> list[Judgement]:
    """Return the judgement after each result: ``+`` for passed, ``-`` for failed, one each ``every_seconds``."""
    judgement, found = before or Judgement(), []
    for number, sign in enumerate(results):
        now = start + number * terms.every_seconds
        judgement = judged(judgement, Result(sign == "+", f"result {number}", now, 1e9 + now), terms)
        found.append(judgement)
    return found


def shown(judgements: list[Judgement]) -> str:
    return "".join({True: "F", False: "u", None: "?"}[one.fit] for one in judgements)


@pytest.mark.parametrize(
    ("results", "fit"),
    [
        ("+", "F"),
        ("-", "u"),
        ("+---", "FFFu"),
        ("+--+--+", "FFFFFFF"),
        ("-+++++", "uuuuuF"),
        ("-++++-+++++", "uuuuuuuuuuF"),
        ("+---+++++", "FFFuuuuuF"),
    ],
)
def test_it_turns_after_so_many_in_a_row(results: str, fit: str) -> None:
    assert shown(played(results)) == fit


def test_it_says_since_when_and_why() -> None:
    *_, last = played("+---+")
    assert (last.fit, last.reason, last.since) == (False, "result 3", 1e9 + 106)


def test_a_second_fall_soon_takes_twice_as_long_to_rise() -> None:
    *_, fallen = played("+---+++++---")
    assert (fallen.fit, needed(fallen, TERMS)) == (False, 2 * TERMS.rise)
    assert shown(played("+" * 10, before=fallen, start=200.0)) == "uuuuuuuuuF"


def test_a_long_calm_makes_it_the_first_fall_again() -> None:
    *_, risen = played("+---+++++---" + "+" * 10)
    *_, fallen = played("---", before=risen, start=risen.risen_at + CALM_SECONDS)
    assert needed(fallen, TERMS) == TERMS.rise


@given(falls=st.integers(0, 10_000), every=st.integers(1, 300), rise=st.integers(1, 100))
def test_however_often_it_fell_the_rise_is_bounded(falls: int, every: int, rise: int) -> None:
    terms = Terms(every, 3, rise)
    passes = needed(Judgement(False, falls=falls), terms)
    assert rise <= passes
    assert passes * every <= max(rise * every, LONGEST_RISE_SECONDS + every)


@given(
    results=st.text("+-", max_size=300),
    fall=st.integers(1, 6),
    rise=st.integers(1, 6),
    every=st.sampled_from([1, 2, 60]),
)
def test_never_faster_than_the_terms_allow(results: str, fall: int, rise: int, every: int) -> None:
    """After the first verdict each turn has so many results of the other kind just before it, and none is missed."""
    terms = Terms(every, fall, rise)
    found = played(results, terms)
    last_turn = 0
    for number in range(1, len(found)):
        before, after = found[number - 1], found[number]
        passes = needed(before, terms)
        sign = "-" if before.fit else "+"
        row = len(results[: number + 1]) - len(results[: number + 1].rstrip(sign))
        row = min(row, number - last_turn)
        assert (after.fit is not before.fit) == (row >= passes)
        if after.fit is not before.fit:
            assert number - last_turn >= (fall if before.fit else rise)
            last_turn = number
