"""Statistics beside the loop of the real daemon."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.request
from typing import Any

from tests.host import Host, until
from tests.kernel.daemon.running import MESH, Daemon, Programs
from tests.kernel.stats.conftest import neighbours

PAGE = "fd00:6d65::1"
STATS = f"""
stats:
  respondd: {{}}
  prometheus: {{listen: "[::1]:9742"}}
  page: {{listen: "[{PAGE}]:8080"}}
"""


def states(status: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in status["services"]}


def scraped(node: Host, address: str = "[::1]:9742") -> str:
    def fetch() -> str:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    return node.namespace.run(fetch)


def running(daemon: Daemon, *names: str) -> None:
    daemon.until(lambda status: states(status) == dict.fromkeys(names, "running"), f"{', '.join(names)} running")


def test_all_that_is_asked_for_comes_changes_and_goes(node: Host, start: Programs) -> None:
    node.start_neighbour()
    file = node.node_file(MESH + STATS)
    # The page's address is made by the daemon itself.
    daemon = start.synced(file)
    running(daemon, "respondd", "prometheus", "page")
    assert daemon.status()["health"]["state"] == "healthy"
    until(lambda: len(neighbours(node)) == 1, "the neighbour in an answer")
    assert "stellwerk_" in scraped(node)
    told = json.loads(node.stellwerk("stats", "--json", *node.state()).out)
    assert told["reconciler"]["sync"] == "synced"
    assert "neighbour" in node.stellwerk("stats", *node.state()).out
    node.node_file(MESH + STATS.replace("9742", "9743"))
    until(lambda: "[::1]:9743" in file.read_text() and _answers(node, "[::1]:9743"), "the other port")
    assert not _answers(node, "[::1]:9742")
    node.node_file(MESH)
    running(daemon)
    assert neighbours(node) == []
    assert daemon.end() == 0
    assert "Traceback" not in daemon.said()


def _answers(node: Host, address: str) -> bool:
    try:
        return bool(scraped(node, address))
    except OSError:
        return False


def test_a_port_that_is_taken_is_had_when_it_is_free(node: Host, start: Programs) -> None:
    def take() -> socket.socket:
        taken = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        taken.bind(("::1", 9742))
        taken.listen()
        return taken

    with node.namespace.run(take):
        daemon = start.synced(node.node_file(MESH + 'stats: {prometheus: {listen: "[::1]:9742"}}\n'))
        status = daemon.until(lambda status: status["health"]["state"] == "degraded", "a degraded node")
        assert states(status) == {"prometheus": "waiting"}
        assert status["sync"]["state"] == "synced"
        (reason,) = status["health"]["reasons"]
        assert "[::1]:9742" in reason
        # The loop goes on: what is taken away is put back.
        node.namespace.ip("address", "delete", f"{PAGE}/64", "dev", "mesh0")
        until(lambda: PAGE in node.namespace.ip("address"), "the address again")
    running(daemon, "prometheus")
    daemon.until(lambda status: status["health"]["state"] == "healthy", "a healthy node")


def test_there_is_one_connection_to_babeld(node: Host, start: Programs) -> None:
    daemon = start.synced(node.node_file(MESH + STATS))
    running(daemon, "respondd", "prometheus", "page")
    # babeld serves four; the reconciler and the statistics are one.
    unix = node.namespace.program("ss", "-x", "-H")
    established = [line for line in unix.splitlines() if str(node.socket) in line and "ESTAB" in line]
    assert len(established) == 1, unix


BABEL_STATS = """
stats:
  respondd: {interfaces: [mesh0]}
  prometheus: {listen: "[::1]:9742"}
"""


def test_a_scrape_tells_of_babel_and_of_a_neighbour_that_is_lost(node: Host, start: Programs) -> None:
    node.start_neighbour()
    daemon = start.synced(node.node_file(MESH + BABEL_STATS))
    running(daemon, "respondd", "prometheus")
    until(lambda: len(neighbours(node)) == 1, "the neighbour in an answer")
    told = scraped(node)
    assert "babel_up 1.0" in told.splitlines()
    assert "babel_neighbours 1.0" in told.splitlines()
    assert _series(told, "babel_neighbour_cost{")
    assert _series(told, "babel_routes")
    assert any(float(line.split()[-1]) >= 1 for line in _series(told, "stellwerk_respondd_"))
    os.kill(int((node.folder / "neighbour.pid").read_text()), signal.SIGTERM)
    # babeld gives a neighbour up after some hellos, here one a second.
    until(lambda: not _series(scraped(node), "babel_neighbour_"), "no series of the neighbour")
    assert "babel_up 1.0" in scraped(node).splitlines()
    until(lambda: neighbours(node) == [], "no neighbour in an answer")
    assert daemon.end() == 0


def _series(told: str, beginning: str) -> list[str]:
    return [line for line in told.splitlines() if line.startswith(beginning)]
