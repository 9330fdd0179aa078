"""The conversation of a babeld that monitors, and tells what a test has it tell."""

from __future__ import annotations

import socket
import threading

from tests.pure.babel.fake_babeld import DUMP, GREETING

_STOPPED_SECONDS = 10.0
LINES = DUMP.removesuffix(b"ok\n")


class Telling:
    """Answers every command, tells what `say` gives to the one who monitors, and is silent while it is stopped.

    ``heard`` are the commands. ``have`` is what a dump gives, without the ``ok`` at its end.
    """

    def __init__(self, have: bytes = LINES) -> None:
        self.have = have
        self.heard: list[str] = []
        self.before_answer = b""
        self._client: socket.socket | None = None
        self._changed = threading.Condition()
        self._running = True

    def __call__(self, client: socket.socket) -> None:
        client.sendall(GREETING)
        while command := client.recv(2000).decode():
            command = command.removesuffix("\n")
            with self._changed:
                # Not for ever: a test that fails does not have it go on.
                self._changed.wait_for(lambda: self._running, _STOPPED_SECONDS)
                self.heard.append(command)
                client.sendall(self.before_answer)
                if command in ("monitor", "dump"):
                    client.sendall(self.have)
                client.sendall(b"bad\n" if command == "nonsense" else b"ok\n")
                if command in ("monitor", "unmonitor"):
                    self._client = client if command == "monitor" else None
                    self._changed.notify_all()

    def say(self, said: bytes) -> None:
        """Tell this, as soon as somebody monitors."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._client is not None, 5)
            assert self._client is not None
            self._client.sendall(said)

    def hang_up(self) -> None:
        """End the connection."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._client is not None, 5)
            assert self._client is not None
            self._client.shutdown(socket.SHUT_RDWR)
            self._client = None

    def stop(self) -> None:
        """Answer nothing until `go_on`."""
        with self._changed:
            self._running = False

    def go_on(self) -> None:
        """Answer again."""
        with self._changed:
            self._running = True
            self._changed.notify_all()
