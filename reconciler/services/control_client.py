"""The other side of the control socket: commands to a daemon on this node."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from reconciler.core.errors import DeniedError, LockedError, StellwerkError, UnreachableError
from reconciler.services.control_protocol import LARGEST_LINE_BYTES, VERSION, EndingError, error_of, short_path

CONNECT_SECONDS = 5.0
TURNOVER_SECONDS = 3.0
"""How long a daemon may have the lock of the state folder and not listen, as it begins and as it ends."""
_PAUSE_SECONDS = 0.02

T = TypeVar("T")


class NobodyError(UnreachableError):
    """No daemon listens at the socket."""


class Control:
    """A connection for one command to the daemon at a socket.

    Raises NobodyError where none listens, DeniedError, UnreachableError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(CONNECT_SECONDS)
        try:
            with short_path(path) as name:
                _connect(self._socket, name)
        except OSError as exc:
            self._socket.close()
            raise self._unconnected(exc) from exc

    def close(self) -> None:
        """Close it without a command."""
        self._socket.close()

    def request(self, command: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """Give the command and yield what is answered, the end as the last; then the connection is closed.

        Raises the error that the daemon tells of, and UnreachableError when it goes away before the end.
        """
        with self._socket, self._socket.makefile("rb") as answers:
            try:
                request = {"stellwerk_control": VERSION, "command": command, **arguments}
                # Who is sent away before all of it was read has been told why.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self._socket.sendall(json.dumps(request).encode("ascii") + b"\n")
                # An answer takes as long as the change; a daemon that dies closes the connection.
                self._socket.settimeout(None)
                while line := answers.readline(LARGEST_LINE_BYTES):
                    told = _object(line)
                    if told.get("end") == "error":
                        raise _error(told)
                    yield told
                    if "end" in told:
                        return
            except (OSError, ValueError) as exc:
                raise UnreachableError(f"the daemon at {self.path} does not answer: {exc}") from exc
        raise UnreachableError(
            f"the daemon at {self.path} went away before it had answered; `stellwerk status` says what there is now"
        )

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Give a command and return the end of its answer. Raises as `request` does."""
        return list(self.request(command, **arguments))[-1]

    def _unconnected(self, exc: OSError) -> StellwerkError:
        if isinstance(exc, FileNotFoundError | NotADirectoryError | ConnectionRefusedError):
            return NobodyError(f"no daemon listens at {self.path}; `stellwerk run NODE.yaml` starts one")
        if isinstance(exc, PermissionError):
            return DeniedError(
                f"{self.path} may not be opened: {exc.strerror}; be root, or, for `stellwerk status` and `stellwerk "
                "stats` alone, in the group that was named at the start (`stellwerk run --group`, `stellwerk stats "
                "FILE --group`)"
            )
        return UnreachableError(f"the daemon at {self.path} cannot be reached: {exc.strerror or exc}")


def somewhere(path: Path, by_daemon: Callable[[Control], T], here: Callable[[], T]) -> T:
    """Have a daemon do something where one listens at the socket, and else do it in this process.

    A daemon that just begins or ends is waited for. Raises what the two raise; a LockedError of ``here`` must mean that
    it did nothing.
    """
    end = time.monotonic() + TURNOVER_SECONDS
    while True:
        try:
            try:
                control = Control(path)
            except NobodyError:
                return here()
            return by_daemon(control)
        except (LockedError, EndingError):
            if time.monotonic() >= end:
                raise
            time.sleep(_PAUSE_SECONDS)


def _connect(endpoint: socket.socket, name: str) -> None:
    """Connect; wait where too many others do just now, which Linux answers with EAGAIN. Raises OSError."""
    end = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            endpoint.connect(name)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            time.sleep(_PAUSE_SECONDS)


def _object(line: bytes) -> dict[str, Any]:
    """Return what is told in a line. Raises ValueError for what tells nothing."""
    told = json.loads(line)
    if not isinstance(told, dict):
        raise ValueError("it is no JSON object")
    return told


def _error(told: dict[str, Any]) -> Exception:
    """Return the error that an end tells of. Raises ValueError where it does not say which."""
    try:
        return error_of(told)
    except (LookupError, TypeError) as exc:
        raise ValueError(f"its error is not whole: {exc!r}") from exc
