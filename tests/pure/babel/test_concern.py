"""How often babeld's news of concern are told."""

from __future__ import annotations

from intent.offences import Announced, Prefixes
from intent.resources.babel_learned import Watch
from reconciler.backends.babeld_concern import LEAST_SECONDS, MOST_SECONDS, Concern

OURS = Prefixes("2001:db8:1::/48", "::/0")
ROUTE = (
    b"%b route a1 prefix 2001:db8:1::/48 from ::/0 installed no id 02:00:00:00:00:00:00:0c metric 96 refmetric 0 "
    b"via fe80::1 if mesh0"
)


def concern(told: list[str]) -> Concern:
    found = Concern(told.append)
    found.watch(Watch(Announced([OURS])))
    return found


def flap(concern: Concern, since: float, seconds: float) -> float:
    """Have a route come and go ten times a second."""
    for tick in range(int(seconds * 10)):
        concern.hear([ROUTE % (b"add", b"flush")[tick % 2 : tick % 2 + 1]])
        concern.tell(since + tick / 10)
    return since + seconds


def test_a_route_that_flaps_causes_ever_fewer_looks_and_is_news_at_once_after_a_calm() -> None:
    told: list[str] = []
    one = concern(told)
    end = flap(one, 100, 0.2)
    assert len(told) == 1, "the first is told at once"
    end = flap(one, end, 600)
    assert len(told) <= 600 / MOST_SECONDS + 6
    assert one.due() <= end + MOST_SECONDS
    one.tell(end + MOST_SECONDS)
    told.clear()
    flap(one, end + 60, 0.2)
    assert len(told) == 1


def test_what_flaps_far_away_does_not_hold_back_what_happens_here() -> None:
    told: list[str] = []
    one = concern(told)
    end = flap(one, 100, 60)
    told.clear()
    one.hear([b"change interface mesh0 up false"])
    one.tell(end + LEAST_SECONDS)
    assert told == ["its interfaces changed"]
