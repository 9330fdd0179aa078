"""A connection to babeld's local socket: one command, then its whole answer (babeld(8)).

babeld serves its four clients from its main loop and *stops routing* while one of them does not read. So all that it
says is taken into memory at once, and parsed after its answer is complete.
"""

from __future__ import annotations

import re
import socket
import time
from types import TracebackType
from typing import NamedTuple, Self

from reconciler.core.errors import BackendError, DeniedError, RejectedError, UnreachableError, UnsupportedError

GREETING_SECONDS = 10.0
"""How long babeld may take to greet; a fifth client hears nothing until another one leaves."""

ANSWER_SECONDS = 10.0
"""How long an answer may take as a whole; 10,000 routes take 0.05 s."""

LARGEST_ANSWER_BYTES = 64 << 20
LONGEST_LINE_BYTES = 4096
_LONGEST_COMMAND_BYTES = 1000  # babeld cuts the connection at 1024
_CHUNK_BYTES = 1 << 18
_TCP = re.compile(r"\[([0-9a-fA-F:.]+)\]:(\d{1,5})")


class NotRunningError(UnreachableError):
    """Nobody listens at the socket."""


class Answer(NamedTuple):
    """The lines of an answer, and what ended it: ``ok``, ``bad``, ``no`` or ``no REASON``."""

    lines: list[bytes]
    end: str


class Connection:
    """A connection that has been greeted.

    Opening it raises NotRunningError, DeniedError, UnsupportedError or UnreachableError, a command UnreachableError.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = connect(address)
        try:
            self._greet()
        except BaseException:
            self.socket.close()
            raise

    def _greet(self) -> None:
        answer = self._read("greet", GREETING_SECONDS)
        head, *facts = [_printable(line) for line in answer.lines] or [""]
        if not head.startswith("BABEL ") or answer.end != "ok":
            raise UnreachableError(f"what listens at {self.address} is not babeld: it greets with {head[:60]!r}")
        if not head.startswith("BABEL 1."):
            raise UnsupportedError(f"babeld at {self.address} speaks {head[:60]!r}; stellwerk knows version 1")
        known = dict(fact.split(" ", 1) for fact in facts if " " in fact)
        self.version = known.get("version", "")
        self.router_id = known.get("my-id", "")

    def command(self, line: bytes) -> Answer:
        """Send a command and return its answer. Raises RejectedError for a line that babeld would hang up on."""
        if b"\n" in line or len(line) > _LONGEST_COMMAND_BYTES:
            raise RejectedError(f"{line[:60]!r}… is too long for babeld, or two lines")
        words = " ".join(line.decode(errors="replace").split(" ")[:3])
        try:
            self.socket.settimeout(ANSWER_SECONDS)
            self.socket.sendall(line + b"\n")
        except OSError as exc:
            raise UnreachableError(f"babeld at {self.address} took no `{words}`: {exc.strerror or exc}") from exc
        return self._read(f"answer `{words}`", ANSWER_SECONDS)

    def _read(self, deed: str, seconds: float) -> Answer:
        buffer = bytearray()
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError
                chunk = self._receive(left)
            except TimeoutError as exc:
                raise self._silent(deed, seconds, bool(buffer)) from exc
            except OSError as exc:
                raise UnreachableError(f"babeld at {self.address} did not {deed}: {exc.strerror or exc}") from exc
            if not chunk:
                raise UnreachableError(
                    f"babeld at {self.address} hung up and did not {deed}: it ended, or took us for a slow reader"
                )
            buffer += chunk
            start = self._unfinished_line(buffer, deed)
            if start < len(buffer):
                continue
            end = buffer.rfind(b"\n", 0, -1) + 1
            if (last := bytes(buffer[end:-1])) in (b"ok", b"bad", b"no") or last.startswith(b"no "):
                return Answer(bytes(buffer[:end]).split(b"\n")[:-1], _printable(last))

    def _receive(self, seconds: float) -> bytes:
        if self.socket.family != socket.AF_UNIX:
            # Without it babeld's small writes wait 40 ms for our delayed acknowledgement (tcp(7); not sticky).
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.socket.settimeout(seconds)
        return self.socket.recv(_CHUNK_BYTES)

    def _unfinished_line(self, buffer: bytearray, deed: str) -> int:
        start = buffer.rfind(b"\n") + 1
        if len(buffer) - start > LONGEST_LINE_BYTES:
            raise UnreachableError(
                f"what listens at {self.address} is not babeld: asked to {deed}, its line does not end"
            )
        if len(buffer) > LARGEST_ANSWER_BYTES:
            size = f"more than {LARGEST_ANSWER_BYTES >> 20} MiB"
            raise UnreachableError(f"babeld at {self.address} was asked to {deed} and sent {size}: no mesh is so large")
        return start

    def _silent(self, deed: str, seconds: float, begun: bool) -> BackendError:
        if deed == "greet" and not begun:
            why = "it is stopped or busy, or has four clients already, which is its limit"
        else:
            why = "it is stopped or busy"
        return UnreachableError(f"babeld at {self.address} did not {deed} within {seconds:g} s: {why}; look at its log")

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _printable(line: bytes) -> str:
    """Return a line as text that does no harm on a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in line.decode(errors="replace"))


def connect(address: str) -> socket.socket:
    """Return a socket connected to ``[::1]:PORT`` or a path, not yet greeted. Raises as `Connection` does."""
    tcp = _TCP.fullmatch(address)
    if tcp is None and not address.startswith("/"):
        raise RejectedError(f"babeld's socket is an absolute path or [::1]:PORT, not {address!r}")
    endpoint = socket.socket(
        socket.AF_UNIX if tcp is None else socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_CLOEXEC
    )
    try:
        endpoint.settimeout(GREETING_SECONDS)
        endpoint.connect(address if tcp is None else (tcp[1], int(tcp[2])))
    except BaseException as exc:
        endpoint.close()
        if isinstance(exc, OSError | OverflowError):
            raise _unconnected(address, exc) from exc
        raise
    return endpoint


def _unconnected(address: str, exc: OSError | OverflowError) -> BackendError:
    if isinstance(exc, FileNotFoundError | NotADirectoryError | ConnectionRefusedError):
        return NotRunningError(f"babeld does not run: nobody listens at {address}")
    if isinstance(exc, PermissionError):
        return DeniedError(f"{address} may not be opened: {exc.strerror}; babeld's socket takes root")
    if isinstance(exc, BlockingIOError | TimeoutError):
        return UnreachableError(
            f"babeld at {address} accepts no connection: it is stopped or busy, or too many clients wait for it"
        )
    return UnreachableError(f"{address} cannot be opened: {exc}")
