"""What a daemon with one lasting connection notices of a real babeld, and what that costs it."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from intent.resources.babel_daemon import RestartBabeld
from intent.resources.babel_wire import InterfaceRow
from reconciler.backends.babeld import Babeld
from reconciler.backends.babeld_news import BabelNews
from reconciler.core.backend import Dump, News
from reconciler.core.errors import BackendError, UnreachableError
from tests.kernel.babel.mesh import Mesh, Node, until
from tests.kernel.babel.test_rounds import EXIT, Operator, wanted

NOTICED_SECONDS = 2.0
"""A restarted babeld is noticed within this time from its socket on."""

BOUND_SECONDS = 3.0
"""What a look may cost when babeld is stopped: a second for a greeting, one for an answer, and a busy machine."""


@pytest.fixture
def backend() -> Iterator[Babeld]:
    with closing(Babeld()) as backend:
        yield backend


@pytest.fixture
def stream(backend: Babeld) -> Iterator[BabelNews]:
    with closing(backend.events()) as stream:
        yield stream


def look(backend: Babeld, node: Node, address: str | None = None) -> Dump | BackendError:
    wanted = {"babel": frozenset({address or node.socket})}
    return node.inside(lambda: backend.dump(wanted)["babel"])


def interfaces(found: Dump | BackendError) -> list[str]:
    assert isinstance(found, Dump), found
    return [row.name for row in found.rows if isinstance(row, InterfaceRow)]


def next_news(stream: BabelNews, seconds: float = NOTICED_SECONDS) -> str:
    deadline = time.monotonic() + seconds
    while select.select([stream], [], [], max(0.0, deadline - time.monotonic()))[0]:
        if (news := stream.read()).tables:
            return news.actors["babel"]
    raise AssertionError(f"no news within {seconds:g} s")


@pytest.mark.parametrize("address", [None, "33123"])
def test_a_babeld_that_is_killed_and_started_is_news_both_times(
    mesh: Mesh, backend: Babeld, stream: BabelNews, address: str | None
) -> None:
    place = None if address is None else f"[::1]:{address}"
    assert interfaces(look(backend, mesh.a, place)) == []
    for _ in range(2):
        mesh.a.start("mesh0", address=address)
        assert next_news(stream) == f"babeld started anew (process {mesh.a.pid})"
        assert interfaces(look(backend, mesh.a, place)) == ["mesh0"]
        pid = mesh.a.pid
        mesh.a.stop()
        assert next_news(stream) == f"the connection to babeld (process {pid}) was lost"
    assert interfaces(look(backend, mesh.a, place)) == []


@pytest.mark.parametrize("address", [None, "33123"])
@pytest.mark.parametrize("greeted", [False, True])
def test_a_stopped_babeld_costs_one_bounded_wait_and_is_news_when_it_goes_on(
    mesh: Mesh, backend: Babeld, stream: BabelNews, address: str | None, greeted: bool
) -> None:
    place = None if address is None else f"[::1]:{address}"
    mesh.a.start("mesh0", address=address)
    if greeted:
        until(lambda: interfaces(look(backend, mesh.a, place)), "babeld greets")
    os.kill(cast(int, mesh.a.pid), signal.SIGSTOP)
    begun = time.monotonic()
    assert isinstance(look(backend, mesh.a, place), UnreachableError)
    assert time.monotonic() - begun < BOUND_SECONDS
    begun = time.monotonic()
    for _ in range(20):
        assert isinstance(look(backend, mesh.a, place), UnreachableError)
    assert time.monotonic() - begun < 1
    stream.read()
    os.kill(cast(int, mesh.a.pid), signal.SIGCONT)
    assert str(mesh.a.pid) in next_news(stream)
    assert interfaces(look(backend, mesh.a, place)) == ["mesh0"]


def test_a_stopped_babeld_does_not_keep_a_route_from_being_repaired(mesh: Mesh) -> None:
    operator = Operator(mesh.a)
    desired = wanted(mesh.a)
    operator.reach(desired)
    with closing(operator.babeld.events()):
        os.kill(cast(int, mesh.a.pid), signal.SIGSTOP)
        mesh.a.ip("-6", "route", "del", "default", "from", str(EXIT), "table", "10")
        begun = time.monotonic()
        done = operator.apply(desired)
        assert time.monotonic() - begun < 2 * BOUND_SECONDS
        assert str(EXIT) in mesh.a.routes(), done
        os.kill(cast(int, mesh.a.pid), signal.SIGCONT)
    operator.reach(desired)


def test_a_stopped_babeld_that_is_killed_and_started_is_noticed_in_time(
    mesh: Mesh, backend: Babeld, stream: BabelNews
) -> None:
    mesh.a.start("mesh0")
    os.kill(cast(int, mesh.a.pid), signal.SIGSTOP)
    assert isinstance(look(backend, mesh.a), UnreachableError)
    mesh.a.stop()
    mesh.a.start("mesh0")
    assert next_news(stream) == f"babeld started anew (process {mesh.a.pid})"
    assert interfaces(look(backend, mesh.a)) == ["mesh0"]


def test_a_fifth_client_hears_as_soon_as_there_is_room(mesh: Mesh, backend: Babeld, stream: BabelNews) -> None:
    mesh.a.start("mesh0")
    clients = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    try:
        for client in clients:
            client.connect(mesh.a.socket)
            client.recv(100)
        found = look(backend, mesh.a)
        assert isinstance(found, UnreachableError)
        assert "four clients" in str(found)
        clients.pop().close()
        assert str(mesh.a.pid) in next_news(stream)
        assert interfaces(look(backend, mesh.a)) == ["mesh0"]
    finally:
        for client in clients:
            client.close()


def test_our_own_restart_is_no_news(mesh: Mesh, backend: Babeld, stream: BabelNews) -> None:
    mesh.a.start("mesh0")
    assert interfaces(look(backend, mesh.a)) == ["mesh0"]
    before = mesh.a.pid
    assert backend.send([RestartBabeld((mesh.a.script("mesh0"),), mesh.a.socket, None)]) == [None]
    assert mesh.a.pid != before
    assert stream.read() == News()
    assert interfaces(look(backend, mesh.a)) == ["mesh0"]


def test_a_restarted_babeld_has_its_interfaces_again_two_seconds_after_its_socket(mesh: Mesh) -> None:
    operator = Operator(mesh.a)
    path = str(mesh.a.configuration)
    desired = wanted(mesh.a)
    operator.reach(desired)
    with closing(Babeld()) as backend, closing(backend.events()) as stream:
        assert "mesh0" in interfaces(look(backend, mesh.a))
        mesh.a.stop()
        assert "lost" in next_news(stream)
        mesh.a.start("-c", path)
        opened = time.monotonic()
        assert next_news(stream) == f"babeld started anew (process {mesh.a.pid})"
        assert "create babel interface mesh0" in operator.reach(desired)
        assert time.monotonic() - opened < NOTICED_SECONDS
        assert "mesh0" in interfaces(look(backend, mesh.a))


def test_a_large_table_is_read_while_this_process_is_busy(mesh: Mesh, backend: Babeld, stream: BabelNews) -> None:
    configuration = Path(mesh.folder / "all.conf")
    configuration.write_text("import-table 10\nredistribute proto 242 allow\nredistribute local deny\n")
    routes = mesh.folder / "routes"
    lines = (f"route add default from 2001:db8:{n:x}::/48 dev lo proto 242 table 10\n" for n in range(3000))
    routes.write_text("".join(lines))
    mesh.a.ip("-6", "-batch", str(routes))
    mesh.a.start("-c", str(configuration), "mesh0")
    until(lambda: len(list(cast(Dump, look(backend, mesh.a)).rows)) == 3002, "babeld has its routes")
    stream.read()
    ended = threading.Event()

    def compute() -> None:
        while not ended.is_set():
            sum(range(10_000))

    busy = threading.Thread(target=compute)
    busy.start()
    try:
        for _ in range(5):
            found = look(backend, mesh.a)
            assert isinstance(found, Dump), found
            assert len(list(found.rows)) == 3002
    finally:
        ended.set()
        busy.join()
    assert stream.read() == News(), "the connection was never cut"
