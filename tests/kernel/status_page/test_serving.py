"""The page over HTTP: read-only, guarded by headers, bounded in all that others can ask for."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from subprocess import PIPE
from typing import Any

import pytest

from reconciler.services.statistics.page import StatusPage, server
from reconciler.services.statistics.page.share import SHARE
from tests.figures import KNOWN, NEIGHBOURS, SYSTEM, FakeFigures
from tests.kernel.status_page.conftest import Served, settings


def event(response: HTTPResponse) -> tuple[str, Any]:
    name = response.readline().decode().strip().removeprefix("event: ")
    data = response.readline().decode().strip().removeprefix("data:")
    assert response.readline() == b"\n"
    return name, json.loads(data) if data.strip() else None


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/icon.svg", "/events", "/nothing"])
def test_every_answer_has_the_headers(served: Served, path: str) -> None:
    found = served.ask(path, "HEAD")
    policy = found.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert found.headers["Referrer-Policy"] == "no-referrer"
    assert found.headers["Server"] == "stellwerk"
    assert found.read() == b""


def test_what_is_not_there_and_what_is_not_done(served: Served) -> None:
    for path in ("/nothing", "/../page.css", "/templates/page.html", "//", "/events/"):
        assert served.ask(path).status == 404, path
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        found = served.ask("/", method)
        assert found.status == 405, method
        assert found.headers["Allow"] == "GET, HEAD"


def test_assets_are_kept_until_they_change(served: Served) -> None:
    first = served.ask("/page.css")
    assert first.status == 200
    again = served.ask("/page.css", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.read()) == (304, b"")
    assert served.ask("/page.css", headers={"If-None-Match": '"other"'}).status == 200
    assert served.ask("/").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "deflate, x-gzip"])
def test_the_page_is_compressed_for_who_can_read_it(served: Served, accepted: str) -> None:
    found = served.ask("/", headers={"Accept-Encoding": accepted})
    assert (found.headers["Content-Encoding"], found.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert b"exit-berlin-7" in gzip.decompress(found.read())


@pytest.mark.parametrize("accepted", ["identity", "gzip;q=0, br", "", "gzipped"])
def test_the_page_is_as_it_is_for_who_cannot(served: Served, accepted: str) -> None:
    found = served.ask("/", headers={"Accept-Encoding": accepted})
    assert found.headers["Content-Encoding"] is None
    assert b"exit-berlin-7" in found.read()


FLOODS = {
    "pages": b"GET / HTTP/1.1\r\nHost: node\r\nAccept-Encoding: gzip\r\n\r\n" * 50,
    "nothing": b"GET /nothing HTTP/1.1\r\nHost: node\r\n\r\n" * 50,
    "connections": b"",
}


@pytest.mark.parametrize("sort", FLOODS)
def test_a_flood_takes_a_small_share_of_a_core(served: Served, sort: str) -> None:
    flood = [
        subprocess.Popen([sys.executable, "-c", FLOOD, *map(str, served.address), FLOODS[sort].hex()], stdin=PIPE)
        for _ in range(2)
    ]
    try:
        assert served.ask("/").status == 200
        begun, used = time.monotonic(), time.process_time()
        while time.monotonic() - begun < 4.0:
            assert served.ask("/page.css").status == 200
            time.sleep(0.5)
        share = (time.process_time() - used) / (time.monotonic() - begun)
    finally:
        for one in flood:
            one.communicate()
    # What it may take at once after it was idle is in it, and what this process asks.
    assert share < 2.5 * SHARE, share


FLOOD = """
import socket, sys, threading
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
words = bytes.fromhex(sys.argv[3])
while not over.is_set():
    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1) as client:
            client.setblocking(False)
            while words and not over.is_set():
                for work in (lambda: client.send(words), lambda: client.recv(1 << 20)):
                    try:
                        if work() == b"":
                            raise ConnectionResetError
                    except BlockingIOError:
                        over.wait(0.0005)
    except OSError:
        pass
"""
"""A client that sends as much as it can until its input ends."""


def test_the_end_is_prompt_in_a_flood(served: Served) -> None:
    flood = subprocess.Popen(
        [sys.executable, "-c", FLOOD, *map(str, served.address), FLOODS["pages"].hex()], stdin=PIPE
    )
    try:
        for _ in range(5):
            assert served.ask("/").status == 200
        begun = time.monotonic()
        served.page.close()
        assert time.monotonic() - begun < 4.0
        assert not [one for one in threading.enumerate() if one.name.startswith("stellwerk-page")]
    finally:
        flood.communicate()


def test_only_what_changed_is_sent(served: Served) -> None:
    stream = served.ask("/events")
    name, parts = event(stream)
    assert name == "parts"
    assert "neighbours" in parts
    served.figures.know(KNOWN._replace(neighbours=NEIGHBOURS[:1]))
    _, parts = event(stream)
    assert set(parts) == {"glance", "neighbours"}
    stream.close()


def test_a_flood_of_changes_is_drawn_about_once_a_second(served: Served) -> None:
    stream = served.ask("/events")
    event(stream)
    over = threading.Event()

    def flood() -> None:
        count = 0
        while not over.wait(0.001):
            count += 1
            served.figures.set(system=served.figures.system()._replace(processes_total=count))

    thread = threading.Thread(target=flood)
    thread.start()
    begun = time.monotonic()
    for _ in range(3):
        event(stream)
    passed = time.monotonic() - begun
    over.set()
    thread.join()
    stream.close()
    assert passed >= 2 * server.BETWEEN_SECONDS * 0.9


def test_a_flood_of_readers_does_not_draw_each_time(served: Served) -> None:
    served.figures.asked["system"] = 0
    for _ in range(30):
        assert served.ask("/").status == 200
    assert served.figures.asked["system"] <= 15


def test_streams_are_few_and_given_back(served: Served) -> None:
    streams = [served.ask("/events") for _ in range(server.MOST_STREAMS)]
    assert {one.status for one in streams} == {200}
    refused = served.ask("/events")
    assert refused.status == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert served.ask("/").status == 200
    streams.pop().close()
    deadline = time.monotonic() + 10
    while (again := served.ask("/events")).status == 503 and time.monotonic() < deadline:
        pass
    assert again.status == 200
    for one in (*streams, again):
        one.close()


@pytest.fixture
def on_ipv4() -> Iterator[Served]:
    """A page that clients of several addresses of the loopback can reach."""
    figures = FakeFigures(settings("127.0.0.1"))
    page = StatusPage(figures)
    page.start()
    yield Served(page, figures)
    page.close()
    figures.close()


def stream_from(served: Served, address: str) -> HTTPResponse:
    connection = HTTPConnection(*served.address, timeout=20, source_address=(address, 0))
    connection.request("GET", "/events", headers={"Connection": "close"})
    return connection.getresponse()


def refused(response: HTTPResponse) -> bool:
    response.read()
    return response.status == 503


def test_one_source_does_not_keep_others_from_streams(on_ipv4: Served) -> None:
    hoard = [stream_from(on_ipv4, "127.0.0.1") for _ in range(server.MOST_STREAMS)]
    assert refused(stream_from(on_ipv4, "127.0.0.1"))
    others = [stream_from(on_ipv4, "127.0.0.2") for _ in range(server.MOST_STREAMS // 2)]
    assert {one.status for one in others} == {200}
    # Half each is fair: nobody is pushed out for another one of the same.
    assert refused(stream_from(on_ipv4, "127.0.0.2"))
    with pytest.raises((IncompleteRead, ConnectionResetError)):
        hoard[0].read()
    assert event(others[0])[0] == event(hoard[-1])[0] == "parts"
    for one in (*hoard, *others):
        one.close()


def test_one_source_does_not_push_out_the_connections_of_others(on_ipv4: Served) -> None:
    def connect(address: str) -> socket.socket:
        return socket.create_connection(on_ipv4.address, timeout=20, source_address=(address, 0))

    quiet = connect("127.0.0.2")
    crowd = [connect("127.0.0.1") for _ in range(server.MOST_CONNECTIONS + 20)]
    assert cut(crowd[0])
    quiet.sendall(b"GET /icon.svg HTTP/1.1\r\nHost: node\r\n\r\n")
    assert quiet.recv(12) == b"HTTP/1.1 200"
    for one in (quiet, *crowd):
        one.close()


def test_a_reader_that_does_not_read_is_dropped(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SLOW_SECONDS", 0.5)
    monkeypatch.setattr(server, "BETWEEN_SECONDS", 0.05)
    slow = socket.socket(socket.AF_INET6)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(served.address)
    slow.sendall(b"GET /events HTTP/1.1\r\nHost: node\r\n\r\n")
    slow.recv(1)
    slow.settimeout(30)
    over = threading.Event()

    def change() -> None:
        count = 0
        while not over.wait(0.02):
            count += 1
            many = [NEIGHBOURS[0]._replace(address=f"fe80::{count:x}:{n:x}") for n in range(100)]
            served.figures.know(KNOWN._replace(neighbours=tuple(many)))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        deadline = time.monotonic() + 40
        while served_streams(served) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not served_streams(served)
    finally:
        over.set()
        thread.join()
        slow.close()
    assert served.ask("/").status == 200


def served_streams(served: Served) -> int:
    """Return how many connections the other end of which still stands."""
    port = served.address[1]
    with open("/proc/net/tcp6", encoding="ascii") as table:
        rows = [line.split() for line in list(table)[1:]]
    return sum(int(row[1].rpartition(":")[2], 16) == port and row[3] == "01" for row in rows)


def cut(client: socket.socket) -> bool:
    """Return whether the other end has closed, within the time-out of the socket."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_who_asks_for_nothing_is_dropped(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTION_SECONDS", 0.3)
    begun = b"GET / HTTP/1.1\r\nHost: node\r\nX-Slow: "
    with socket.create_connection(served.address, timeout=20) as slow:
        slow.sendall(begun)
        assert cut(slow)


def test_of_many_connections_the_oldest_gives_way(served: Served) -> None:
    idle = [socket.create_connection(served.address, timeout=20) for _ in range(server.MOST_CONNECTIONS + 5)]
    assert served.ask("/").status == 200
    assert cut(idle[0])
    for one in idle:
        one.close()


@pytest.mark.parametrize(
    "words",
    [
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: node\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: node\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 500 + b"\r\n",
        b"\x16\x03\x01\x00\xa5 not HTTP\r\n\r\n",
    ],
    ids=["line", "field", "fields", "tls"],
)
def test_what_is_too_large_or_no_request_is_refused(served: Served, words: bytes) -> None:
    with socket.create_connection(served.address, timeout=20) as client:
        client.sendall(words)
        assert client.recv(12) == b"HTTP/1.0 400" or cut(client)
    assert served.ask("/").status == 200


def test_the_end_is_prompt_with_streams_open(served: Served) -> None:
    streams = [served.ask("/events") for _ in range(3)]
    event(streams[0])
    begun = time.monotonic()
    served.page.close()
    assert time.monotonic() - begun < 3.0
    assert not [one for one in threading.enumerate() if one.name.startswith("stellwerk-page")]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(served.address, timeout=5)
    for one in streams:
        one.close()


def test_a_fault_in_drawing_cuts_who_looks_and_ends_nothing(served: Served) -> None:
    stream = served.ask("/events")
    event(stream)
    served.figures.set(system=ZeroDivisionError("a fault"))
    with pytest.raises(IncompleteRead):
        stream.read()
    served.figures.set(system=SYSTEM)
    deadline = time.monotonic() + 20
    while (again := served.ask("/events")).status != 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert event(again)[0] == "parts"
    served.figures.know(KNOWN._replace(neighbours=()))
    assert "neighbours" in event(again)[1]
    again.close()


def test_a_fault_in_drawing_is_an_answer_and_one_line(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.ask("/").read()
    served.figures.set(system=ZeroDivisionError("a fault"))
    deadline = time.monotonic() + 20
    while (found := served.ask("/")).status == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    for number in range(5):
        served.figures.set(system=ZeroDivisionError(f"a fault {number}"))
        found = served.ask("/")
        assert found.status == 500
        assert "Content-Security-Policy" in found.headers
        assert b"could not be made" in found.read()
    assert len(caplog.records) == 1
    assert "Traceback" not in caplog.text
    served.figures.set(system=SYSTEM)
    assert served.ask("/").status == 200


def test_what_anybody_sends_is_not_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for number in range(20):
        with socket.create_connection(served.address, timeout=20) as client:
            client.sendall(b"GET / HTTP/9.9 no request %d\r\n\r\n" % number)
            assert client.recv(12) == b"HTTP/1.0 400"
    with socket.create_connection(served.address, timeout=20) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: node\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n")
        assert client.recv(12)
    assert [one for one in caplog.records if one.levelname not in ("DEBUG",)] == []
    assert "no request" not in caplog.text
