"""The page of a real node: a real babeld with a neighbour, and the real daemon."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Host, host, until
from tests.kernel.daemon.running import MESH, Programs, programs

PLACE = "[fd00:6d65::1]:8080"
EXIT = "2001:db8:77::/48"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Host]:
    with host(tmp_path) as made:
        yield made


@pytest.fixture
def start(node: Host) -> Iterator[Programs]:
    with programs(node) as made:
        yield made


def fetched(node: Host, path: str) -> str:
    """Return an answer of the page, of a stream its first event."""

    def fetch() -> str:
        with urllib.request.urlopen(f"http://{PLACE}{path}", timeout=10) as answer:
            assert answer.status == 200
            text: bytes = answer.read() if path == "/" else b"".join(answer.readline() for _ in range(3))
            return text.decode()

    try:
        return node.namespace.run(fetch)
    except OSError:
        return ""


def test_the_page_of_a_real_node(node: Host, start: Programs) -> None:
    node.neighbour.ip("-6", "route", "add", "::/0", "from", EXIT, "dev", "wan", "proto", "static")
    node.start_neighbour("-C", "redistribute proto 4 allow")
    daemon = start.synced(node.node_file(MESH + f'stats: {{page: {{listen: "{PLACE}"}}}}\n'))
    until(lambda: "Yes, one" in fetched(node, "/"), "the neighbour on the page")
    until(lambda: EXIT in fetched(node, "/"), "the way out on the page")
    page = fetched(node, "/")
    for expected in ("exit-1", "synced", "healthy", "mesh0", "babeld-1.", "fd00:6d65::1", "through another node"):
        assert expected in page, expected
    for wrong in ("cannot be had", "Nothing is known"):
        assert wrong not in page
    name, data, _ = fetched(node, "/events").split("\n", 2)
    assert name == "event: parts"
    assert EXIT in json.loads(data.removeprefix("data: "))["ways-out"]
    told = json.loads(node.stellwerk("stats", "--json", *node.state()).out)
    assert EXIT in json.dumps(told)
    node.neighbour.ip("link", "set", "mesh0", "down")
    until(lambda: EXIT not in fetched(node, "/"), "the end of the way out")
    assert daemon.end() == 0
    assert "Traceback" not in daemon.said()
