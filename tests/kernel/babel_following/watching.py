"""Following the babeld of a node of the test's mesh, and asking it behind the follower's back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intent.statistics import BabelSource, Following
from reconciler.backends.babel_table import BabelTable, Known
from reconciler.backends.babeld_client import follow
from reconciler.backends.babeld_following import Follower
from tests.kernel.babel.mesh import Mesh, Node, until

MANY = 10_000
ANNOUNCING = "announcing.conf"
"""The file that has the first node announce the routes of table 10 that are stellwerk's."""


def start(mesh: Mesh) -> None:
    """Start babeld at both nodes."""
    start_announcing(mesh.a)
    mesh.b.start("-C", "redistribute local deny", "mesh0")


def start_announcing(node: Node) -> None:
    """Start babeld at the node that announces."""
    node.start("-c", str(node.folder / ANNOUNCING), "mesh0")


@contextmanager
def following(
    node: Node,
    way: Following = Following.MONITOR,
    every_seconds: float | None = None,
    *,
    routes: bool = True,
) -> Iterator[Follower]:
    """Follow the babeld of a node, from inside it."""
    source = BabelSource(socket=node.socket, following=way, every_seconds=every_seconds, routes=routes)
    follower = node.inside(lambda: follow(source))
    try:
        yield follower
    finally:
        follower.close()


def known(follower: Follower) -> Known:
    """Return what is known, as soon as anything is."""
    return until(follower.known, "something is known")


def asked(node: Node) -> Known:
    """Return what a client of its own is told."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(node.socket)
        answers = []
        for command in (b"", b"dump\n"):
            client.sendall(command)
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += client.recv(1 << 18)
            answers.append(answer.splitlines()[:-1])
    greeting = dict(line.decode().split(" ", 1) for line in answers[0])
    table = BabelTable(routes=True)
    table.begin(greeting["version"], greeting["my-id"])
    table.begin_snapshot()
    table.take(answers[1])
    table.end_snapshot()
    return table.known()


def installed(follower: Follower) -> int:
    """Return how many routes are installed."""
    counts = known(follower).counts
    return -1 if counts is None else counts.installed


def tally(found: Known | None) -> object:
    """Return all that is in a quiet mesh the same at any time: the round trip is not."""
    if found is None:
        return None
    neighbours = tuple((one.address, one.interface, one.reach, one.rxcost, one.txcost) for one in found.neighbours)
    routes = None if found.routes is None else frozenset(found.routes)
    return (
        found.version, found.router_id, found.interfaces, neighbours, found.xroutes, found.defaults, found.counts,
        found.routers, routes,
    )  # fmt: skip


def is_true(follower: Follower, node: Node) -> bool:
    """Return whether what is known is what another client is told."""
    return tally(follower.known()) == tally(asked(node))


def connections(node: Node) -> int:
    """Return how many clients babeld's unix socket has (/proc/net/unix of proc(5); state 03 is connected)."""
    rows = [line.split() for line in Path(f"/proc/{node.pid}/net/unix").read_text().splitlines()[1:]]
    return sum(len(row) > 7 and row[7] == node.socket and row[5] == "03" for row in rows)


def kernel_routes(node: Node, count: int, verb: str = "add") -> Path:
    """Return a batch for ``ip`` that adds or deletes that many routes which stellwerk's babeld announces."""
    path = node.folder / f"{verb}.batch"
    path.write_text(
        "".join(
            f"route {verb} default from 2001:db8:{n:x}::/48 dev lo proto 242 table 10\n" for n in range(1, count + 1)
        )
    )
    return path
