"""When what is checked again and again counts as fit: a judgement turns only after several results in a row.

What falls again soon after it has risen takes longer each time to rise (as in RFC 2439, route flap damping), so that a
lossy uplink does not shake the mesh.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LONGEST_RISE_SECONDS = 300
"""For how long results must be good at most, however often it fell, unless more is asked for."""
CALM_SECONDS = 600.0
"""How long something must have been fit for its next fall to count as the first again."""


@dataclass(frozen=True, slots=True)
class Terms:
    """So many failures in a row make unfit, so many passes fit again; a check begins each ``every_seconds``."""

    every_seconds: int
    fall: int
    rise: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is held of something: ``fit``, ``None`` for not known yet.

    ``since`` is when that was found (seconds since 1970) and ``reason`` what was seen then. ``risen_at`` is when it
    last became fit, by the clock's `now`; ``falls`` counts those that each followed soon after it had risen.
    ``against`` counts the latest results in a row that speak against it.
    """

    fit: bool | None = None
    since: float = 0.0
    reason: str = ""
    risen_at: float = 0.0
    falls: int = 0
    against: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What a check, or some checks together, came to, when (the clock's `now`, and seconds since 1970), and why."""

    passed: bool
    reason: str
    now: float
    wall: float


def judged(before: Judgement, result: Result, terms: Terms) -> Judgement:
    """Return the judgement after a result. The first result of all decides at once."""
    if before.fit is None:
        return _turned(before, result)
    if result.passed is before.fit:
        return replace(before, against=0) if before.against else before
    against = before.against + 1
    return _turned(before, result) if against >= needed(before, terms) else replace(before, against=against)


def tried(before: Judgement, result: Result, count: int, terms: Terms) -> Judgement | None:
    """Return the judgement after ``count`` results in a row that were had at once; ``None`` while more are needed.

    ``result`` is the latest. What is not known yet is fit by the first pass.
    """
    presumed = before.fit is not False
    if result.passed is presumed:
        return _turned(before, result) if before.fit is None else before
    return _turned(before, result) if count >= (terms.fall if presumed else terms.rise) else None


def needed(judgement: Judgement, terms: Terms) -> int:
    """Return how many results in a row turn a judgement."""
    if judgement.fit:
        return terms.fall
    most = max(terms.rise, -(-LONGEST_RISE_SECONDS // terms.every_seconds))
    # A power that is not bounded would be a number of any length.
    return min(terms.rise << min(max(0, judgement.falls - 1), 16), most)


def _turned(before: Judgement, result: Result) -> Judgement:
    if result.passed:
        return Judgement(True, result.wall, result.reason, result.now, before.falls)
    soon = before.fit is True and result.now - before.risen_at < CALM_SECONDS
    return Judgement(False, result.wall, result.reason, before.risen_at, before.falls + 1 if soon else 1)
