"""The daemon's control socket: a thread for each client, the work in the thread of the loop.

Who may open the socket may ask for the status; to change anything takes root, or the user that the daemon runs as
(SO_PEERCRED of unix(7)).
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reconciler.core.errors import DeniedError, RefusedError, StellwerkError, UnsupportedError
from reconciler.services.control_protocol import LARGEST_LINE_BYTES, READING, VERSION, failure, short_path

MOST_CLIENTS = 32
REQUEST_SECONDS = 10.0
LONGEST_READING_REQUEST_BYTES = 4096
_UCRED = struct.Struct("=iII")


class Board:
    """The latest status, for whoever wants to read it or to wait for the next one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._number = 0
        self._status: dict[str, Any] = {}

    def put(self, status: dict[str, Any]) -> None:
        """Show another status."""
        with self._changed:
            if status != self._status:
                self._status = status
                self._number += 1
                self._changed.notify_all()

    def read(self, after: int = -1, seconds: float = 0.0) -> tuple[int, dict[str, Any]]:
        """Return the number of a status later than ``after``, and it; the same one when none comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > after, seconds)
            return self._number, self._status


class Job:
    """A command for the thread of the loop, and the way back to who gave it."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.command = str(request["command"])
        self.request = request
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def say(self, told: dict[str, Any]) -> None:
        """Tell the client something; it never waits."""
        self._answers.put(told)

    def end(self, **told: Any) -> None:
        """Tell the client that its command was carried out."""
        self.say({"end": "done", **told})

    def fail(self, error: BaseException) -> None:
        """Tell the client why its command was not carried out."""
        self.say(failure(error))

    def answers(self) -> Iterator[dict[str, Any]]:
        """Yield what the client is to be told, up to the end."""
        while True:
            told = self._answers.get()
            yield told
            if "end" in told:
                return


class ControlServer:
    """Listens at a unix socket and hands commands over. ``submit`` is called from the clients' threads."""

    def __init__(self, path: Path, group: str | None, board: Board, submit: Callable[[Job], None]) -> None:
        self.path = path
        self._group = group
        self._board = board
        self._submit = submit
        self._places = threading.BoundedSemaphore(MOST_CLIENTS)
        self._closing = threading.Event()
        self._clients: set[threading.Thread] = set()
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Begin to listen. The caller has the lock of the state folder: an old socket is nobody's.

        Raises StellwerkError.
        """
        group = self._group_number()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self._refuse_a_living_one()
                self.path.unlink()
            with short_path(self.path) as name:
                # Nobody connects before the rights are right: it does not listen yet.
                listener.bind(name)
                os.chmod(name, 0o600 if group is None else 0o660)
                if group is not None:
                    os.chown(name, -1, group)
            listener.listen(MOST_CLIENTS)
        except OSError as exc:
            listener.close()
            raise StellwerkError(
                f"the control socket {self.path} cannot be opened: {exc.strerror or exc}; name another with --socket"
            ) from exc
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="control", daemon=True).start()

    def close(self, seconds: float = 2.0) -> None:
        """Stop listening; clients that are being answered get so long at most."""
        self._closing.set()
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            with contextlib.suppress(OSError):
                self.path.unlink()
        for client in list(self._clients):
            client.join(seconds)

    def _group_number(self) -> int | None:
        if self._group is None:
            return None
        try:
            return grp.getgrnam(self._group).gr_gid
        except KeyError:
            raise StellwerkError(f"there is no group {self._group!r}; make it, or leave --group out") from None

    def _refuse_a_living_one(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, short_path(self.path) as name:
            probe.settimeout(1.0)
            try:
                probe.connect(name)
            except ConnectionRefusedError:
                return
        raise RefusedError(f"another daemon listens at {self.path}; name another socket with --socket")

    def _accept(self, listener: socket.socket) -> None:
        while not self._closing.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if not self._places.acquire(blocking=False):
                client.close()
                continue
            thread = threading.Thread(target=self._serve, args=(client,), name="client", daemon=True)
            self._clients.add(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client:
                client.settimeout(REQUEST_SECONDS)
                for told in self._answer(client):
                    client.sendall(json.dumps(told, ensure_ascii=False).encode() + b"\n")
        except OSError:
            # The client has gone; what it asked for goes on.
            pass
        finally:
            self._clients.discard(threading.current_thread())
            self._places.release()

    def _answer(self, client: socket.socket) -> Iterator[dict[str, Any]]:
        may_change = _may_change(client)
        try:
            request = _read(client, LARGEST_LINE_BYTES if may_change else LONGEST_READING_REQUEST_BYTES)
            command = request["command"]
            if command not in READING and not may_change:
                raise DeniedError(f"`stellwerk {command}` takes root, or the user that the daemon runs as")
        except StellwerkError as exc:
            yield failure(exc)
            return
        if command == "status":
            yield {"end": "done", "status": self._board.read()[1]}
        elif command == "watch":
            yield from self._watch()
        else:
            job = Job(request)
            self._submit(job)
            yield from job.answers()

    def _watch(self) -> Iterator[dict[str, Any]]:
        number = -1
        while not self._closing.is_set():
            latest, status = self._board.read(number, seconds=1.0)
            # The same again is said too: that is how it is noticed that nobody listens any more.
            number = latest
            yield {"event": "status", "status": status}
        yield {"end": "done"}


def _may_change(client: socket.socket) -> bool:
    _, user, _ = _UCRED.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return user in (0, os.geteuid())


def _read(client: socket.socket, most: int) -> dict[str, Any]:
    """Return the request. Raises StellwerkError for what is none."""
    data = bytearray()
    while not data.endswith(b"\n"):
        chunk = client.recv(1 << 16)
        data += chunk
        if not chunk or len(data) > most:
            raise RefusedError("the request is no line, or too long")
    try:
        request = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise RefusedError("the request is no JSON") from exc
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        raise RefusedError("the request names no command")
    if request.get("stellwerk_control") != VERSION:
        raise UnsupportedError("the daemon is of another version than this command; restart it")
    return request
