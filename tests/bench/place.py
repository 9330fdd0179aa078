"""The place of a measurement: a process in network, process and mount namespaces of its own, which end with it."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kernel.daemon.running import STELLWERK, Daemon

PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.001
RECEIVE_BUFFER_BYTES = 64 << 20
SO_RCVBUFFORCE = 33
SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP = 1
RTNLGRP_IPV6_ROUTE = 11
RTM_NEWROUTE, RTM_DELROUTE = 24, 25


class Place:
    """A network namespace with the link ``wan``, whose other end is ``far``, and a folder, both for one measurement."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_folder = folder / "state"

    def begin(self) -> None:
        """Cover /run, where programs meet, and make the links."""
        run("mount", "-t", "tmpfs", "run", "/run")
        run("ip", "link", "set", "lo", "up")
        self.fresh_links()

    def fresh_links(self) -> None:
        """Make the links anew. The routes of the old ones go with them, which is done when this returns."""
        if "wan" in interfaces():
            run("ip", "link", "delete", "wan")
        # Addresses are usable at once.
        Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
        run("ip", "link", "add", "wan", "type", "veth", "peer", "name", "far")
        for name in ("wan", "far"):
            run("ip", "link", "set", name, "up")
        until(lambda: run("ip", "-6", "address", "show").count("fe80::") == 2, "the link-local addresses")

    def fresh_state(self, name: str) -> Path:
        """Return a folder that is not there yet, for the state of another Stellwerk."""
        return self.folder / f"state-{name}-{time.monotonic_ns()}"

    def write(self, name: str, text: str) -> Path:
        """Write a file in the folder and return its path."""
        path = self.folder / name
        path.write_text(text)
        return path

    @contextmanager
    def daemon(self, file: Path, state: Path) -> Iterator[Daemon]:
        """Give a daemon that keeps this namespace at a node file, from when it is in sync."""
        log = self.folder / f"{state.name}.log"
        command = [*STELLWERK, "run", str(file), "--state-dir", str(state)]
        with log.open("wb") as said:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            daemon = Daemon(process, log, state / "socket")
            in_sync(daemon)
            yield daemon
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def in_sync(daemon: Daemon) -> None:
    """Wait until the daemon says that the node is as it is to be. Raises TimeoutError, with what it says."""

    def synced() -> bool:
        assert daemon.process.poll() is None, f"the daemon has ended: {daemon.said()}"
        status = daemon.status()
        return bool(status) and status["sync"]["state"] == "synced" and status["trial"] is None

    try:
        # Each question costs the daemon time that would be measured.
        until(synced, "a node in sync", 0.1)
    except TimeoutError as exc:
        exc.add_note(daemon.said()[-2000:])
        raise


def interfaces() -> set[str]:
    """Return the names of the links of this namespace."""
    return {name for _, name in socket.if_nameindex()}


def run(*words: str) -> str:
    """Return what a program prints. Raises CalledProcessError, with its words as a note."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    try:
        done.check_returncode()
    except subprocess.CalledProcessError as exc:
        exc.add_note(f"{' '.join(words)}: {done.stderr.strip()}")
        raise
    return done.stdout


def until(condition: Callable[[], bool], what: str, poll_seconds: float = POLL_SECONDS) -> None:
    """Wait until the condition holds. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {PATIENCE_SECONDS:.0f} s")
        time.sleep(poll_seconds)


def route_entries() -> int:
    """Return how many IPv6 routes the kernel has in all tables of this namespace."""
    # The fourth of the hexadecimal numbers: fib_rt_entries (net/ipv6/route.c).
    return int(Path("/proc/thread-self/net/rt6_stats").read_text().split()[3], 16)


class RouteNews:
    """The kernel's notifications about IPv6 routes, each with the time at which it came."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_IPV6_ROUTE)
        self._socket.settimeout(PATIENCE_SECONDS)

    def __enter__(self) -> RouteNews:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def await_one(self, kind: int, part: bytes) -> float:
        """Return when a notification of a kind came that has these bytes in it. Raises TimeoutError."""
        while True:
            message = self._socket.recv(1 << 16)
            came = time.monotonic()
            if struct.unpack_from("=H", message, 4)[0] == kind and part in message:
                return came


def say(words: str) -> None:
    """Tell whoever waits how far it is."""
    print(words, file=sys.stderr, flush=True)


def idle(daemon: Daemon, cpu: Callable[[int], float], still_seconds: float = 0.05) -> float:
    """Wait until a process rests and return the processor seconds it has used. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    used, since = cpu(daemon.pid), time.monotonic()
    while time.monotonic() - since < still_seconds:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {daemon.pid} does not rest")
        time.sleep(POLL_SECONDS)
        if (now := cpu(daemon.pid)) != used:
            used, since = now, time.monotonic()
    return used


def environment(name: str) -> str:
    """Return a variable of the environment, empty where it is not set."""
    return os.environ.get(name, "")
