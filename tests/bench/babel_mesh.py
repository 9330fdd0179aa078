"""A babeld in this network namespace, and a neighbour's that announces as many routes as one likes."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.inputs import prefixes
from tests.bench.place import PATIENCE_SECONDS, Place, run, until
from tests.namespaces import Namespace, namespaces

BABELD_SOCKET = Path("/run/babeld.sock")
ANNOUNCED_PROTOCOL = 241
"""The routes that the neighbour announces are told by it from those that babeld makes."""
HELLO_SECONDS = 4
"""babeld's default (babeld(8))."""


class BabelMesh:
    """This namespace with the link ``mesh0`` to a neighbour that announces, and ``mesh1`` to one that does not.

    ``asker`` is a namespace at the other end of the link ``asked0``, where no babel is spoken.
    """

    def __init__(
        self, place: Place, neighbours: tuple[Namespace, Namespace], asker: Namespace, hello_seconds: int
    ) -> None:
        self.folder = place.folder
        self._hello = str(hello_seconds)
        self.announcing, self.silent = neighbours
        self.asker = asker
        self.pids: dict[str, int] = {}
        for name, other in (("mesh0", self.announcing), ("mesh1", self.silent), ("asked0", asker)):
            other.run(lambda: Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0"))
            run("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", other.path)
            run("ip", "link", "set", name, "up")
            other.ip("link", "set", name, "up")
        until(lambda: all(link_local(name) for name in ("mesh0", "mesh1", "asked0")), "the link-local addresses")

    @property
    def pid(self) -> int:
        """The process id of the babeld that is measured."""
        return self.pids["here"]

    def start(self, routes: int) -> None:
        """Start babeld here and at both neighbours, and wait until all routes are known here."""
        batch = "".join(f"route add unreachable {one} proto {ANNOUNCED_PROTOCOL}\n" for one in prefixes(routes))
        file = self.folder / "announced"
        file.write_text(batch)
        self.announcing.ip("-6", "-batch", str(file))
        only = ("-C", f"redistribute proto {ANNOUNCED_PROTOCOL} allow", "-C", "redistribute local deny")
        self._start("here", None, "-G", str(BABELD_SOCKET), "-C", "redistribute local deny", "mesh0", "mesh1")
        self._start("announcing", self.announcing, *only, "-C", "redistribute deny", "mesh0")
        self.start_silent()
        until(lambda: self.knows(routes), "babeld's routes", 0.5)

    def knows(self, routes: int, neighbours: int = 2) -> bool:
        """Return whether babeld has installed so many routes and has so many neighbours."""
        try:
            said = dump()
        except ConnectionError:
            # Who reads too slowly is cut off: on a busy machine that may be this process.
            return False
        return said.count(b" installed yes ") >= routes and said.count(b"add neighbour ") == neighbours

    def start_silent(self) -> None:
        """Start babeld at the neighbour that announces nothing."""
        self._start("silent", self.silent, "-C", "redistribute deny", "-C", "out deny", "mesh1")

    def kill_silent(self) -> None:
        """Kill that babeld: it is missed when its hellos are."""
        self._kill("silent")

    def end(self) -> None:
        """End all babelds."""
        for name in list(self.pids):
            self._kill(name)

    def _kill(self, name: str) -> None:
        pid = self.pids.pop(name)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists(), "the end of babeld")
        # A killed one leaves it behind, and the next one does not start then.
        (self.folder / f"babeld-{name}.pid").unlink(missing_ok=True)

    def _start(self, name: str, where: Namespace | None, *words: str) -> None:
        path = self.folder / f"babeld-{name}"
        files = ("-I", f"{path}.pid", "-S", f"{path}.state", "-L", f"{path}.log")
        command = ("babeld", "-D", "-z", "0", "-h", self._hello, "-H", self._hello, *files, *words)
        if where is None:
            run(*command)
        else:
            where.program(*command)
        until(Path(f"{path}.pid").exists, "babeld's process id")
        self.pids[name] = int(Path(f"{path}.pid").read_text())


@contextmanager
def babel_mesh(place: Place, routes: int, hello_seconds: int = HELLO_SECONDS) -> Iterator[BabelMesh]:
    """Give a babeld that knows so many routes, and its neighbours, which it hears from every ``hello_seconds``."""
    with namespaces(3) as (announcing, silent, asker):
        mesh = BabelMesh(place, (announcing, silent), asker, hello_seconds)
        try:
            mesh.start(routes)
            yield mesh
        finally:
            mesh.end()


def link_local(name: str, where: Namespace | None = None) -> str:
    """Return the link-local address of a link, empty while it has none."""
    words = ("-6", "-brief", "address", "show", "dev", name, "scope", "link")
    said = run("ip", *words) if where is None else where.ip(*words)
    return next((word.partition("/")[0] for word in said.split() if word.startswith("fe80:")), "")


def connected(path: Path = BABELD_SOCKET) -> socket.socket:
    """Return a connection to a babeld that has greeted."""
    endpoint = socket.socket(socket.AF_UNIX)
    endpoint.settimeout(PATIENCE_SECONDS)
    endpoint.connect(str(path))
    answer(endpoint)
    return endpoint


def answer(endpoint: socket.socket) -> bytes:
    """Return what babeld says until its ``ok``."""
    said = bytearray()
    while not said.endswith(b"ok\n"):
        more = endpoint.recv(1 << 18)
        if not more:
            raise ConnectionError("babeld has closed the connection")
        said += more
    return bytes(said)


def dump(path: Path = BABELD_SOCKET) -> bytes:
    """Return all that a babeld knows."""
    with connected(path) as endpoint:
        endpoint.sendall(b"dump\n")
        return answer(endpoint)


def written_bytes(pid: int) -> int:
    """Return how many bytes a babeld has written to its local clients (proc(5), ``wchar`` of /proc/PID/io).

    What it sends to its neighbours goes by sendmsg(2), which does not count there.
    """
    return int(Path(f"/proc/{pid}/io").read_text().split("wchar:")[1].split()[0])
