"""A node with an uplink and two exits, its daemon, and a neighbour in the mesh that hears what is announced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host import Host, host, until
from tests.kernel.daemon.running import Daemon, Programs, programs

PREFIXES = ("2001:db8:4200::/56", "2001:db8:4300::/56")
BEYOND = "2001:db8:1::1"
"""What answers pings at the other end of the uplink."""
NODE = """
version: 1
node: exit-1
mesh:
  table: 10
  # Repeated every 12 s only: what the neighbour is not told it would keep for six times that, longer than a test waits.
  interfaces: [{name: mesh0, type: wired, update_interval: 12}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf, restart_command: [$folder/restart-babeld]}
exit:
  allow_special_purpose: true
  health: {every: 1s, fall: 3, rise: 2}
  prefixes:
    - {prefix: "2001:db8:4200::/56", via: {interface: wan, gateway: "fe80::1"}, checks: [CHECKS]}
    - {prefix: "2001:db8:4300::/56", via: {interface: wan, gateway: "fe80::1"}}
"""
CHECKED = NODE.replace("CHECKS", f'{{ping: "{BEYOND}", interface: wan}}')
UNCHECKED = NODE.replace(", checks: [CHECKS]", "")


class Place:
    """The node with its neighbour."""

    def __init__(self, node: Host, start: Programs) -> None:
        self.node = node
        self.start = start
        node.neighbour.ip("address", "add", f"{BEYOND}/64", "dev", "wan", "nodad")
        node.start_neighbour()

    def synced(self, text: str) -> Daemon:
        """Start the daemon, and wait until the neighbour has heard of both exits."""
        daemon = self.start.synced(self.node.node_file(text))
        until(lambda: self.heard() == set(PREFIXES), "both exits at the neighbour")
        return daemon

    def heard(self) -> set[str]:
        """Return the prefixes that the neighbour has a way out for."""
        routes = json.loads(self.node.neighbour.ip("-j", "-6", "route", "show", "proto", "babel"))
        return {route["from"] for route in routes if route["dst"] == "default" and "from" in route}

    def uplink_answers(self, answers: bool) -> None:
        """Have what is beyond the uplink answer, or not."""
        self.node.neighbour.ip("address", "add" if answers else "delete", f"{BEYOND}/64", "dev", "wan")

    def carrier(self, there: bool) -> None:
        """Plug the uplink in, or pull it."""
        self.node.neighbour.ip("link", "set", "wan", "up" if there else "down")

    def way_out(self, prefix: str) -> str:
        """Return the node's own route of an exit, empty when there is none."""
        lines = self.node.namespace.ip("-6", "route", "show", "table", "10").splitlines()
        return next((line for line in lines if line.startswith(f"default from {prefix} ")), "")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with host(tmp_path) as node, programs(node) as start:
        yield Place(node, start)
