"""What a real babeld knows, as the figures have it: neighbours, ways out, and nothing while it is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from intent.statistics import BabelSource, Following, MeshInterface, Statistics
from reconciler.services.control_server import Board
from reconciler.services.statistics import ways_out
from reconciler.services.statistics.as_json import as_json
from reconciler.services.statistics.live_figures import LiveFigures, StatusBoard
from tests.contract.figures import check
from tests.kernel.babel.mesh import Mesh, Node, until

EXIT = "2001:db8:42::/56"


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    mesh = Mesh()
    try:
        yield mesh
    finally:
        mesh.remove()


@contextmanager
def figures_of(node: Node, status: StatusBoard | None = None) -> Iterator[LiveFigures]:
    settings = Statistics(
        node="a",
        babel=BabelSource(socket=node.socket, following=Following.MONITOR),
        mesh_interfaces=(MeshInterface(name="mesh0"),),
        exits=(EXIT,),
    )
    figures = node.inside(lambda: LiveFigures(settings, status))
    try:
        yield figures
    finally:
        figures.close()


def neighbours(figures: LiveFigures) -> int | None:
    babel = figures.babel()
    return None if babel is None or babel.known is None else len(babel.known.neighbours)


def start(node: Node) -> None:
    node.start("-c", "/dev/null", "-C", "import-table 10", "-C", "redistribute proto 242 allow", "mesh0")


def awaited(figures: LiveFigures, met: Callable[[], object], what: str) -> None:
    """Wait for changes until a condition holds: each is told to who waits."""
    deadline = time.monotonic() + 30
    seen = -1
    while not met():
        assert time.monotonic() < deadline, what
        seen = figures.wait(seen, 5)


def test_neighbours_come_and_go_with_babeld(mesh: Mesh) -> None:
    with figures_of(mesh.a) as figures:
        assert neighbours(figures) is None
        assert "babel" in figures.problems()
        start(mesh.a)
        start(mesh.b)
        awaited(figures, lambda: neighbours(figures) == 1, "a neighbour")
        assert figures.problems() == {}
        babel = figures.babel()
        assert babel is not None
        assert babel.known is not None
        assert [one.name for one in babel.known.interfaces] == ["mesh0"]
        (neighbour,) = babel.known.neighbours
        assert neighbour.interface == "mesh0"
        assert babel.known.interfaces[0].ipv6 in figures.addresses()["mesh0"]
        mesh.a.stop()
        awaited(figures, lambda: neighbours(figures) is None, "nothing is known without babeld")
        told = as_json(figures)["babel"]
        assert told["known"] is None
        assert told["problem"]
        assert "age_seconds" not in told
        start(mesh.a)
        awaited(figures, lambda: neighbours(figures) == 1, "a neighbour again")
        assert getattr(figures.babel(), "connected_total") >= 2  # noqa: B009


def test_where_traffic_leaves(mesh: Mesh) -> None:
    mesh.a.ip("address", "add", "2001:db8:42::a/128", "dev", "lo")
    start(mesh.a)
    start(mesh.b)
    with figures_of(mesh.a) as figures:
        awaited(figures, lambda: neighbours(figures) == 1, "a neighbour")
        assert ways_out.of(figures) == ways_out.NOWHERE
        announce = ("-6", "route", "add", "default", "from", EXIT, "dev", "lo", "proto", "242", "table", "10")
        mesh.b.ip(*announce)
        until(lambda: bool(getattr(ways_out.of(figures), "ways", ())), "the exit of the other node")
        found = ways_out.of(figures)
        babel = figures.babel()
        assert found is not None
        assert babel is not None
        assert babel.known is not None
        (way,) = found.ways
        assert found.ipv6 == way
        assert (way.source, way.here, way.contains_own) == (EXIT, False, True)
        assert (way.next_hop, way.interface) == (babel.known.neighbours[0].address, "mesh0")
        assert way.router_id != babel.known.router_id
        mesh.a.ip(*announce)
        until(lambda: getattr(getattr(ways_out.of(figures), "ipv6", None), "here", False), "the exit here")
        assert as_json(figures)["exits"] == {
            "announced": 1,
            "withdrawn": 0,
            "all": [{"name": EXIT, "state": "announced"}],
        }


def test_who_waits_is_told_of_another_status(mesh: Mesh) -> None:
    board = Board(time.monotonic)
    with figures_of(mesh.a, board) as figures:
        assert figures.status() is None
        before = figures.changes()
        timer = threading.Timer(0.2, board.put, [{"node": "a"}])
        timer.start()
        assert figures.wait(before, 30) > before
        timer.join()
        status = figures.status()
        assert status is not None
        assert status["node"] == "a"


def test_the_end_wakes_who_waits(mesh: Mesh) -> None:
    with figures_of(mesh.a) as figures:
        timer = threading.Timer(0.2, figures.close)
        timer.start()
        begun = time.monotonic()
        figures.wait(figures.changes() + 100, 60)
        assert time.monotonic() - begun < 30
        timer.join()


def test_every_answer_is_of_its_type(mesh: Mesh) -> None:
    start(mesh.a)
    start(mesh.b)
    with figures_of(mesh.a) as figures:
        awaited(figures, lambda: neighbours(figures) == 1, "a neighbour")
        check(figures)
