"""``stellwerk stats`` as a process of its own, and the providers beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.asking import Asker
from tests.bench.babel_mesh import BABELD_SOCKET, BabelMesh
from tests.bench.place import PATIENCE_SECONDS, Place
from tests.bench.timing import TICKS
from tests.kernel.daemon.running import STELLWERK

PEERS = Path(__file__).parent / "peers"
PEER_PORT = 2001
METRICS_PORT = 9742


@contextmanager
def provider(
    place: Place,
    mesh: BabelMesh,
    follow: str,
    *,
    every_seconds: int | None = None,
    routes: bool = False,
    babeld: Path = BABELD_SOCKET,
) -> Iterator[int]:
    """Give the process id of a `stellwerk stats` that answers on the asker's link. With ``routes`` it keeps them."""
    every = "" if every_seconds is None else f", every: {every_seconds}s"
    text = (
        "version: 1\nnode: bench\nstats:\n"
        f"  babel: {{socket: {babeld}, follow: {follow}{every}}}\n  respondd: {{interfaces: [asked0]}}\n"
    )
    if routes:
        text += f'  prometheus: {{listen: "[::1]:{METRICS_PORT}", routes: true}}\n'
    file = place.write("stats.yaml", text)
    with running(place.folder / "stats.log", *STELLWERK, "stats", str(file)) as pid:
        with Asker(mesh) as asker:
            asker.until_answered()
        yield pid


@contextmanager
def dump_on_query(place: Place, mesh: BabelMesh) -> Iterator[int]:
    """Give the process id of the provider that dumps at each query, on `PEER_PORT`."""
    command = (sys.executable, "-S", str(PEERS / "dump_on_query.py"), str(BABELD_SOCKET), str(PEER_PORT))
    with running(place.folder / "peer.log", *command) as pid:
        with Asker(mesh, PEER_PORT) as asker:
            asker.until_answered()
        yield pid


@contextmanager
def running(log: Path, *command: str) -> Iterator[int]:
    """Give the process id of a program, which ends with this."""
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        yield process.pid
        assert process.poll() is None, f"it has ended: {log.read_text(errors='replace')[-1000:]}"
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


class Relay:
    """The relay before babeld's socket: how long its client leaves something unread. In use until `close`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "relay.sock"
        command = (sys.executable, "-S", str(PEERS / "relay.py"), str(self.path), str(BABELD_SOCKET))
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def reset(self) -> None:
        """Forget what was seen."""
        self._say("reset")

    def longest_seconds(self) -> float:
        """Return the longest that something was left unread since `reset`."""
        self._say("tell")
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()


def used_seconds(pid: int) -> float:
    """Return what a process has used of the processors, threads that have ended included, in ticks of 10 ms."""
    # The name, second, may hold blanks: utime and stime are the 14th and 15th (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
