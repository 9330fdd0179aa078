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
import select
import socket
import stat
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reconciler.core.errors import BusyError, DeniedError, RefusedError, StellwerkError, UnsupportedError
from reconciler.core.status import at
from reconciler.core.telling import log
from reconciler.services.control_protocol import LARGEST_LINE_BYTES, READING, VERSION, ending, failure, short_path

MOST_CLIENTS = 32
"""How many clients are served at once of those who may change things, and as many again of those who may only ask."""
REQUEST_SECONDS = 10.0
"""How long a request may take to arrive, and a part of an answer to be taken."""
_PAUSE_SECONDS = 0.1
LONGEST_READING_REQUEST_BYTES = 4096
_UCRED = struct.Struct("=iII")


class AnotherDaemonError(RefusedError):
    """A daemon listens at the socket already."""


class Board:
    """The latest status, for whoever wants to read it or to wait for the next one.

    ``now`` is the clock's: what has a time to come is told by the seconds that are left when it is read.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._changed = threading.Condition()
        self._number = 0
        self._standing: dict[str, Any] = {}

    def put(self, standing: dict[str, Any]) -> None:
        """Show another status, as it stands."""
        with self._changed:
            if standing != self._standing:
                self._standing = standing
                self._number += 1
                self._changed.notify_all()

    def read(self, after: int = -1, seconds: float = 0.0) -> tuple[int, dict[str, Any]]:
        """Return the number of a status later than ``after``, and it; the same one when none comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > after, seconds)
            return self._number, at(self._standing, self._now()) if self._standing else {}


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


@dataclass(frozen=True, slots=True)
class _Client:
    """A connection, and whether whoever made it may change things."""

    connection: socket.socket
    may_change: bool


class ControlServer:
    """Listens at a unix socket and hands commands over.

    ``submit`` is called from the clients' threads, and so is what ``readers`` have for commands that only ask: it
    returns what is answered, or raises StellwerkError.
    """

    def __init__(
        self,
        path: Path,
        group: str | None,
        board: Board,
        submit: Callable[[Job], None],
        readers: Mapping[str, Callable[[], dict[str, Any]]] = MappingProxyType({}),
    ) -> None:
        self.path = path
        self._group = group
        self._board = board
        self._submit = submit
        self._readers = readers
        # Whoever may only ask must not be able to keep root out.
        self._places = {may_change: threading.BoundedSemaphore(MOST_CLIENTS) for may_change in (True, False)}
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._clients: dict[threading.Thread, _Client] = {}
        self._faults: set[tuple[str, str, int | None]] = set()
        self._listener: socket.socket | None = None
        self._place: tuple[int, int] | None = None

    def open(self) -> None:
        """Begin to listen. The caller has the lock of the state folder: an old socket is nobody's.

        Raises StellwerkError; it can be tried again then.
        """
        group = self._group_number()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._remove_a_stale_one()
            with short_path(self.path) as name:
                # Nobody connects before the rights are right: it does not listen yet.
                listener.bind(name)
                os.chmod(name, 0o600 if group is None else 0o660)
                if group is not None:
                    os.chown(name, -1, group)
            self._place = _place(self.path)
            listener.listen(MOST_CLIENTS)
        except OSError as exc:
            listener.close()
            raise StellwerkError(
                f"the control socket {self.path} cannot be opened: {exc.strerror or exc}; name another with --socket"
            ) from exc
        except StellwerkError:
            listener.close()
            raise
        try:
            threading.Thread(target=self._accept, args=(listener,), name="control", daemon=True).start()
        except RuntimeError as exc:
            listener.close()
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise StellwerkError(
                f"the control socket {self.path} cannot be served: no thread could be started"
            ) from exc
        self._listener = listener

    def clients(self) -> int:
        """Return how many clients are being served."""
        with self._lock:
            return len(self._clients)

    def close(self, seconds: float = 2.0) -> None:
        """Stop listening; what clients are still to be told gets so long at most, all in all."""
        self._closing.set()
        if self._listener is not None:
            # Gone before the socket is dead: whoever comes now finds nobody, and not somebody who does not answer.
            if self._place is not None and self._place == _place(self.path):
                with contextlib.suppress(OSError):
                    self.path.unlink()
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            clients = dict(self._clients)
        for client in clients.values():
            # Whoever has not asked yet will not be answered; what is being said is said to its end.
            with contextlib.suppress(OSError):
                client.connection.shutdown(socket.SHUT_RD)
        end = time.monotonic() + seconds
        for thread in clients:
            # One that has not begun yet, or never will, says nothing.
            with contextlib.suppress(RuntimeError):
                thread.join(max(0.0, end - time.monotonic()))

    def _group_number(self) -> int | None:
        if self._group is None:
            return None
        try:
            return grp.getgrnam(self._group).gr_gid
        except KeyError:
            raise StellwerkError(f"there is no group {self._group!r}; make it, or leave --group out") from None

    def _remove_a_stale_one(self) -> None:
        """Make room at the path. Raises RefusedError for what is not ours to remove, OSError."""
        try:
            kind = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(kind):
            raise RefusedError(f"{self.path} is there and is no socket; name another place with --socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, short_path(self.path) as name:
            probe.setblocking(False)
            try:
                probe.connect(name)
            except ConnectionRefusedError:
                self.path.unlink()
                return
            except BlockingIOError:
                # It listens, and has much to do (EAGAIN of connect(2)).
                pass
        raise AnotherDaemonError(
            f"another daemon listens at {self.path}; stop it first, or, for another node, name another socket with "
            "--socket"
        )

    def _accept(self, listener: socket.socket) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                # No file descriptor is left, or the client has gone already: neither ends the service.
                self._closing.wait(_PAUSE_SECONDS)
                continue
            self._take_in(connection)

    def _take_in(self, connection: socket.socket) -> None:
        """Serve a client in a thread of its own, where there is place for one more."""
        try:
            client = _Client(connection, _may_change(connection))
        except OSError:
            connection.close()
            return
        if not self._places[client.may_change].acquire(blocking=False):
            _send_away(connection)
            return
        thread = threading.Thread(target=self._serve, args=(client,), name="client", daemon=True)
        with self._lock:
            self._clients[thread] = client
        if self._closing.is_set():
            # Too late for `close` to have seen it, maybe.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        try:
            thread.start()
        except RuntimeError:
            # The system gives no thread now.
            self._leave(thread)
            _send_away(connection)

    def _leave(self, thread: threading.Thread) -> None:
        with self._lock:
            client = self._clients.pop(thread)
        self._places[client.may_change].release()

    def _serve(self, client: _Client) -> None:
        try:
            with client.connection as connection:
                for told in self._answer(client):
                    connection.settimeout(REQUEST_SECONDS)
                    connection.sendall(json.dumps(told).encode("ascii") + b"\n")
        except OSError:
            # The client has gone; what it asked for goes on.
            pass
        finally:
            self._leave(threading.current_thread())

    def _answer(self, client: _Client) -> Iterator[dict[str, Any]]:
        try:
            request = _read(client)
            command = request["command"]
            if command not in READING and not client.may_change:
                raise DeniedError(f"`stellwerk {command[:40]}` takes root, or the user that the daemon runs as")
        except StellwerkError as exc:
            # A request that our own end cut short says nothing of who made it.
            yield failure(ending() if self._closing.is_set() else exc)
            return
        if (read := self._readers.get(command)) is not None:
            yield self._read_by(command, read)
        elif command == "status":
            yield {"end": "done", "status": self._board.read()[1]}
        elif command == "watch":
            yield from self._watch(client.connection)
        else:
            job = Job(request)
            self._submit(job)
            yield from job.answers()

    def _read_by(self, command: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the end of the answer to a command that only asks."""
        try:
            return {"end": "done", **read()}
        except StellwerkError as exc:
            return failure(exc)
        except Exception as exc:  # noqa: BLE001 - a fault of the program: whoever asks is told of it, each time
            self._log_once(command, exc)
            why = f"`{command}` cannot be answered: a fault of the program ({type(exc).__name__}), which the log shows"
            return failure(StellwerkError(why))

    def _log_once(self, command: str, error: Exception) -> None:
        """Log a fault, but not again whenever somebody asks: one for each place that it can come from."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        fault = (type(error).__name__, place.filename, place.lineno)
        with self._lock:
            known = fault in self._faults
            self._faults.add(fault)
        if not known:
            fact = {"command": command, "because": repr(error), "traceback": traceback.format_exc()}
            log.error("answer crashed", extra={"fact": fact})

    def _watch(self, connection: socket.socket) -> Iterator[dict[str, Any]]:
        number = -1
        while not self._closing.is_set() and not _has_gone(connection):
            latest, status = self._board.read(number, seconds=1.0)
            if latest != number:
                number = latest
                yield {"event": "status", "status": status}
        yield {"end": "done"}


def _may_change(client: socket.socket) -> bool:
    _, user, _ = _UCRED.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return user in (0, os.geteuid())


def _place(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from every other one, ``None`` when there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _has_gone(connection: socket.socket) -> bool:
    """Return whether nobody can be told anything any more."""
    poll = select.poll()
    poll.register(connection, 0)
    return bool(poll.poll(0))


def _send_away(connection: socket.socket) -> None:
    """Tell a client, without waiting for it, that there is no place."""
    told = failure(BusyError("the daemon has too many clients; try again in a moment"))
    with connection, contextlib.suppress(OSError):
        connection.setblocking(False)
        connection.sendall(json.dumps(told).encode("ascii") + b"\n")


def _read(client: _Client) -> dict[str, Any]:
    """Return the request. Raises StellwerkError for what is none."""
    try:
        request = json.loads(_line(client))
    except (ValueError, RecursionError) as exc:
        raise RefusedError("the request is no JSON") from exc
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        raise RefusedError("the request names no command")
    version = request.get("stellwerk_control")
    if type(version) is not int or version != VERSION:
        raise UnsupportedError("the daemon is of another version than this command; restart it")
    return request


def _line(client: _Client) -> bytes:
    """Return the first line that a client sends, without its end. Raises StellwerkError where there is none."""
    most = LARGEST_LINE_BYTES if client.may_change else LONGEST_READING_REQUEST_BYTES
    data = bytearray()
    end = time.monotonic() + REQUEST_SECONDS
    while True:
        try:
            client.connection.settimeout(max(0.001, end - time.monotonic()))
            chunk = client.connection.recv(1 << 16)
        except TimeoutError as exc:
            raise RefusedError("the request did not come in time") from exc
        line, ended, _ = chunk.partition(b"\n")
        data += line
        if len(data) > most and not client.may_change:
            raise DeniedError("to give the daemon work takes root, or the user that the daemon runs as")
        if ended:
            return bytes(data)
        if not chunk or len(data) > most:
            raise RefusedError("the request is no line, or too long")
