"""What is known of a real babeld is what it has, whatever becomes of it; and it notices as little as possible."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from typing import cast

import pytest

from intent.resources.babel_interface import AddBabelInterface
from intent.resources.babel_wire import InterfaceRow, XrouteRow
from intent.statistics import Following
from reconciler.backends.babeld import Babeld
from reconciler.backends.babeld_client import dump_lines
from reconciler.core.backend import Dump
from tests.kernel.babel.mesh import Mesh, until
from tests.kernel.babel.test_rounds import EXIT, Operator, wanted
from tests.kernel.babel_following.watching import (
    MANY,
    asked,
    connections,
    following,
    installed,
    is_true,
    kernel_routes,
    known,
    start,
    start_announcing,
)

NOTICED_SECONDS = 2.0
ATTEMPTS = 4
LARGE_SECONDS = 90.0
"""How long 10,000 routes may take a babeld on a busy machine."""


def test_what_is_known_by_the_stream_is_what_another_client_is_told(mesh: Mesh) -> None:
    start(mesh)
    mesh.a.ip("-6", "-batch", str(kernel_routes(mesh.a, 20)))
    with following(mesh.a) as exit_node, following(mesh.b) as other:
        until(lambda: installed(other) == 20 and known(other).neighbours, "the mesh is there")
        until(lambda: is_true(exit_node, mesh.a) and is_true(other, mesh.b), "the same")
        mesh.a.ip("-6", "route", "del", "default", "from", "2001:db8:7::/48", "table", "10")
        begun = time.monotonic()
        until(lambda: len(known(exit_node).xroutes) == 19, "the announcement is gone")
        assert time.monotonic() - begun < NOTICED_SECONDS
        mesh.b.ip("link", "set", "mesh0", "down")
        until(lambda: not known(other).interfaces[0].up, "the interface is down")
        until(lambda: is_true(exit_node, mesh.a) and is_true(other, mesh.b), "the same")
        mesh.b.ip("link", "set", "mesh0", "up")
        until(lambda: known(other).interfaces[0].up, "the interface is up")
        until(lambda: is_true(exit_node, mesh.a) and is_true(other, mesh.b), "the same")
        for follower in (exit_node, other):
            state = follower.state()
            assert (state.connected_total, state.lost_total, state.refused_lines_total) == (1, 0, 0)


def test_what_is_known_by_dumps_is_what_another_client_is_told_once_in_their_time(mesh: Mesh) -> None:
    start(mesh)
    mesh.a.ip("-6", "-batch", str(kernel_routes(mesh.a, 20)))
    with following(mesh.b, Following.DUMP, 0.5) as follower, following(mesh.b, Following.DUMP, 0.5, routes=False):
        begun, dumps = time.monotonic(), follower.state().dumps_total
        until(lambda: installed(follower) == 20, "the routes are there")
        until(lambda: is_true(follower, mesh.b), "the same")
        state = follower.state()
        assert state.dumps_total - dumps <= (time.monotonic() - begun) / 0.5 + 1
        assert state.following == "dump"
        assert 0 <= state.age_seconds < NOTICED_SECONDS
        assert connections(mesh.b) == 1


@pytest.mark.parametrize("way", [Following.MONITOR, Following.DUMP])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_babeld_that_ends_is_unknown_and_the_next_one_is_known(mesh: Mesh, way: Following, number: int) -> None:
    start(mesh)
    with following(mesh.a, way, 0.5) as follower:
        first = until(lambda: known(follower) if known(follower).neighbours else None, "the neighbour")
        os.kill(cast(int, mesh.a.pid), number)
        until(lambda: follower.known() is None, "it is not known")
        until(lambda: "nobody listens" in follower.state().problem, "why it is not")
        mesh.a.stop()
        start_announcing(mesh.a)
        found = known(follower)
        assert [one.name for one in found.interfaces] == ["mesh0"]
        until(lambda: known(follower).neighbours, "the neighbour is known again")
        assert len(known(follower).neighbours) == 1
        assert known(follower).neighbours[0].address == first.neighbours[0].address
        state = follower.state()
        assert (state.connected_total, state.lost_total) == (2, 1)


@pytest.mark.parametrize("way", [Following.MONITOR, Following.DUMP])
def test_a_babeld_that_is_stopped_is_unknown_soon_and_known_again_when_it_goes_on(mesh: Mesh, way: Following) -> None:
    start(mesh)
    with following(mesh.a, way, 1) as follower:
        known(follower)
        before = follower.changes
        os.kill(cast(int, mesh.a.pid), signal.SIGSTOP)
        begun = time.monotonic()
        until(lambda: follower.known() is None, "it is not known")
        assert time.monotonic() - begun < 8
        assert follower.changes > before
        until(lambda: "stopped or busy" in follower.state().problem, "why it is not")
        os.kill(cast(int, mesh.a.pid), signal.SIGCONT)
        until(lambda: is_true(follower, mesh.a), "the same")


def test_a_babeld_without_neighbours_stays_known_though_it_says_nothing(mesh: Mesh) -> None:
    start_announcing(mesh.a)
    with following(mesh.a) as follower:
        known(follower)
        before = follower.changes
        begun = time.monotonic()
        while time.monotonic() < begun + 8:
            assert follower.known() is not None
            time.sleep(0.05)
        assert follower.changes == before


def test_a_fifth_client_is_told_why_nothing_is_known(mesh: Mesh) -> None:
    start(mesh)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    try:
        for client in clients:
            client.connect(mesh.a.socket)
            client.recv(100)
        with following(mesh.a) as follower:
            until(lambda: "four clients" in follower.state().problem, "why nothing is known")
            assert follower.known() is None
            clients.pop().close()
            assert known(follower).interfaces
    finally:
        for client in clients:
            client.close()


def busy() -> None:
    ends = time.monotonic() + 1
    while time.monotonic() < ends:
        sum(range(1000))


@pytest.mark.alone
@pytest.mark.parametrize("block", [busy, lambda: time.sleep(1)], ids=["busy", "asleep"])
def test_ten_thousand_lines_while_the_program_is_blocked_are_not_cut(mesh: Mesh, block: Callable[[], None]) -> None:
    """A machine that gives this process no processor for 0.1 s has it cut whatever we do: then it is tried again."""
    start(mesh)
    add, delete = kernel_routes(mesh.a, MANY, "add"), kernel_routes(mesh.a, MANY, "del")
    for _ in range(ATTEMPTS):
        with following(mesh.a) as follower:
            known(follower)
            lines = follower.state().lines_total
            with subprocess.Popen(["ip", "-n", mesh.a.namespace, "-6", "-batch", str(add)]) as process:
                block()
                assert process.wait(60) == 0
            until(lambda: follower.known() is not None and len(known(follower).xroutes) == MANY, "all are known")
            state = follower.state()
            assert state.lines_total - lines >= MANY
            assert state.refused_lines_total == 0
            if not state.lost_total:
                assert (state.connected_total, state.dumps_total) == (1, 1)
                return
        mesh.a.ip("-6", "-batch", str(delete))
        until(lambda: not asked(mesh.a).xroutes, "none are left")
    raise AssertionError("cut each time")


def test_ten_thousand_routes_of_a_neighbour_become_known_and_unknown(mesh: Mesh) -> None:
    start(mesh)
    with following(mesh.b) as follower:
        until(lambda: known(follower).neighbours, "the neighbour is known")
        mesh.a.ip("-6", "-batch", str(kernel_routes(mesh.a, MANY)))
        # A babeld that is told of so many at once loses some on the way, until they are told again.
        until(lambda: installed(follower) > 0.9 * MANY, "the routes are known", LARGE_SECONDS)
        until(lambda: is_true(follower, mesh.b), "the same", LARGE_SECONDS)
        mesh.b.ip("link", "set", "mesh0", "down")
        until(lambda: installed(follower) == 0, "the routes are gone", LARGE_SECONDS)
        until(lambda: is_true(follower, mesh.b), "the same", LARGE_SECONDS)
        assert follower.state().refused_lines_total == 0


def test_a_large_mesh_is_followed_by_dumps_if_the_way_is_left_open(mesh: Mesh) -> None:
    mesh.a.ip("-6", "-batch", str(kernel_routes(mesh.a, MANY)))
    start(mesh)
    until(lambda: len(asked(mesh.a).xroutes) == MANY, "babeld has its routes", LARGE_SECONDS)
    with following(mesh.a, Following.AUTO, routes=False) as follower:
        until(lambda: follower.state().following == "dump", "dumps")
        dumps = follower.state().dumps_total
        begun = time.monotonic()
        while time.monotonic() < begun + 5:
            found = known(follower)
            assert len(found.xroutes) == MANY
            assert found.routes is None
        assert follower.state().dumps_total - dumps <= 1
        mesh.a.ip("-6", "-batch", str(kernel_routes(mesh.a, MANY, "del")))


def test_a_node_is_reconciled_over_the_connection_that_follows(mesh: Mesh) -> None:
    operator = Operator(mesh.a)
    desired = wanted(mesh.a)
    operator.reach(desired)
    mesh.b.start("-C", "redistribute local deny", "mesh0")
    with following(mesh.a) as follower:
        until(lambda: [one.source for one in known(follower).xroutes] == [str(EXIT)], "the announcement is known")
        assert operator.plan(desired).plan.empty
        mesh.a.ip("-6", "route", "del", "default", "from", str(EXIT), "table", "10")
        until(lambda: not known(follower).xroutes, "the announcement is gone")
        assert any("create" in line for line in operator.reach(desired))
        assert [one.source for one in known(follower).xroutes] == [str(EXIT)]
        # Another configuration: babeld is restarted, and its interface added again.
        done = operator.reach(wanted(mesh.a, metric=512))
        assert any("mesh0" in line for line in done)
        assert [one.metric for one in known(follower).xroutes] == [512]
        until(lambda: is_true(follower, mesh.a), "the same")
        assert connections(mesh.a) == 1


def test_looks_read_what_is_known_and_babeld_is_asked_nothing(mesh: Mesh) -> None:
    mesh.a.ip("-6", "-batch", str(kernel_routes(mesh.a, 1000)))
    start(mesh)
    until(lambda: len(asked(mesh.a).xroutes) == 1000, "babeld has its routes")
    sockets = {"babel": frozenset({mesh.a.socket})}
    with closing(Babeld()) as backend, following(mesh.a) as follower:
        known(follower)
        mesh.a.inside(lambda: backend.dump(sockets))
        until(lambda: follower.state().dumps_total and known(follower).routes is not None, "followed for both")
        known(follower)
        lines = follower.state().lines_total
        for _ in range(20):
            found = mesh.a.inside(lambda: backend.dump(sockets)["babel"])
            assert isinstance(found, Dump)
            assert sum(isinstance(row, XrouteRow) for row in found.rows) == 1000
            assert len(mesh.a.inside(lambda: dump_lines(mesh.a.socket, 5))) >= 1001
        assert follower.state().lines_total - lines < 200
        assert connections(mesh.a) == 1


def test_an_interface_that_was_added_is_there_at_the_next_look(mesh: Mesh) -> None:
    start(mesh)
    sockets = {"babel": frozenset({mesh.a.socket})}
    with closing(Babeld()) as backend, following(mesh.a) as follower:
        known(follower)
        mesh.a.inside(lambda: backend.dump(sockets))
        for number in range(20):
            name = f"new{number}"
            mesh.a.ip("link", "add", name, "type", "bridge")
            request = AddBabelInterface(mesh.a.socket, name, (("rxcost", "200"),))
            assert mesh.a.inside(lambda request=request: backend.send([request])) == [None]  # type: ignore[misc]
            found = mesh.a.inside(lambda: backend.dump(sockets)["babel"])
            assert isinstance(found, Dump)
            assert name in [row.name for row in found.rows if isinstance(row, InterfaceRow)]
        assert follower.state().lost_total == 0
