"""A host for whole-node tests: a network namespace with cables, a babeld of its own, and the stellwerk command."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler import cli
from tests.namespaces import Namespace, namespaces

DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Said:
    """What a stellwerk command said, and its exit code."""

    code: int
    out: str
    err: str


class Host:
    """A host with the interfaces ``mesh0`` and ``wan``; ``neighbour`` is at their other ends, with the same names.

    Everything on disk is in ``folder``. Addresses are usable at once: duplicates are not looked for.
    """

    def __init__(self, namespace: Namespace, neighbour: Namespace, folder: Path) -> None:
        self.namespace = namespace
        self.neighbour = neighbour
        self.folder = folder
        self.socket = folder / "babeld.sock"
        self.configuration = folder / "babeld.conf"
        self.restart = folder / "restart-babeld"
        for end in (namespace, neighbour):
            end.run(lambda: Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0"))
        for name in ("mesh0", "wan"):
            namespace.cable(name, neighbour, name)
        for end in (namespace, neighbour):
            until(lambda end=end: end.ip("address").count("fe80::") == 2, "the link-local addresses")  # type: ignore[misc]
        namespace.ip("address", "add", "2001:db8:1::2/64", "dev", "wan", "nodad")
        self._write_restart_command()

    def stellwerk(self, *arguments: str | Path) -> Said:
        """Run the command line in this host, with a state folder of its own."""
        out, err = io.StringIO(), io.StringIO()

        def run() -> int:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                return cli.run([str(word) for word in arguments])

        code = self.namespace.run(run)
        return Said(code, out.getvalue(), err.getvalue())

    def plan(self, file: Path) -> dict[str, Any]:
        """Return the plan for a node file as JSON."""
        said = self.stellwerk("plan", file, "--json", *self.state())
        assert said.out, said.err
        found: dict[str, Any] = json.loads(said.out)
        return found

    def apply(self, file: Path, *options: str) -> Said:
        """Apply a node file."""
        return self.stellwerk("apply", file, *options, *self.state())

    def state(self) -> tuple[str, str]:
        """Return the option that names this host's state folder."""
        return ("--state-dir", str(self.folder / "state"))

    def node_file(self, text: str, name: str = "node.yaml") -> Path:
        """Write a node file; ``$folder`` in it stands for this host's folder."""
        path = self.folder / name
        path.write_text(text.replace("$folder", str(self.folder)))
        return path

    def start_babeld(self, *arguments: str) -> None:
        """Start this host's babeld, which must be told to listen at `socket`, and wait until it does."""
        self.namespace.program(*self._babeld("host"), *arguments)
        until(self.socket.is_socket, "babeld's socket")

    def babeld_dump(self) -> str:
        """Return what this host's babeld says it has."""
        with socket.socket(socket.AF_UNIX) as endpoint:
            endpoint.settimeout(DEADLINE_SECONDS)
            endpoint.connect(str(self.socket))
            said = ""
            for command in (b"", b"dump\n"):
                endpoint.sendall(command)
                answer = ""
                while not answer.endswith("ok\n"):
                    answer += endpoint.recv(1 << 16).decode()
                said = answer
        return said

    def start_neighbour(self, *arguments: str) -> None:
        """Start babeld on the neighbour's ``mesh0``; its routes go to the main table."""
        self.neighbour.program(*self._babeld("neighbour"), "-C", "redistribute local deny", *arguments, "mesh0")

    def end(self) -> None:
        """End both babelds, by the process ids they wrote, and wait until they are gone."""
        for file in self.folder.glob("*.pid"):
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                pid = int(file.read_text())
                os.kill(pid, signal.SIGTERM)
                until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), f"the end of babeld {pid}")  # type: ignore[misc]

    def _babeld(self, name: str) -> tuple[str, ...]:
        path = self.folder / name
        files = ("-I", f"{path}.pid", "-S", f"{path}.state", "-L", f"{path}.log")
        return ("babeld", "-D", "-z", "0", "-h", "1", "-H", "1", *files)

    def _write_restart_command(self) -> None:
        pid = self.folder / "host.pid"
        command = " ".join((*self._babeld("host"), "-G", str(self.socket), "-c", str(self.configuration)))
        self.restart.write_text(
            "#!/bin/sh -e\n"
            f"if [ -e {pid} ]; then\n"
            f"    old=$(cat {pid}); kill $old; while kill -0 $old 2>/dev/null; do sleep 0.05; done\n"
            "fi\n"
            f"exec {command}\n"
        )
        self.restart.chmod(0o755)


@contextlib.contextmanager
def host(folder: Path) -> Iterator[Host]:
    """Give a host and remove it with all that runs in it, whatever happens."""
    with namespaces(2) as (namespace, neighbour):
        made = Host(namespace, neighbour, folder)
        try:
            yield made
        finally:
            made.end()
            _remove_links(namespace)


def _remove_links(namespace: Namespace) -> None:
    """Delete the tunnels and userspace WireGuard interfaces, whose programs end with them."""
    for link in json.loads(namespace.ip("-j", "-d", "link", "show")):
        if link.get("linkinfo", {}).get("info_kind") == "tun":
            name = link["ifname"]
            namespace.ip("link", "delete", name)
            until(lambda name=name: not Path(f"/run/wireguard/{name}.sock").exists(), f"the end of {name}")  # type: ignore[misc]


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds. Raises TimeoutError."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {DEADLINE_SECONDS:.0f} s")
        time.sleep(0.05)


def public_key(private_key: str) -> str:
    """Return the public half of a key of ``wg genkey``."""
    done = subprocess.run(["wg", "pubkey"], input=private_key, capture_output=True, text=True, check=True)
    return done.stdout.strip()
