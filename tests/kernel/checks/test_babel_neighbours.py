"""Neighbours of a real babeld."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from intent.checks import BabelNeighbours
from reconciler.backends.checks import carry_out
from reconciler.core.checks import CheckResult
from tests.kernel.babel.mesh import Mesh, until


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    mesh = Mesh()
    try:
        yield mesh
    finally:
        mesh.remove()


@pytest.mark.parametrize("address", [None, "33123"])
def test_neighbours_come_and_go(mesh: Mesh, address: str | None) -> None:
    mesh.a.start("mesh0", address=address)
    socket = mesh.a.socket if address is None else f"[::1]:{address}"

    def check(count: int, interface: str | None = None) -> CheckResult:
        wanted = BabelNeighbours(socket=socket, count=count, interface=interface)
        (result,) = mesh.a.inside(lambda: carry_out([wanted]))
        return result

    until(lambda: check(1).reason.startswith("babel has 0, 1 are needed; see that"), "babeld answers")
    mesh.b.start("mesh0")
    until(lambda: check(1).passed, "the neighbour")
    assert check(1, "mesh0").reason == "babel has 1 on mesh0"
    assert check(2).reason.startswith("babel has 1, 2 are needed")
    assert not check(1, "wan").passed
    mesh.b.stop()
    until(lambda: not check(1).passed, "the neighbour to be missed")
    mesh.a.stop()
    assert check(1).reason.startswith("babeld does not run")
