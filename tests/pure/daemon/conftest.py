"""The daemon in a thread, on a node in memory, with the real command line as its client."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.backend import Events, News
from reconciler.core.errors import StellwerkError
from reconciler.core.permission import Mode
from reconciler.services.control_client import Control, NobodyError
from reconciler.services.control_protocol import VERSION, short_path
from reconciler.services.daemon import Daemon, Settings
from tests.pure.docs.conftest import CommandLine

PATIENCE_SECONDS = 20.0
"""How long a condition may take on a machine that is busy with other things."""

ADDRESS = "fd00:6d65:7368:1::1/128"
OTHER = "fd00:6d65:7368:1::2/128"


def node_text(*addresses: str, more: str = "") -> str:
    listed = ", ".join(f'"{address}"' for address in addresses)
    return f"version: 1\nnode: roof-1\n{more}addresses:\n  - interface: mesh0\n    addresses: [{listed}]\n"


def wait_for(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """Return what the condition returns once that is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.005)
    return found


class Silent(Events):
    """A stream that has nothing to tell."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0)

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> News:
        return News()

    def close(self) -> None:
        os.close(self._descriptor)


class Running:
    """A daemon in a thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.daemon = Daemon(settings)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="daemon under test", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.daemon.run()
        except BaseException as exc:  # noqa: BLE001
            self.error = exc

    def ready(self) -> Running:
        wait_for(lambda: not self.thread.is_alive() or self._answers(), "the daemon listens")
        if self.error is not None:
            raise self.error
        return self

    def _answers(self) -> bool:
        try:
            status = Control(self.settings.socket).ask("status")["status"]
        except StellwerkError:
            return False
        return bool(status) and self.daemon.began

    def stop(self) -> None:
        self.daemon.stop()
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive(), "the daemon does not end"


class Stage:
    """A node in memory, a place on disk for it, and its daemon."""

    def __init__(self, folder: Path, command_line: CommandLine) -> None:
        self.folder = folder
        self.command_line = command_line
        self.node = command_line.node
        self.state = folder / "state"
        self.socket = self.state / "socket"
        self.file = folder / "node.yaml"
        self.file.write_text(node_text(ADDRESS))
        self.running: list[Running] = []
        self.clients: list[socket.socket] = []

    def start(self, *, file: bool = True, group: str | None = None, mode: Mode = Mode.ENFORCE) -> Running:
        return self.begin(file=file, group=group, mode=mode).ready()

    def begin(self, *, file: bool = True, group: str | None = None, mode: Mode = Mode.ENFORCE) -> Running:
        settings = Settings(self.state, self.socket, self.file if file else None, group, mode)
        self.running.append(Running(settings))
        return self.running[-1]

    def cli(self, words: str) -> tuple[int, str]:
        """Return the exit code and what is said; ``FILE`` stands for the node file."""
        return self.command_line.run(f"stellwerk {words.replace('FILE', str(self.file))}")

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = Control(self.socket).ask("status")["status"]
        return status

    def write(self, text: str) -> Path:
        """Write another node file than the daemon's, and return its path."""
        path = self.folder / "other.yaml"
        path.write_text(text)
        return path

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.clients.append(client)
        with short_path(self.socket) as name:
            client.connect(name)
        client.settimeout(PATIENCE_SECONDS)
        return client

    def addresses(self) -> list[str]:
        return [line for line in self.node.describe() if line.startswith("address fd00:6d65")]

    def close(self) -> None:
        for client in self.clients:
            client.close()
        for one in self.running:
            one.daemon.stop()
        for one in self.running:
            one.stop()


def request(command: str, **arguments: Any) -> bytes:
    return json.dumps({"stellwerk_control": VERSION, "command": command, **arguments}).encode() + b"\n"


def answers(client: socket.socket) -> list[dict[str, Any]]:
    """Return all that a client is told until the connection ends."""
    data = bytearray()
    while chunk := client.recv(1 << 16):
        data += chunk
    return [json.loads(line) for line in data.splitlines()]


def hold_here(stage: Stage) -> Callable[[Path, Path], Control]:
    """Return what stands in for `reconciler.services.applying_here.hold`: the holder is a thread."""

    def hold(state_folder: Path, socket: Path) -> Control:
        stage.begin(file=False)

        def reached() -> Control | None:
            try:
                return Control(socket)
            except NobodyError:
                return None

        control: Control = wait_for(reached, "the holder listens")
        return control

    return hold


def stage_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Return a stage, which commands and daemons are on from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    command_line = CommandLine(folder / "state")
    for module in ("this_node", "daemon"):
        monkeypatch.setattr(f"reconciler.services.{module}.this_node", command_line.this_node)
    monkeypatch.setenv("STELLWERK_STATE_DIR", str(folder / "state"))
    monkeypatch.delenv("STELLWERK_SOCKET", raising=False)
    made = Stage(folder, command_line)
    monkeypatch.setattr("reconciler.services.applying_here.hold", hold_here(made))
    return made


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = stage_in(tmp_path, monkeypatch)
    try:
        yield made
    finally:
        made.close()
