"""A node of the mesh announces a way out for the clients of others: nobody takes it, and who did it is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.lab.laboratory import Lab
from tests.failover.failures import PATIENCE_SECONDS
from tests.failover.lines import run, ways
from tests.failover.served import await_served
from tests.kernel.lab_mesh.conftest import SERVED

STRANGER = "roof-south"
BESIDE = "roof-north"
CLIENTS = "2001:db8:200:10::/64"
"""Alice's network, a part of the prefix that Kiel is the exit for."""
ROUTE = ("default", "from", CLIENTS, "dev", "lo", "table", "10")


@pytest.fixture
def stranger(lab: Lab) -> Iterator[None]:
    """A node that announces what it likes, since nothing puts it right."""
    run(lab, STRANGER, "stellwerk", "suspend", "--reason", "a stranger")
    run(lab, STRANGER, "ip", "-6", "route", "add", *ROUTE, "proto", "242")
    try:
        yield
    finally:
        # Retracted first, as neighbours would keep what just vanishes.
        run(lab, STRANGER, "ip", "-6", "route", "replace", *ROUTE, "proto", "243")
        lab.until(lambda status: not _offenders(status, BESIDE), "its end", PATIENCE_SECONDS)
        run(lab, STRANGER, "ip", "-6", "route", "delete", *ROUTE)
        run(lab, STRANGER, "stellwerk", "resume")
        await_served(lab, SERVED)


def _offenders(status: dict[str, Any], node: str) -> list[dict[str, Any]]:
    told = status["nodes"][node]["status"]
    return [] if told is None else [one for one in told["offenders"] if one["source"] == CLIENTS]


@pytest.mark.usefixtures("stranger")
def test_a_way_out_for_the_clients_of_others_moves_nothing_and_is_named_where_there_is_no_exit(lab: Lab) -> None:
    status = lab.until(lambda status: bool(_offenders(status, BESIDE)), "the stranger is named", PATIENCE_SECONDS)
    (offender,) = _offenders(status, BESIDE)
    assert (offender["kind"], offender["interface"], offender["refused"]) == ("exit", "mesh1", True)
    assert offender["router_id"] in run(lab, BESIDE, "stellwerk", "status")
    assert ways(lab, "alice") == {"alice": {"exit-kiel"}}
    assert _offenders(lab.status(), "house-west") == [], "it is not passed on"
