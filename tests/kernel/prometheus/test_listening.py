"""Where the exporter listens, what it says where it cannot, and that clients who mean it ill harm nobody."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from reconciler.core.errors import DeniedError, OccupiedError, RejectedError, StaleError, StellwerkError
from reconciler.services.statistics.counters import Counters
from reconciler.services.statistics.prometheus import Exporter
from reconciler.services.statistics.prometheus import listener as limits
from tests.figures import SETTINGS, FakeFigures
from tests.kernel.prometheus.conftest import PORT, Node, exporting, give, until
from tests.namespaces import Namespace, namespaces
from tests.scraped import listening

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
SOON_SECONDS = 10.0
"""Prometheus gives a scrape so long by default."""


def raised(namespace: Namespace, address: str, port: int = PORT) -> StellwerkError:
    exporter = Exporter(FakeFigures(listening(address, port)))
    with pytest.raises(StellwerkError) as found:
        namespace.run(exporter.start)
    exporter.close()
    return found.value


def test_an_address_that_is_not_there_is_said_to_be_and_can_come(namespace: Namespace) -> None:
    error = raised(namespace, "fd00:6d65::a")
    assert isinstance(error, StaleError)
    assert error.retry_helps
    assert f"[fd00:6d65::a]:{PORT}" in str(error)
    assert "ip address" in str(error)
    give(namespace, "fd00:6d65::a/128")
    with exporting(namespace, "fd00:6d65::a", FakeFigures(), Counters()):
        assert reachable(namespace, "fd00:6d65::a")


def test_a_port_that_is_taken_is_said_to_be(namespace: Namespace, node: Node) -> None:
    error = raised(namespace, "::1")
    assert isinstance(error, OccupiedError)
    assert error.retry_helps
    assert "ss -ltnp" in str(error)


def test_a_port_that_only_root_may_have_is_said_to_be(namespace: Namespace) -> None:
    def start() -> str:
        try:
            Exporter(FakeFigures(listening("::1", 80))).start()
        except DeniedError as exc:
            return str(exc)
        return ""

    assert "below 1024" in namespace.run_without_rights(start)


@pytest.mark.parametrize("address", ["fe80::1%nowhere0", "not an address"])
def test_what_is_no_address_is_said_to_be(namespace: Namespace, address: str) -> None:
    assert address in str(raised(namespace, address))


def test_settings_without_prometheus_have_no_exporter() -> None:
    with pytest.raises(RejectedError):
        Exporter(FakeFigures(replace(SETTINGS, prometheus=None)))


def reachable(namespace: Namespace, address: str) -> bool:
    def connect() -> bool:
        try:
            socket.create_connection((address, PORT), timeout=5).close()
        except ConnectionRefusedError:
            return False
        return True

    return namespace.run(connect)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "192.0.2.1", "fd00:6d65::a"])
def test_it_listens_there_and_nowhere_else(namespace: Namespace, address: str) -> None:
    give(namespace, "192.0.2.1/32")
    give(namespace, "fd00:6d65::a/128")
    with exporting(namespace, address, FakeFigures(), Counters()):
        found = [one for one in ("127.0.0.1", "::1", "192.0.2.1", "fd00:6d65::a") if reachable(namespace, one)]
    assert found == [address]


def test_all_of_ipv6_is_nothing_of_ipv4(namespace: Namespace) -> None:
    with exporting(namespace, "::", FakeFigures(), Counters()):
        assert reachable(namespace, "::1")
        assert not reachable(namespace, "127.0.0.1")


def test_a_link_local_address_of_an_interface() -> None:
    with namespaces(2) as (here, there):
        here.cable("mesh0", there, "mesh0")
        until(
            lambda: "tentative" not in (said := here.ip("-6", "address", "show", "mesh0")) and "fe80" in said, "fe80::"
        )
        address = here.ip("-6", "-o", "address", "show", "mesh0").split("inet6 ")[1].split("/")[0]
        until(lambda: "tentative" not in there.ip("-6", "address", "show", "mesh0"), "an address there")
        with exporting(here, f"{address}%mesh0", FakeFigures(), Counters()):
            assert reachable(there, f"{address}%mesh0")


def test_it_can_be_closed_and_started_anew(namespace: Namespace) -> None:
    for _ in range(3):
        with exporting(namespace, "::1", FakeFigures(), Counters()):
            assert reachable(namespace, "::1")
        assert not reachable(namespace, "::1")
    assert "prometheus" not in {thread.name for thread in threading.enumerate()}


def test_to_close_what_was_not_started_or_is_closed_is_nothing() -> None:
    exporter = Exporter(FakeFigures(listening("::1")))
    exporter.close()
    exporter.close()


def test_what_is_compressed_and_what_is_elsewhere(node: Node) -> None:
    def fetch(path: str) -> tuple[str, bytes]:
        request = urllib.request.Request(f"http://[::1]:{PORT}{path}", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.headers["Content-Encoding"] or "", answer.read()

    encoding, body = node.namespace.run(lambda: fetch("/metrics"))
    assert encoding == "gzip"
    assert b"\nbabel_neighbours 3.0\n" in gzip.decompress(body)
    assert b"/metrics" in node.ask("/")
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        node.ask("/debug")
    refused.value.close()
    # A scrape counts itself too.
    assert node.scrape().value("stellwerk_scrapes_total") == 2
    assert node.scrape().value("stellwerk_scrapes_refused_total") == 2


@contextmanager
def crowd(node: Node, count: int, said: bytes, source: str = "::1") -> Iterator[list[socket.socket]]:
    """Give that many connections that said so much."""
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            one = stack.enter_context(node.connect(source))
            one.sendall(said)
            found.append(one)
        yield found


@pytest.mark.parametrize(
    "said",
    [b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ", REQUEST],
    ids=["silent", "half a request", "takes no answer"],
)
def test_clients_that_hang_take_no_place_from_prometheus(node: Node, said: bytes) -> None:
    with crowd(node, 10 * limits.MOST_CLIENTS, said):
        begun = time.monotonic()
        for _ in range(5):
            assert node.scrape().value("babel_neighbours") == 3
        assert time.monotonic() - begun < SOON_SECONDS
        assert [thread.name for thread in threading.enumerate()].count("prometheus") == 1


def test_a_client_that_feeds_a_byte_at_a_time_is_left(node: Node) -> None:
    with node.connect() as slow:
        begun = time.monotonic()
        slow.settimeout(0.1)
        while True:
            try:
                slow.sendall(b"x")
                if slow.recv(1) == b"":
                    break
            except TimeoutError:
                assert time.monotonic() - begun < 4 * limits.REQUEST_SECONDS
            except ConnectionError:
                break
        assert time.monotonic() - begun >= limits.REQUEST_SECONDS / 2
        assert node.scrape().value("babel_up") == 1


def test_a_head_without_end_is_cut_off(node: Node) -> None:
    with node.connect() as endless:
        with pytest.raises(OSError, match=r"reset|pipe"):
            endless.sendall(b"X-More: y\r\n" * 1_000_000)
        assert node.scrape().value("babel_up") == 1


@pytest.mark.parametrize(
    "said", [b"\x16\x03\x01\x02\x00" * 100, b"\r\n\r\n", b"\x00" * 9000, b"GET\r\n\r\n", b"G" * 9000]
)
def test_garbage_gets_an_answer_or_an_end_and_no_more(node: Node, said: bytes) -> None:
    with node.connect() as client:
        client.sendall(said)
        answer = b""
        try:
            while told := client.recv(1 << 16):
                answer += told
        except ConnectionError:
            pass
        assert b"babel" not in answer
        assert len(answer) < 1000
    assert node.scrape().value("babel_up") == 1


def test_of_two_sources_the_one_that_takes_all_places_gives_them_up(node: Node) -> None:
    give(node.namespace, "fd00:6d65::a/128")
    with node.connect() as patient:
        # The half of a request, and then a flood from elsewhere.
        patient.sendall(REQUEST[:10])
        with crowd(node, 2 * limits.MOST_CLIENTS, b"GET", source="fd00:6d65::a"):
            patient.sendall(REQUEST[10:])
            assert patient.recv(1 << 16).startswith(b"HTTP/1.0 200 OK")


def test_a_flood_of_scrapes_is_answered_and_leaves_the_program_its_time(node: Node) -> None:
    stop, answered = threading.Event(), []

    def flood() -> None:
        while not stop.is_set():
            try:
                with node.connect() as client:
                    client.sendall(REQUEST)
                    while client.recv(1 << 16):
                        pass
                    answered.append(time.monotonic())
            except OSError:
                continue

    crowd_of_threads = [threading.Thread(target=flood, daemon=True) for _ in range(8)]
    before = node.scrape().value("stellwerk_scrapes_total")
    begun = time.monotonic()
    for thread in crowd_of_threads:
        thread.start()
    try:
        waited = []
        for _ in range(10):
            asked = time.monotonic()
            assert node.scrape().value("babel_neighbours") == 3
            waited.append(time.monotonic() - asked)
    finally:
        stop.set()
        for thread in crowd_of_threads:
            thread.join(30)
    made = node.scrape().value("stellwerk_scrapes_total") - before
    took = time.monotonic() - begun
    assert max(waited) < SOON_SECONDS
    # Those who wait for the same get the same: fewer are made than given, and a few milliseconds lie between them.
    assert made < len(answered) + 12
    assert made / took < 200


def test_an_answer_of_any_size_is_whole(namespace: Namespace) -> None:
    figures = FakeFigures()
    checks = [{"check": f"ping fd00::{number:x}", "passed": True, "reason": ""} for number in range(50_000)]
    figures.set(status=figures.status() | {"checks": checks})  # type: ignore[operator]
    with exporting(namespace, "::1", figures, Counters()):
        told = Node(namespace, figures, Counters()).scrape()
        assert len(told.all("stellwerk_check_passed")) == 50_000
