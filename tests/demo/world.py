"""Three hosts in network namespaces: the exit node, a neighbour in the mesh, and the provider at the tunnel's end.

It is made inside a mount, a network and a process namespace of its own, whose end is its own end.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNET = 0x40000000
SCRATCH = Path("/run/demo")
NODE, NEIGHBOUR, PROVIDER = "exit-node", "neighbour", "provider"
BABELD = ("babeld", "-D", "-z", "0", "-h", "1", "-H", "1")


def confine() -> None:
    """Give this mount namespace a /run and an /etc of its own, so that nothing written there outlives it."""
    _do("mount", "--make-rprivate", "/")
    _do("mount", "-t", "tmpfs", "run", "/run")
    for name in ("upper", "work", "bin"):
        (SCRATCH / name).mkdir(parents=True)
    layers = f"lowerdir=/etc,upperdir={SCRATCH}/upper,workdir={SCRATCH}/work"
    if subprocess.run(["mount", "-t", "overlay", "etc", "/etc", "-o", layers], capture_output=True).returncode:
        # A kernel without overlay, or an /etc that is one already and belongs to an emulated machine.
        Path("/etc/stellwerk").mkdir(exist_ok=True)
        _do("mount", "-t", "tmpfs", "stellwerk", "/etc/stellwerk")
    os.environ["PATH"] = f"{SCRATCH}/bin:{os.environ['PATH']}"
    os.environ["STELLWERK_STATE_DIR"] = str(SCRATCH / "state")


def build() -> None:
    """Make the hosts, their cables and the neighbour's babeld, and a stand-in for a service manager."""
    for host in (NODE, NEIGHBOUR, PROVIDER):
        _do("ip", "netns", "add", host)
        inside(host, "ip", "link", "set", "lo", "up")
    _cable(NODE, "mesh0", NEIGHBOUR, "mesh0")
    _cable(NODE, "wan", PROVIDER, "lan")
    inside(NODE, "ip", "address", "add", "2001:db8:1::2/64", "dev", "wan", "nodad")
    inside(PROVIDER, "ip", "address", "add", "2001:db8:1::1/64", "dev", "lan", "nodad")
    _write_service_manager()
    start_babeld(NEIGHBOUR, SCRATCH / "neighbour", "-C", "redistribute local deny", "mesh0")


def start_babeld(host: str, state: Path, *arguments: str) -> None:
    """Start babeld in a host; its files begin with the path ``state``."""
    inside(host, *BABELD, "-I", f"{state}.pid", "-S", f"{state}.state", "-L", f"{state}.log", *arguments)


def inside(host: str, *command: str) -> str:
    """Return what a program prints in a host. Raises CalledProcessError."""
    return _do("ip", "netns", "exec", host, *command)


def enter(host: str) -> None:
    """Move this process into a host's network namespace; os.setns came with Python 3.12."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{host}") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {host}")


def await_true(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
    """Wait until the condition holds and return how long that took in seconds. Raises TimeoutError."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - start


def end_babelds() -> None:
    """End both babelds by the process ids they wrote, so that they retract what they announced."""
    for file in SCRATCH.glob("*.pid"):
        os.kill(int(file.read_text()), signal.SIGTERM)


def _write_service_manager() -> None:
    """Write the command that the example names to restart babeld: there is no service manager in here."""
    state = SCRATCH / "node"
    command = " ".join((*BABELD, "-I", f"{state}.pid", "-S", f"{state}.state", "-L", f"{state}.log"))
    script = SCRATCH / "bin" / "systemctl"
    script.write_text(
        "#!/bin/sh -e\n"
        f"if [ -e {state}.pid ]; then\n"
        f"    pid=$(cat {state}.pid); kill $pid\n"
        "    while kill -0 $pid 2>/dev/null; do sleep 0.05; done\n"
        "fi\n"
        f"exec {command} -G /run/babeld.sock -c /etc/stellwerk/babeld.conf\n"
    )
    script.chmod(0o755)


def _cable(host: str, name: str, other: str, other_name: str) -> None:
    _do("ip", "-n", host, "link", "add", name, "type", "veth", "peer", "name", other_name, "netns", other)
    _do("ip", "-n", host, "link", "set", name, "up")
    _do("ip", "-n", other, "link", "set", other_name, "up")


def _do(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
