"""What the loop does when single routes are told of, on a whole node."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from intent.resources.resource import Request
from intent.resources.route import PROTOCOL_HELD, RTPROT_STATIC, Route
from reconciler.core.backend import News, RowNews
from reconciler.core.errors import BusyError
from tests.pure.loop.rig import RealStage

REAL_KINDS = True

FILE = """
version: 1
node: berlin-7
routes:
  - to: "::/0"
    from:
      - "2001:db8:1::/48"
      - "2001:db8:2::/48"
      - "2001:db8:3::/48"
    via: {interface: wan}
    table: 10
"""


@pytest.fixture
def calm(node: RealStage) -> RealStage:
    """A node that is as it should be."""
    node.file(FILE)
    node.run(1)
    assert node.status["sync"]["state"] == "synced"
    node.backend.dumps.clear()
    node.journal.clear()
    return node


def ours(node: RealStage) -> list[str]:
    return [line for line in node.backend.describe() if line.startswith("route") and "2001:db8:" in line]


def rows(node: RealStage, route: Route, gone: bool) -> Sequence[RowNews]:
    """Return what the kernel would tell of a route that is there."""
    names = {link.index: link.name for link in node.backend.kernel.links}
    found = [row for row in node.backend.kernel.routes.rows(frozenset({10})) if Route.decode(row, names) == route]
    assert len(found) == 1
    return [RowNews(found[0], gone=gone)]


def delete(node: RealStage, route: Route) -> Sequence[RowNews]:
    told = rows(node, route, gone=True)
    by_others(node, route.delete())
    return told


def add(node: RealStage, route: Route) -> Sequence[RowNews]:
    by_others(node, route.create())
    return rows(node, route, gone=False)


def by_others(node: RealStage, requests: Sequence[Request]) -> None:
    """Send what others send: it is not written down as ours."""
    written = list(node.journal)
    assert set(node.backend.send(requests)) == {None}
    node.journal[:] = written


def route(number: int, protocol: int = PROTOCOL_HELD) -> Route:
    source = f"2001:db8:{number}::/48"
    return Route(routing_table=10, destination="::/0", source=source, link="wan", protocol=protocol)


def test_a_route_that_is_told_to_be_gone_is_made_again_before_anything_is_looked_at(calm: RealStage) -> None:
    before = ours(calm)
    told = delete(calm, route(2))
    assert ours(calm) != before
    looked_at: list[str] = []
    calm.loop.before_a_round = lambda: looked_at.extend(calm.backend.dumps)
    calm.loop.hear(News(rows={"route": told}))
    calm.run()
    assert ours(calm) == before
    assert "route" not in looked_at
    # By that look the repair is verified.
    assert calm.backend.dumps.count("route") == 1
    assert calm.status["sync"]["state"] == "synced"


def test_a_route_that_comes_and_goes_has_nothing_looked_at(calm: RealStage) -> None:
    foreign = route(9, protocol=RTPROT_STATIC)
    calm.loop.hear(News(rows={"route": add(calm, foreign)}))
    calm.run()
    calm.loop.hear(News(rows={"route": delete(calm, foreign)}))
    calm.run()
    assert "route" not in calm.backend.dumps
    assert calm.journal == []


def test_a_route_with_our_mark_that_nobody_asked_for_goes(calm: RealStage) -> None:
    before = ours(calm)
    calm.loop.hear(News(rows={"route": add(calm, route(9))}))
    calm.run()
    assert ours(calm) == before


def test_what_was_told_before_something_else_failed_is_not_lost(calm: RealStage) -> None:
    before = ours(calm)
    told = delete(calm, route(1))
    calm.backend.fail(1, BusyError("not now"))
    calm.loop.hear(News(rows={"route": told}))
    calm.run(120)
    assert ours(calm) == before
    assert calm.status["sync"]["state"] == "synced"


def test_what_is_told_while_nothing_may_be_changed_is_shown_and_mended_later(calm: RealStage) -> None:
    before = ours(calm)
    calm.loop.suspend("work on the line", None)
    calm.loop.hear(News(rows={"route": delete(calm, route(3))}))
    calm.run(5)
    assert calm.status["sync"]["state"] != "synced"
    assert ours(calm) != before
    calm.loop.resume()
    calm.run(5)
    assert ours(calm) == before
