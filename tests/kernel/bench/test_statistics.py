"""What a query of respondd may not cost, and what may not cut us off; `make bench` measures it.

Ratios, counts and bytes, and no times: others use this machine too.
"""

from __future__ import annotations

import pytest

from tests.bench.cases import cases
from tests.bench.cases.statistics_burst import BURST, MOST_ROUTES
from tests.bench.findings import Finding
from tests.bench.isolated import measure

pytestmark = pytest.mark.alone
FEW, MANY = 200, 2_000
MOST_GROWTH = 2.0
"""Of what a query costs us, from few routes to ten times as many. The peer's grows with them."""
MOST_OF_THE_PEER = 0.5
"""Measured is a thirtieth."""
LIMIT_SECONDS = 240.0


def measured(case: str, size: int) -> dict[str, Finding]:
    """Return what a case finds, by quantity."""
    found, failure = measure(cases()[case], size, LIMIT_SECONDS)
    assert failure is None, failure.why
    return {one.quantity: one for one in found}


def test_a_query_costs_the_same_whatever_babeld_knows_and_babeld_nothing() -> None:
    few, many = measured("statistics-small", FEW), measured("statistics-small", MANY)
    assert max(many["from babeld"].ours.values) == 0
    ours = min(many["CPU"].ours.values)
    print(f"{ours:.6f} s a query, {ours / min(few['CPU'].ours.values):.2f} times that with few, {many['CPU'].ratio}")
    assert ours < MOST_GROWTH * min(few["CPU"].ours.values)
    assert many["CPU"].peer is not None
    assert ours < MOST_OF_THE_PEER * min(many["CPU"].peer.values)


def test_a_burst_while_the_main_thread_is_busy_is_not_cut() -> None:
    found = measured("statistics-burst", FEW)
    assert {one.case for one in found.values()} == {BURST}
    for way in ("wait", "compute"):
        assert min(found[f"{way}: lines"].ours.values) >= MOST_ROUTES * FEW
        assert max(found[f"{way}: connections lost"].ours.values) == 0
