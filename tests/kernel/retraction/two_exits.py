"""A neighbour with two ways out for the same prefixes: the host behind ``mesh0``, and further away behind ``mesh1``.

The host repeats its announcements every eight seconds only: a neighbour that is not told keeps one for half a minute,
ten times as long as it may.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.host import Host, until
from tests.kernel.daemon.running import MESH, prefix
from tests.namespaces import Namespace

PREFIXES = [prefix(number) for number in range(3)]


def exits(count: int = len(PREFIXES)) -> str:
    """Return a node file of an exit with so many of the prefixes."""
    lines = [f'    - {{prefix: "{one}", via: {{interface: wan, gateway: "fe80::1"}}}}\n' for one in PREFIXES[:count]]
    mesh = MESH.replace("type: wired}", "type: wired, update_interval: 8}")
    return mesh + "exit:\n  allow_special_purpose: true\n  prefixes:\n" + "".join(lines)


class OtherExit:
    """The other exit, and what the neighbour and the host make of the two."""

    def __init__(self, node: Host, namespace: Namespace) -> None:
        self.node = node
        node.neighbour.cable("mesh1", namespace, "mesh1")
        for one in PREFIXES:
            namespace.ip("-6", "route", "add", "default", "from", one, "dev", "lo", "proto", "242")
        path = node.folder / "other"
        files = ("-I", f"{path}.pid", "-S", f"{path}.state", "-L", f"{path}.log")
        filters = ("-C", "redistribute ip ::/0 eq 0 proto 242 metric 300", "-C", "redistribute local deny")
        namespace.program("babeld", "-D", "-z", "0", "-h", "1", "-H", "1", *files, *filters, "mesh1")
        # At once: without time to get used to a route (smoothing).
        node.start_neighbour("-M", "0", "mesh1")
        self.until_used("mesh1")

    def used(self) -> dict[str, str]:
        """Return the link by which the neighbour sends what comes from each prefix."""
        return _ways(self.node.neighbour.ip("-j", "-6", "route", "show", "proto", "babel"))

    def of_the_host(self) -> dict[str, str]:
        """Return the link by which the host itself sends what comes from each prefix, by what it learned from babel."""
        return _ways(self.node.namespace.ip("-j", "-6", "route", "show", "table", "10", "proto", "babel"))

    def until_used(self, link: str) -> None:
        """Wait until the neighbour sends what comes from all prefixes by a link."""
        until(_all(self.used, link), f"the neighbour's way by {link}")

    def until_the_host_uses_it(self) -> None:
        """Wait until the host has the way over the neighbour."""
        until(_all(self.of_the_host, "mesh0"), "the host's way over its neighbour")

    def stand_ins(self) -> str:
        """Return the routes of the host that are announced as unreachable."""
        return self.node.namespace.ip("-6", "route", "show", "table", "10", "proto", "243")


def _ways(routes: str) -> dict[str, str]:
    return {route["from"]: route["dev"] for route in json.loads(routes) if route["dst"] == "default"}


def _all(ways: Callable[[], dict[str, str]], link: str) -> Callable[[], bool]:
    return lambda: ways() == dict.fromkeys(PREFIXES, link)
