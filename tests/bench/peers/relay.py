"""A relay before a babeld's socket, which sees for how long its client leaves what it was told unread.

``python relay.py LISTEN BABELD``: passes one client after the other on. A line ``reset`` on its standard input forgets
the longest wait until then; any other line has it printed, in seconds.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import sys
import threading
import time

SIOCOUTQ = 0x5411
"""Of a UNIX socket: bytes that the other end has not read (linux/sockios.h, net/unix/af_unix.c)."""
POLL_SECONDS = 0.0005
CHUNK_BYTES = 1 << 16


class Longest:
    """The longest that a client has left something unread."""

    def __init__(self) -> None:
        self.seconds = 0.0


def main() -> None:
    """Relay until the standard input ends."""
    here, there = sys.argv[1:]
    longest = Longest()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(here)
        listening.listen()
        threading.Thread(target=_serve, args=(listening, there, longest), daemon=True).start()
        for line in sys.stdin:
            if line.strip() == "reset":
                longest.seconds = 0.0
            else:
                print(longest.seconds, flush=True)
    os.unlink(here)


def _serve(listening: socket.socket, there: str, longest: Longest) -> None:
    while True:
        client, _ = listening.accept()
        with client, socket.socket(socket.AF_UNIX) as babeld:
            babeld.connect(there)
            _pass_on(client, babeld, longest)


def _pass_on(client: socket.socket, babeld: socket.socket, longest: Longest) -> None:
    while True:
        ready, _, _ = select.select([client, babeld], [], [])
        for one in ready:
            part = one.recv(CHUNK_BYTES)
            if not part:
                return
            if one is client:
                babeld.sendall(part)
            else:
                _deliver(client, part, longest)


def _deliver(client: socket.socket, part: bytes, longest: Longest) -> None:
    begun = time.monotonic()
    client.sendall(part)
    while _unread(client):
        time.sleep(POLL_SECONDS)
    longest.seconds = max(longest.seconds, time.monotonic() - begun)


def _unread(client: socket.socket) -> int:
    (count,) = struct.unpack("i", fcntl.ioctl(client, SIOCOUTQ, bytes(4)))
    return int(count)


if __name__ == "__main__":
    main()
