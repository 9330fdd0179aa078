"""What a service manager is told (sd_notify(3)): ready, alive, stopping. Without one nothing is said."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class ServiceManager:
    """Speaks to the socket that the environment names."""

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        self._address = variables.get("NOTIFY_SOCKET", "")
        mine = variables.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = variables.get("WATCHDOG_USEC", "") if mine else ""
        self.watchdog_seconds = int(microseconds) / 1e6 / 2 if microseconds.isdecimal() and int(microseconds) else None
        """How often `alive` is to be said, ``None`` for never: half of the time after which we would be killed."""

    def ready(self, status: str) -> None:
        """Say that the start is over."""
        self._say(f"READY=1\nSTATUS={status}")

    def alive(self, status: str) -> None:
        """Say that the process works."""
        self._say(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self) -> None:
        """Say that the process ends."""
        self._say("STOPPING=1")

    def _say(self, words: str) -> None:
        if not self._address:
            return
        # An abstract name is told with @ for its zero byte.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as endpoint:
            endpoint.sendto(words.replace("\0", "").encode(), socket.MSG_DONTWAIT, address)
