"""A stranger and three nodes in a row, each a network namespace with a real babeld: s — a — b — c."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.kernel.babel.mesh import Node, ip
from tests.leftovers import session_name

CARELESS = """\
import-table 10
export-table 10
redistribute proto 242 allow
redistribute proto 243 metric 65534
redistribute local deny
"""
"""What somebody configures who announces all that is in a table, and believes all that is said."""


class Row:
    """The four nodes; the interface of each is named after the neighbour that it leads to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        name = session_name(f"row-{uuid4().hex[:8]}")
        self.nodes: list[Node] = []
        try:
            for letter in "sabc":
                node = Node(f"{name}-{letter}", folder / letter)
                self.nodes.append(node)
                node.ip("link", "set", "lo", "up")
            self.s, self.a, self.b, self.c = self.nodes
            for left, right in zip("sab", "abc", strict=True):
                self._cable(left, right)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        for node in self.nodes:
            node.remove()

    def start(self, node: Node, configuration: bytes = CARELESS.encode()) -> None:
        """Start the babeld of a node with a configuration."""
        node.configuration.write_bytes(configuration)
        letter = node.folder.name
        node.start("-c", str(node.configuration), *(f"to-{one}" for one in _beside(letter)))

    def _cable(self, left: str, right: str) -> None:
        one, other = ("sabc".index(letter) for letter in (left, right))
        ends = (self.nodes[one], self.nodes[other])
        names = (f"to-{right}", f"to-{left}")
        first, second = (("name", name, "netns", node.namespace) for name, node in zip(names, ends, strict=True))
        ip("link", "add", *first, "type", "veth", "peer", *second)
        for node, name in zip(ends, names, strict=True):
            node.ip("link", "set", name, "up")


def _beside(letter: str) -> Iterator[str]:
    number = "sabc".index(letter)
    yield from "sabc"[max(0, number - 1) : number]
    yield from "sabc"[number + 1 : number + 2]


@contextmanager
def row() -> Iterator[Row]:
    """Give the four nodes, and remove them with all that runs in them."""
    folder = Path(tempfile.mkdtemp(prefix="stw-"))
    try:
        made = Row(folder)
        try:
            yield made
        finally:
            made.remove()
    finally:
        shutil.rmtree(folder)


def announce(node: Node, source: str | None, destination: str = "default", verb: str = "add") -> None:
    """Have a node announce a route, or with the verb ``retract`` say that it cannot be used any more."""
    protocol, verb = ("243", "replace") if verb == "retract" else ("242", verb)
    origin = () if source is None else ("from", source)
    node.ip("-6", "route", verb, destination, *origin, "dev", "lo", "proto", protocol, "table", "10")


def learned(node: Node, destination: str, source: str = "::/0") -> list[str]:
    """Return the lines of a node's babeld about the routes that it learned for a pair of prefixes."""
    words = f"prefix {destination} from {source} "
    return [line for line in _dump(node).splitlines() if line.startswith("add route ") and words in line]


def _dump(node: Node) -> str:
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.settimeout(20)
        endpoint.connect(node.socket)
        said = ""
        for command in (b"", b"dump\n"):
            endpoint.sendall(command)
            said = ""
            while not said.endswith("ok\n"):
                said += endpoint.recv(1 << 16).decode()
        return said
