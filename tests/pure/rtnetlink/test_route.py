"""What counts as a difference between two routes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from intent.resources.route import Route

PLAIN = Route(routing_table=10, destination="2001:db8:1::/48", link="mesh0")
VIA = replace(PLAIN, gateway="fe80::1")
REFUSED = replace(PLAIN, kind="unreachable", link=None)


@pytest.mark.parametrize(
    ("want", "have", "fields"),
    [
        (PLAIN, PLAIN, set()),
        (VIA, VIA, set()),
        (REFUSED, REFUSED, set()),
        (VIA, PLAIN, {"gateway"}),
        # No gateway means none: packets would go to a neighbour that is not asked for.
        (PLAIN, VIA, {"gateway"}),
        (PLAIN, replace(PLAIN, link="mesh1"), {"link"}),
        (PLAIN, replace(PLAIN, protocol=241), {"protocol"}),
        (PLAIN, REFUSED, {"kind", "link"}),
        (REFUSED, PLAIN, {"kind", "link"}),
        (REFUSED, VIA, {"kind", "link", "gateway"}),
    ],
)
def test_changes(want: Route, have: Route, fields: set[str]) -> None:
    assert want.changes(have).keys() == fields
