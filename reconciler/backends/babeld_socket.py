"""babeld's local socket as it is on the wire: one command, then its whole answer (babeld(8)). Nothing here waits.

babeld serves its four clients from its main loop and *stops routing* while one of them does not read. So all that it
says is taken into memory at once, and parsed later.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from typing import NamedTuple

from reconciler.backends.babeld_process import Identity, identity_behind
from reconciler.core.errors import BackendError, DeniedError, RejectedError, UnreachableError, UnsupportedError

LARGEST_ANSWER_BYTES = 64 << 20
LONGEST_LINE_BYTES = 4096
_LONGEST_COMMAND_BYTES = 1000  # babeld cuts the connection at 1024
_CHUNK_BYTES = 1 << 18
_MOST_CHUNKS = 16
"""How many chunks are taken at once, so that one who speaks all the time is listened to as well."""
_TCP = re.compile(r"\[([0-9a-fA-F:.]+)\]:(\d{1,5})")


class NotRunningError(UnreachableError):
    """Nobody listens at the socket."""


class NoAnswerError(UnreachableError):
    """babeld owes an answer and did not give it: in time, or before it hung up."""


class Answer(NamedTuple):
    """The lines of an answer, and what ended it: ``ok``, ``bad``, ``no`` or ``no REASON``."""

    lines: list[bytes]
    end: str


class Greeting(NamedTuple):
    """What babeld says of itself: its version, such as ``babeld-1.12.1``, and its router id."""

    version: str
    router_id: str


def check_address(address: str) -> None:
    """Raise RejectedError for what is neither ``[::1]:PORT`` nor an absolute path."""
    if _TCP.fullmatch(address) is None and not address.startswith("/"):
        raise RejectedError(f"babeld's socket is an absolute path or [::1]:PORT, not {address!r}")


def check_command(line: bytes) -> None:
    """Raise RejectedError for a line that babeld would hang up on."""
    if b"\n" in line or len(line) > _LONGEST_COMMAND_BYTES:
        raise RejectedError(f"{line[:60]!r}… is too long for babeld, or two lines")


def ends_answer(line: bytes) -> bool:
    """Return whether a line is the last one of an answer."""
    return line in (b"ok", b"bad", b"no") or line.startswith(b"no ")


class Wire:
    """A connection that does not block, for the one who waits until it is ready.

    Making it begins to connect; when it is writable call `finish_connecting`. From then on babeld owes the greeting,
    and after `ask` the answer, until `receive` gives that. ``deed`` is what it owes.

    Raises NotRunningError, DeniedError or UnreachableError.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.deed = "accept a connection"
        # Before connecting: a socket that is put in its place meanwhile is then taken for another, never the reverse.
        self._file = _file(address)
        self._buffer = bytearray()
        self._hung_up = False
        tcp = _TCP.fullmatch(address)
        family = socket.AF_UNIX if tcp is None else socket.AF_INET6
        try:
            self.socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        except OSError as exc:
            raise _unconnected(address, exc) from exc
        try:
            code = self.socket.connect_ex(address if tcp is None else (tcp[1], int(tcp[2])))
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
        except BaseException as exc:
            self.socket.close()
            if isinstance(exc, OSError | OverflowError):
                raise _unconnected(address, exc) from exc
            raise

    def fileno(self) -> int:
        """Return the file descriptor of the socket."""
        return self.socket.fileno()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def finish_connecting(self) -> None:
        """Find out what became of connecting, when the socket is writable. Raises as making it does."""
        if code := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            exc = OSError(code, os.strerror(code))
            raise _unconnected(self.address, exc) from exc
        self.deed = "greet"

    def identity(self) -> Identity | None:
        """Return which process listens, before it greets too, None when it cannot be seen."""
        try:
            return identity_behind(self.socket)
        except OSError:
            return None

    @property
    def begun(self) -> bool:
        """Whether a part of the answer has come."""
        return bool(self._buffer)

    def replaced(self) -> bool:
        """Return whether the socket's path is gone, or is another's by now: the one we speak to is not of interest."""
        return _file(self.address) != self._file

    def ask(self, line: bytes) -> None:
        """Send a command; the answer before must have come. Raises UnreachableError."""
        words = " ".join(line.decode(errors="replace").split(" ")[:3])
        # An empty line does nothing but have it answer.
        self.deed = f"answer `{words}`" if words else "give a sign of life"
        try:
            sent = self.socket.send(line + b"\n")
        except OSError as exc:
            raise UnreachableError(f"babeld at {self.address} took no `{words}`: {exc.strerror or exc}") from exc
        if sent <= len(line):
            raise UnreachableError(f"babeld at {self.address} took half of `{words}`: it is stopped or busy")

    def receive(self) -> Answer | None:
        """Take what has come and return the answer when that completes it.

        Raises UnreachableError when babeld hung up, or where this cannot be babeld.
        """
        self.drain()
        answer = self._complete()
        if answer is None and self._hung_up:
            raise self._gone()
        return answer

    def drain(self) -> None:
        """Take what has come into memory: what one takes must not wait. Raises UnreachableError."""
        for _ in range(_MOST_CHUNKS):
            try:
                if self.socket.family != socket.AF_UNIX:
                    # Without it babeld's small writes wait 40 ms for our delayed acknowledgement (tcp(7); not sticky).
                    self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                chunk = self.socket.recv(_CHUNK_BYTES)
            except BlockingIOError:
                break
            except OSError as exc:
                raise UnreachableError(f"babeld at {self.address} did not {self.deed}: {exc.strerror or exc}") from exc
            if not chunk:
                self._hung_up = True
                break
            self._buffer += chunk
        if len(self._buffer) > LARGEST_ANSWER_BYTES:
            size = f"more than {LARGEST_ANSWER_BYTES >> 20} MiB"
            deed = f"was asked to {self.deed} and " if self.deed else ""
            raise UnreachableError(f"babeld at {self.address} {deed}sent {size}: no mesh is so large")

    def lines(self) -> list[bytes]:
        """Return the complete lines that were taken so far, each once, without their line feeds.

        Raises UnreachableError where this cannot be babeld, or when there are no more since babeld hung up.
        """
        end = self._buffer.rfind(b"\n") + 1
        self._check_line(end)
        if not end and self._hung_up:
            raise self._gone()
        whole = bytes(self._buffer[:end])
        del self._buffer[:end]
        return whole.split(b"\n")[:-1]

    @property
    def holds_line(self) -> bool:
        """Whether a complete line was taken that `lines` has not given yet."""
        return b"\n" in self._buffer

    def answered(self, lines: list[bytes], end: bytes) -> Answer:
        """Return the answer that these lines are; nothing is owed any more."""
        self.deed = ""
        return Answer(lines, _printable(end))

    def _gone(self) -> NoAnswerError:
        debt = f" and did not {self.deed}" if self.deed else ""
        return NoAnswerError(f"babeld at {self.address} hung up{debt}: it ended, or took us for a slow reader")

    def _check_line(self, start: int) -> None:
        if len(self._buffer) - start > LONGEST_LINE_BYTES:
            asked = f"asked to {self.deed}, " if self.deed else ""
            raise UnreachableError(f"what listens at {self.address} is not babeld: {asked}its line does not end")

    def _complete(self) -> Answer | None:
        buffer = self._buffer
        start = buffer.rfind(b"\n") + 1
        self._check_line(start)
        if start < len(buffer):
            return None
        end = buffer.rfind(b"\n", 0, -1) + 1
        last = bytes(buffer[end:-1])
        if not ends_answer(last):
            return None
        lines = bytes(buffer[:end]).split(b"\n")[:-1]
        self._buffer = bytearray()
        return self.answered(lines, last)

    def unasked(self) -> UnreachableError:
        """Return the error of one that speaks although it owes no answer."""
        return UnreachableError(f"what listens at {self.address} says what nobody asked it: it is not babeld")

    def overdue(self, seconds: float) -> NoAnswerError:
        """Return the error of an answer that takes longer than this."""
        why = "it is stopped or busy"
        if self.deed == "greet" and not self.begun:
            why += ", or has four clients already, which is its limit"
        return NoAnswerError(
            f"babeld at {self.address} did not {self.deed} within {round(seconds, 1):g} s: {why}; look at its log"
        )

    def greeting(self, answer: Answer) -> Greeting:
        """Return what a greeting says. Raises UnreachableError or UnsupportedError."""
        head, *facts = [_printable(line) for line in answer.lines] or [""]
        if not head.startswith("BABEL ") or answer.end != "ok":
            raise UnreachableError(f"what listens at {self.address} is not babeld: it greets with {head[:60]!r}")
        if not head.startswith("BABEL 1."):
            raise UnsupportedError(f"babeld at {self.address} speaks {head[:60]!r}; stellwerk knows version 1")
        known = dict(fact.split(" ", 1) for fact in facts if " " in fact)
        return Greeting(known.get("version", ""), known.get("my-id", ""))


def _file(address: str) -> tuple[int, int, int] | None:
    if not address.startswith("/"):
        return None
    try:
        found = os.stat(address)
    except (OSError, ValueError):
        return None
    # Some file systems give the inode of what was just removed to what is made next.
    return found.st_dev, found.st_ino, found.st_ctime_ns


def _printable(line: bytes) -> str:
    """Return a line as text that does no harm on a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in line.decode(errors="replace"))


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
