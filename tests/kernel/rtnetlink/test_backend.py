"""What only a real kernel can do to the backend: refuse rights, change while it is looked at, lose answers."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from intent.resources.address import Address
from intent.resources.resource import Request
from intent.resources.route import Route
from intent.resources.sysctl import WriteSysctl
from reconciler.backends import netlink_socket
from reconciler.backends.rtnetlink import Rtnetlink
from reconciler.backends.sysctl import SysctlFiles
from reconciler.core.backend import Dump
from reconciler.core.errors import BackendError, BusyError, DeniedError, OccupiedError
from tests.namespaces import Namespace

PLAIN = Route(routing_table=10, destination="2001:db8::/48", link="mesh0")
SEVERAL_ANSWERS = 2000
"""So many addresses that a look at them takes more than one answer of 32 kB."""


def send(namespace: Namespace, *requests: Request) -> list[BackendError | None]:
    def work() -> list[BackendError | None]:
        backend = Rtnetlink()
        try:
            return backend.send(requests)
        finally:
            backend.close()

    return namespace.run(work)


def addresses() -> set[str]:
    backend = Rtnetlink()
    dump = backend.dump({"address": None})["address"]
    backend.close()
    if isinstance(dump, BackendError):
        raise dump
    found = (Address.decode(row, dump.context) for row in dump.rows)
    return {address.address for address in found if address is not None and address.link == "mesh0"}


@pytest.fixture
def mesh(namespace: Namespace) -> Namespace:
    namespace.ip("link", "add", "mesh0", "type", "bridge")
    namespace.ip("link", "set", "mesh0", "up")
    return namespace


@contextmanager
def after_each_answer(meddle: Callable[[int], None]) -> Iterator[None]:
    """Do something each time the backend has taken an answer, with the number of the answer."""
    numbers = iter(range(1_000_000))
    busy = False

    class Meddled(socket.socket):
        def recv(self, size: int, flags: int = 0, /) -> bytes:
            nonlocal busy
            data = super().recv(size, flags)
            if not busy:
                busy = True
                try:
                    meddle(next(numbers))
                finally:
                    busy = False
            return data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", Meddled)
        yield


def add_address(number: int) -> None:
    other = Rtnetlink()
    assert other.send(Address(link="mesh0", address=f"fd01::{number + 1:x}/128").create()) == [None]
    other.close()


def many(mesh: Namespace) -> set[str]:
    plenty = {f"fd00::{number:x}/128" for number in range(1, SEVERAL_ANSWERS)}
    requests = [request for text in plenty for request in Address(link="mesh0", address=text).create()]
    assert send(mesh, *requests) == [None] * len(plenty)
    return plenty


@pytest.mark.full_too
def test_a_look_that_a_change_interrupted_is_taken_again(mesh: Namespace) -> None:
    plenty = many(mesh)

    def once(number: int) -> None:
        # The first answers are those of the look at the links.
        if number == 2:
            add_address(number)

    def look() -> set[str]:
        with after_each_answer(once):
            return addresses()

    assert mesh.run(look) >= plenty | {"fd01::3/128"}


def test_a_table_that_changes_all_the_time_is_busy(mesh: Namespace) -> None:
    many(mesh)

    def look() -> None:
        with after_each_answer(add_address), pytest.raises(BusyError, match="run it again"):
            addresses()

    mesh.run(look)


@pytest.mark.full_too
def test_answers_that_are_lost_are_an_error_of_each_and_the_next_batch_is_fine(
    mesh: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netlink_socket, "RECEIVE_BUFFER_BYTES", 2304)
    assert send(mesh, *PLAIN.create()) == [None]
    refused = [request for number in range(300) for request in PLAIN.create()]

    def work() -> None:
        backend = Rtnetlink()
        answers = backend.send(refused)
        assert {type(answer) for answer in answers} == {BusyError}
        assert "2001:db8::/48" in str(answers[0])
        assert [type(answer) for answer in backend.send(PLAIN.create())] == [OccupiedError]
        backend.close()

    mesh.run(work)


@pytest.mark.full_too
def test_without_rights_a_change_is_denied_and_a_look_is_not(mesh: Namespace) -> None:
    link = replace(PLAIN, metric=5).create()

    def work() -> tuple[list[BackendError | None], list[BackendError | None], int]:
        backend = Rtnetlink()
        dump = backend.dump({"link": None})["link"]
        assert isinstance(dump, Dump)
        sysctl = SysctlFiles().send([WriteSysctl("net/ipv6/conf/mesh0/forwarding", "1")])
        return backend.send([*link, *PLAIN.create()]), sysctl, len(list(dump.rows))

    netlink, sysctl, links = mesh.run_without_rights(work)
    assert [type(answer) for answer in netlink] == [DeniedError, DeniedError]
    assert "as root" in str(netlink[0])
    assert [type(answer) for answer in sysctl] == [DeniedError]
    assert links >= 2


@pytest.mark.full_too
def test_ten_thousand_requests_in_one_send_are_answered_one_by_one(mesh: Namespace) -> None:
    routes = [replace(PLAIN, metric=number) for number in range(1, 10_001)]
    taken = {number for number in range(1, 10_001) if number % 97 == 0}
    assert send(mesh, *(r for number in sorted(taken) for r in replace(PLAIN, metric=number).create())) == [None] * len(
        taken
    )
    answers = send(mesh, *(request for route in routes for request in route.create()))
    assert {number for number, answer in enumerate(answers, 1) if isinstance(answer, OccupiedError)} == taken
    assert sum(answer is None for answer in answers) == 10_000 - len(taken)


def test_a_closed_backend_opens_anew(mesh: Namespace) -> None:
    def work() -> None:
        backend = Rtnetlink()
        for _ in range(2):
            assert backend.send(PLAIN.create() + PLAIN.delete()) == [None, None]
            backend.close()
        backend.close()

    mesh.run(work)


def test_nothing_to_send_asks_nothing(mesh: Namespace) -> None:
    assert send(mesh) == []


def test_many_routes_are_all_seen_and_the_same_again_are_the_same(namespace: Namespace) -> None:
    """In more than one datagram, of several lengths and in runs of one length."""
    namespace.ip("link", "add", "va", "type", "veth", "peer", "name", "vb")
    namespace.ip("link", "set", "va", "up")
    words = [f"route add 2001:db8:{n:x}::/48 dev va table 10 proto 242" for n in range(1500)]
    words += [f"route add default from 2001:db8:{n:x}::/48 via fe80::1 dev va table 10 proto 242" for n in range(1500)]
    words += [f"route add throw 2001:db8:{n:x}::/48 table 10 proto 241 metric 7" for n in range(0, 1500, 3)]
    batch = "\n".join(words)
    namespace.run(lambda: subprocess.run(["ip", "-6", "-batch", "-"], input=batch, text=True, check=True))

    def looks() -> list[Dump]:
        backend = Rtnetlink()
        found = []
        for change in ("", "route delete throw 2001:db8:3::/48 table 10"):
            if change:
                namespace.ip("-6", *change.split())
            for _ in range(2):
                dump = backend.dump({"route": frozenset({10})})["route"]
                assert isinstance(dump, Dump), dump
                found.append(replace(dump, rows=list(dump.rows)))
        backend.close()
        return found

    first, again, changed, changed_again = namespace.run(looks)
    assert len(list(first.rows)) == len(set(first.rows)) == 3500
    assert first.digest == again.digest != changed.digest == changed_again.digest
    assert len(list(changed.rows)) == 3499
    assert set(changed.rows) < set(first.rows) == set(again.rows)


def test_a_dump_that_was_broken_off_leaves_nothing_for_the_next(namespace: Namespace) -> None:
    namespace.ip("link", "add", "one", "type", "veth", "peer", "name", "other")

    def look() -> tuple[Dump | BackendError, Dump | BackendError]:
        backend = Rtnetlink()
        broken_off = backend._netlink._receive
        first = backend.dump({"link": None})["link"]

        def interrupted() -> bytes:
            raise KeyboardInterrupt

        backend._netlink._receive = interrupted  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            backend.dump({"address": None})
        backend._netlink._receive = broken_off  # type: ignore[method-assign]
        second = backend.dump({"link": None})["link"]
        backend.close()
        return first, second

    first, second = namespace.run(look)
    assert isinstance(first, Dump)
    assert isinstance(second, Dump)
    assert list(first.rows) == list(second.rows)


def test_where_no_thread_can_be_started_the_routes_are_added_all_the_same(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    namespace.ip("link", "add", "mesh0", "type", "veth", "peer", "name", "far")
    namespace.ip("link", "set", "mesh0", "up")
    routes = [replace(PLAIN, destination=f"2001:db8:{number:x}::/48") for number in range(2000)]
    assert send(namespace, *(request for route in routes for request in route.create())) == [None] * 2000
