"""Two nodes of a mesh, each a network namespace with a real babeld, joined by one cable."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from intent.resources.resource import Request
from reconciler.backends.babeld import Babeld
from reconciler.core.backend import Dump
from reconciler.core.errors import BackendError
from tests.leftovers import session_name

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
PATIENCE_SECONDS = 20.0


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def until(met: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Return what the condition gives as soon as it holds; fail when the time is over."""
    deadline = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)
    return found


def send(requests: Sequence[Request]) -> list[BackendError | None]:
    """Have a new backend carry out the requests."""
    with closing(Babeld()) as backend:
        return backend.send(requests)


def dump(address: str) -> Dump | BackendError:
    """Have a new backend look at a socket."""
    with closing(Babeld()) as backend:
        return backend.dump({"babel": frozenset({address})})["babel"]


class Node:
    """A network namespace with the link ``mesh0``, and the babeld in it if one was started."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self.namespace = namespace
        self.folder = folder
        self.socket = str(folder / "babeld.sock")
        self.configuration = folder / "stellwerk.conf"
        folder.mkdir()
        ip("netns", "add", namespace)

    def ip(self, *words: str) -> str:
        return ip("-n", self.namespace, *words)

    def routes(self, table: int = 10) -> str:
        return self.ip("-6", "route", "show", "table", str(table)) if self._has(table) else ""

    def _has(self, table: int) -> bool:
        return f"table {table}" in self.ip("-6", "route", "show", "table", "all")

    def inside(self, work: Callable[[], T]) -> T:
        """Return what the function gives when it runs in this namespace."""
        results: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                with open(f"/run/netns/{self.namespace}") as namespace:
                    # os.setns came with Python 3.12; it moves this thread alone.
                    assert ctypes.CDLL(None).setns(namespace.fileno(), CLONE_NEWNET) == 0
                results.append(work())
            except BaseException as exc:  # noqa: BLE001 raised again below
                errors.append(exc)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    @property
    def pid(self) -> int | None:
        try:
            return int((self.folder / "pid").read_text())
        except (OSError, ValueError):
            return None

    def command(self, *options: str, address: str | None = None, writable: bool = True) -> list[str]:
        """Return a command line for a babeld that goes to the background, with fast hellos."""
        files = ["-I", f"{self.folder}/pid", "-S", f"{self.folder}/state", "-L", f"{self.folder}/log"]
        local = ["-G" if writable else "-g", address or self.socket]
        return ["ip", "netns", "exec", self.namespace, "babeld", "-D", *files, *local, "-h", "1", "-H", "1", *options]

    def start(self, *options: str, address: str | None = None, writable: bool = True) -> None:
        subprocess.run(self.command(*options, address=address, writable=writable), check=True)
        until(lambda: self.pid and Path(f"/proc/{self.pid}").exists(), "babeld starts")
        if address is None:
            until(lambda: Path(self.socket).exists(), "babeld opens its socket")
        else:
            # Not by connecting: it would greet, which some tests want to see or not.
            until(lambda: self.inside(lambda: _listens(int(address))), "babeld opens its port")

    def stop(self) -> None:
        """End babeld at once: told to end by itself, it takes two seconds to tell its neighbours."""
        pid = self.pid
        if pid is None or not Path(f"/proc/{pid}").exists():
            return
        os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists(), "babeld ends")
        # What is left of a killed babeld keeps the next one from starting.
        for left in (Path(self.socket), self.folder / "pid"):
            left.unlink(missing_ok=True)

    def script(self, *options: str) -> str:
        """Return the path of a program that stops babeld, if it runs, and starts it with these options."""
        path = self.folder / "restart"
        command = " ".join(self.command(*options))
        wait = f'while kill -0 "$pid" 2>/dev/null; do kill "$pid"; sleep 0.02; done; rm -f {self.socket}'
        path.write_text(f"#!/bin/sh\npid=$(cat {self.folder}/pid 2>/dev/null) && {{ {wait}; }}\nexec {command}\n")
        path.chmod(0o755)
        return str(path)

    def remove(self) -> None:
        try:
            self.stop()
        finally:
            ip("netns", "del", self.namespace)


class Mesh:
    """The two nodes; `remove` leaves nothing of them."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stw-"))
        name = session_name(f"babel-{uuid4().hex[:8]}")
        self.nodes: list[Node] = []
        try:
            for letter in "ab":
                self.nodes.append(Node(f"{name}-{letter}", self.folder / letter))
            self.a, self.b = self.nodes
            end = ["name", "mesh0", "netns"]
            ip("link", "add", *end, self.a.namespace, "type", "veth", "peer", *end, self.b.namespace)
            for node in self.nodes:
                for link in ("lo", "mesh0"):
                    node.ip("link", "set", link, "up")
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        try:
            for node in self.nodes:
                node.remove()
        finally:
            shutil.rmtree(self.folder)


def _listens(port: int) -> bool:
    """Return whether somebody listens at a port of the namespace (/proc/net/tcp6 of proc(5); 0A is TCP_LISTEN)."""
    rows = [line.split() for line in Path("/proc/thread-self/net/tcp6").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)
