"""A babeld that says what a test tells it to, at a unix socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

GREETING = b"BABEL 1.0\nversion babeld-1.12.1\nhost exit-7\nmy-id 02:00:00:00:00:00:00:0a\nok\n"
DUMP = b"""\
add interface mesh0 up true ipv6 fe80::180f:37ff:feef:4e2b
add interface gone0 up false
add neighbour 56001104b310 address fe80::206b:e7ff:fee9:9805 if mesh0 reach fff8 ureach 0000 rxcost 96 txcost 96 cost 96
add xroute ::/0-2001:db8:1::/64 prefix ::/0 from 2001:db8:1::/64 metric 0
add xroute 10.7.0.0/16-0.0.0.0/0 prefix 10.7.0.0/16 from 0.0.0.0/0 metric 300
add route 55a9d22d1f40 prefix ::/0 from 2001:db8:2::/64 installed yes id 02:00:00:00:00:00:00:0b metric 105 \
refmetric 0 via fe80::206b:e7ff:fee9:9805 if mesh0
ok
"""

Conversation = Callable[[socket.socket], None]


class FakeBabeld:
    """Serves one client after the other with the conversation, each until that ends. Leaving it hangs up on the last.

    ``served`` is how many there were.
    """

    def __init__(self, path: Path, conversation: Conversation) -> None:
        self.address = str(path)
        self._conversation = conversation
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen()
        self._client: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve)
        self.served = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Wakes the accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        if (client := self._client) is not None:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._client = client
            self.served += 1
            # The client may hang up on what it hears.
            with client, suppress(BrokenPipeError, ConnectionResetError):
                self._conversation(client)


def says(*answers: bytes, greeting: bytes = GREETING) -> Conversation:
    """Return the conversation that greets and gives each answer after one command; then it hangs up."""

    def converse(client: socket.socket) -> None:
        client.sendall(greeting)
        for answer in answers:
            if not client.recv(2000):
                return
            client.sendall(answer)

    return converse


class Obedient:
    """The conversation of a babeld of this version that notes its commands, knows one interface and says ok."""

    def __init__(self, version: str, interfaces: tuple[str, ...] = ()) -> None:
        self.heard: list[str] = []
        self._greeting = GREETING.replace(b"babeld-1.12.1", version.encode())
        self._interfaces = interfaces

    def __call__(self, client: socket.socket) -> None:
        client.sendall(self._greeting)
        while command := client.recv(2000).decode().strip():
            self.heard.append(command)
            lines = [f"add interface {name} up true\n" for name in self._interfaces] if command == "dump" else []
            client.sendall("".join((*lines, "ok\n")).encode())


class Stoppable(Obedient):
    """An obedient one that says nothing while it is stopped; ``greets`` is whether it greets nevertheless."""

    def __init__(self, *, stopped: bool = False, greets: bool = False) -> None:
        super().__init__("babeld-1.12.1", ("mesh0",))
        self._greets = greets
        self._running = threading.Event()
        if not stopped:
            self._running.set()

    def stop(self) -> None:
        self._running.clear()

    def go_on(self) -> None:
        self._running.set()

    def __call__(self, client: socket.socket) -> None:
        if self._greets:
            client.sendall(self._greeting)
        self._running.wait()
        if not self._greets:
            client.sendall(self._greeting)
        while command := client.recv(2000).decode().strip():
            self.heard.append(command)
            self._running.wait()
            client.sendall(b"add interface mesh0 up true\nok\n" if command == "dump" else b"ok\n")
