"""The last hour: what is kept of it, and what is drawn."""

from __future__ import annotations

from reconciler.backends.babel_table import Neighbour
from reconciler.services.statistics.page.history import KEPT, MOST_TRACES, SAMPLE_SECONDS, History, Rate
from reconciler.services.statistics.page.plots import Plot, plots
from tests.figures import LINKS, NEIGHBOURS

HERE = NEIGHBOURS[0]


def drawn(history: History, now: float, one: Neighbour = HERE) -> tuple[Plot, Plot]:
    return plots(history.trace(one.interface, one.address, now))


def hour(*neighbours: Neighbour) -> History:
    history = History()
    for number in range(KEPT):
        history.take(number * SAMPLE_SECONDS, neighbours, {})
    return history


def test_a_quiet_hour_is_one_line() -> None:
    cost, heard = drawn(hour(HERE), 3599.0)
    assert cost.line == "M0 5h120"
    assert cost.words == "cost 96"
    assert heard.line == "M0 2h120"
    assert heard.words == "at worst 16 of 16 hellos"
    assert cost.away == ""


def test_no_more_than_an_hour_is_kept() -> None:
    history = hour(HERE)
    history.take(3600.0, [HERE], {})
    assert len(history.trace(HERE.interface, HERE.address, 3600.0)) == KEPT
    assert history.since == SAMPLE_SECONDS


def test_a_minute_without_a_way_is_marked_and_said() -> None:
    history = History()
    for number in range(KEPT):
        history.take(number * 20.0, [HERE._replace(cost=65535 if number == 90 else 100 + (number < 30))], {})
    cost, _ = drawn(history, 3599.0)
    assert cost.away == "M60 23V17h2V23z"
    assert cost.words == "cost from 100 to 101, unreachable in 1 minute"


def test_a_gap_is_left_empty() -> None:
    history = History()
    for number in range(KEPT):
        history.take(number * 20.0, None if 60 <= number < 120 else [HERE], {})
    cost, _ = drawn(history, 3599.0)
    assert cost.line == "M0 5h40M80 5h40"


def test_who_comes_later_has_the_same_clock() -> None:
    history = hour()
    history.take(3600.0, [HERE], {})
    (point,) = history.trace(HERE.interface, HERE.address, 3610.0)
    assert point.seconds_ago == 10.0
    assert drawn(history, 3610.0)[0].line == "M118 5h2"


def test_who_was_away_for_an_hour_is_forgotten() -> None:
    history = hour(HERE)
    for number in range(KEPT, 2 * KEPT):
        history.take(number * 20.0, [], {})
    assert history.trace(HERE.interface, HERE.address, 7200.0) == ()
    assert drawn(history, 7200.0)[0].words == "no samples yet"


def test_of_many_neighbours_those_that_are_there_are_kept() -> None:
    history = History()
    first = [HERE._replace(address=f"fe80::1:{n:x}") for n in range(MOST_TRACES)]
    second = [HERE._replace(address=f"fe80::2:{n:x}") for n in range(MOST_TRACES)]
    history.take(0.0, first, {})
    history.take(20.0, [*first, HERE], {})
    assert history.trace(HERE.interface, HERE.address, 20.0) == ()
    history.take(40.0, [*first[:-1], HERE], {})
    assert history.trace(HERE.interface, HERE.address, 40.0)
    history.take(60.0, second, {})
    assert all(history.trace(one.interface, one.address, 60.0) for one in second)
    assert not any(history.trace(one.interface, one.address, 60.0) for one in first)


def test_rates_are_of_the_last_sample_and_not_of_another_link() -> None:
    link = LINKS["mesh0"]
    history = History()
    history.take(0.0, None, {"mesh0": link})
    assert history.rate("mesh0") is None
    history.take(20.0, None, {"mesh0": link._replace(rx_bytes=link.rx_bytes + 2000, tx_bytes=link.tx_bytes + 40)})
    assert history.rate("mesh0") == Rate(100.0, 2.0)
    history.take(40.0, None, {"mesh0": link._replace(rx_bytes=5)})
    assert history.rate("mesh0") is None
