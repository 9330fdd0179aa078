"""``stellwerk run`` and the other commands as processes of a host, ended with the test however it goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from reconciler.core.errors import StellwerkError
from reconciler.services.control_client import Control
from tests.host import Host, until

END_SECONDS = 30.0
STELLWERK = (sys.executable, "-c", "from reconciler.cli import main; main()")
MESH = """
version: 1
node: exit-1
mesh:
  table: 10
  prefixes: ["fd00:6d65::/48"]
  uplinks: [wan]
  interfaces: [{name: mesh0, type: wired}]
  babeld: {socket: $folder/babeld.sock, config: $folder/babeld.conf, restart_command: [$folder/restart-babeld]}
addresses: [{interface: mesh0, addresses: ["fd00:6d65::1/64"]}]
"""
TICKS = os.sysconf("SC_CLK_TCK")


def exit_of(prefixes: int) -> str:
    """Return a node file of an exit with so many prefixes, at most 256."""
    lines = [f'    - {{prefix: "{prefix(n)}", via: {{interface: wan, gateway: "fe80::1"}}}}\n' for n in range(prefixes)]
    return MESH + "exit:\n  allow_special_purpose: true\n  prefixes:\n" + "".join(lines)


def prefix(number: int) -> str:
    """Return the prefix of that number of `exit_of`."""
    return f"2001:db8:42{number:02x}::/56"


@dataclass
class Program:
    """A process of a host; what it says is in ``log``."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def said(self) -> str:
        """Return what it has written to its standard output and error."""
        return self.log.read_text(errors="replace")

    def wait(self) -> int:
        """Return the exit code once it has ended, negative the signal. Raises TimeoutExpired."""
        return self.process.wait(END_SECONDS)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.wait()


@dataclass
class Daemon(Program):
    """A daemon and its control socket."""

    socket: Path

    def status(self) -> dict[str, Any]:
        """Return its status, an empty one while it does not answer."""
        try:
            found: dict[str, Any] = Control(self.socket).ask("status")["status"]
        except StellwerkError:
            return {}
        return found

    def until(self, condition: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Return the first status that the condition holds for. Raises TimeoutError, with the log."""
        seen: list[dict[str, Any]] = []

        def holds() -> bool:
            assert self.process.poll() is None, f"the daemon has ended: {self.said()}"
            status = self.status()
            seen[:] = [status]
            return bool(status) and condition(status)

        try:
            until(holds, what)
        except TimeoutError as exc:
            shown = {name: value for name, value in seen[0].items() if name != "recent"}
            exc.add_note(f"{json.dumps(shown, indent=1)}\n{self.said()}")
            raise
        return seen[0]

    def until_synced(self) -> dict[str, Any]:
        """Return the first status by which the node is as it is to be and nothing is on trial."""
        return self.until(
            lambda status: status["sync"]["state"] == "synced" and status["trial"] is None, "a node in sync"
        )

    def resident_bytes(self) -> int:
        """Return what of it is in memory (VmRSS of proc(5))."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(status.split("VmRSS:")[1].split()[0])

    def processor_seconds(self) -> float:
        """Return what it has used of the processors, all its threads together."""
        # The name, second, may hold blanks: utime and stime are the 14th and 15th (proc(5)).
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


P = TypeVar("P", bound=Program)


class Programs:
    """Starts processes in a host, and ends them all."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._started: list[Program] = []

    def daemon(self, file: Path | None, *options: str, **environment: str) -> Daemon:
        """Start a daemon; ``None`` for one whose options say all."""
        socket = self.host.folder / "state" / "socket"
        arguments = () if file is None else (str(file),)
        process, log = self._start((*STELLWERK, "run", *arguments, *self.host.state(), *options), environment)
        return self._kept(Daemon(process, log, socket))

    def synced(self, file: Path, *options: str, **environment: str) -> Daemon:
        """Start a daemon and wait until the node is as it is to be."""
        daemon = self.daemon(file, *options, **environment)
        daemon.until_synced()
        return daemon

    def client(self, *words: str | Path) -> Program:
        """Start another command of stellwerk."""
        command = (*STELLWERK, *map(str, words), *self.host.state())
        return self._kept(Program(*self._start(command, {})))

    def program(self, *words: str | Path) -> Program:
        """Start any program."""
        return self._kept(Program(*self._start(tuple(map(str, words)), {})))

    def running(self) -> list[Daemon]:
        """Return the daemons that have not ended."""
        return [one for one in self._started if isinstance(one, Daemon) and one.process.poll() is None]

    def all_said(self) -> str:
        """Return what all of them have said."""
        return "\n".join(f"--- {one.log.name}\n{one.said()}" for one in self._started)

    def end(self) -> None:
        """Kill what still runs, and those who see a trial through on behalf of what was started."""
        for one in self._started:
            if one.process.poll() is None:
                one.process.kill()
            one.process.wait(END_SECONDS)
        for pid in holders(self.host):
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: not alive(pid), f"the end of {pid}")  # type: ignore[misc]

    def _start(self, command: tuple[str, ...], environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], Path]:
        log = self.host.folder / f"said-{len(self._started)}"
        with log.open("wb") as said:
            process = self.host.namespace.run(
                lambda: subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, **environment}
                )
            )
        return process, log

    def _kept(self, one: P) -> P:
        self._started.append(one)
        return one


def holders(host: Host) -> list[int]:
    """Return the processes that see a trial of this host through."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue  # It has ended meanwhile.
        if b"--see-through" in words and str(host.folder / "state").encode() in words:
            found.append(int(entry.parent.name))
    return found


def alive(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def programs(host: Host) -> Iterator[Programs]:
    """Give a way to start processes in a host, all of which end with it."""
    with ExitStack() as stack:
        made = Programs(host)
        stack.callback(made.end)
        yield made


def kernel_state(host: Host) -> dict[str, list[str]]:
    """Return everything that ip(8) shows, as it prints it, but for lifetimes and the order of rules made at once."""
    looks = {
        "link": ("-o", "link", "show"),
        "address": ("-o", "address", "show"),
        "route": ("-6", "route", "show", "table", "all"),
        "rule": ("-6", "rule", "show"),
        "rule4": ("-4", "rule", "show"),
    }
    return {name: sorted(host.namespace.ip(*words).splitlines()) for name, words in looks.items()}


def within(measure: Callable[[], float], most: float, tries: int = 3) -> float:
    """Return the first measure that is not above a bound, of a few tries: others use this machine too."""
    found = [measure()]
    while found[-1] > most and len(found) < tries:
        time.sleep(1)  # Not a condition: for others to be done.
        found.append(measure())
    assert found[-1] <= most, found
    return found[-1]
