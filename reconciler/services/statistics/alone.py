"""The statistics of a node alone, in a process that keeps nothing else and stays small.

The node file is read by another process (`reconciler.services.statistics.asked`), whenever it has changed.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from intent.problems import IntentError
from intent.services import Service
from reconciler.backends.bell import Bell
from reconciler.backends.service_manager import ServiceManager
from reconciler.backends.watched_files import watched_files
from reconciler.core.errors import RefusedError, StellwerkError
from reconciler.core.telling import log
from reconciler.services.beside import Beside
from reconciler.services.control_client import Control, NobodyError
from reconciler.services.control_server import AnotherDaemonError, Board, ControlServer, Job
from reconciler.services.statistics.asked import Asked, ask
from reconciler.services.statistics.babel_watch import BabelWatch

SERVICE = "statistics"
SOCKET = "stats.socket"
"""The name of the control socket, beside that of the daemon: who changes the node must not take this for it."""
LONGEST_WAIT_SECONDS = 60.0
AGAIN_SECONDS = 60.0
"""How long until a file is read again that could not be, for a reason that is not the file's."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the process is started with. ``daemon`` is the socket of the daemon that may keep the node itself."""

    node_file: Path
    socket: Path
    group: str | None = None
    daemon: Path | None = None


class Alone:
    """One process that keeps the statistics of this node, and changes nothing."""

    def __init__(self, settings: Settings) -> None:
        self._file = settings.node_file
        self._settings = settings
        self._manager = ServiceManager()
        self._bell = Bell()
        self._beside = Beside(None, time.monotonic, self._bell.ring)
        self._babel = BabelWatch(self._bell.ring)
        self._stopping = False
        self._reload = False
        self._problem = ""
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._again_at: float | None = None

    def stop(self) -> None:
        """Have `run` end soon, from any thread."""
        self._stopping = True
        self._bell.ring()

    def run(self) -> None:
        """Keep the statistics until a signal, or `stop`, ends it; once.

        Raises IntentError and RefusedError for a file that is not right or asks for none, other StellwerkErrors.
        """
        with ExitStack() as stack:
            stack.callback(self._bell.close)
            self._watched = watched_files()
            stack.callback(self._watched.close)
            stack.enter_context(self._signals())
            asked = self._read()
            if asked.settings is None:
                raise RefusedError(f"{self._file} asks for no statistics: add `stats`")
            server = ControlServer(
                self._settings.socket, self._settings.group, Board(time.monotonic), _refuse, self._readers()
            )
            stack.callback(server.close)
            socket = self._settings.socket if self._open(server) else None
            stack.callback(self._beside.close)
            stack.callback(self._babel.close)
            self._take(asked)
            log.info("started", extra={"fact": {"file": self._file, "socket": socket}})
            self._look_for_a_daemon()
            self._manager.ready(self._words())
            self._drive()
            self._manager.stopping()
            log.info("ended")

    def _open(self, server: ControlServer) -> bool:
        """Listen at the control socket, and return whether that is so.

        Raises AnotherDaemonError; what else there may be leaves the rest as it is.
        """
        try:
            server.open()
        except AnotherDaemonError:
            raise
        except StellwerkError as exc:
            log.warning("no control socket", extra={"fact": {"because": str(exc)}})
            return False
        return True

    def _look_for_a_daemon(self) -> None:
        """Say so where a daemon keeps this node: it may give the same statistics."""
        daemon = self._settings.daemon
        if daemon is None or daemon == self._settings.socket:
            return
        try:
            Control(daemon).close()
        except NobodyError:
            return
        except StellwerkError as exc:
            # One whose socket is not for us is there all the same, or left it there.
            log.debug("no daemon seen", extra={"fact": {"because": str(exc)}})
            return
        because = (
            f"the daemon at {daemon} keeps this node, and can do its statistics itself: what `stats` in its node file "
            "asks for, on ports that are free"
        )
        log.warning("note", extra={"fact": {"because": because}})

    def _readers(self) -> dict[str, Callable[[], dict[str, Any]]]:
        return {
            "stats": lambda: {
                "stats": {**self._beside.told(SERVICE), "services": self._beside.states()},
                "problem": self._problem,
            },
            "status": _no_daemon,
            "watch": _no_daemon,
        }

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """End at SIGTERM and SIGINT, read the file at SIGHUP. Only the main thread can be told of signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def told(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGHUP and not os.isatty(0):
                self._reload = True
            else:
                self._stopping = True
            self._bell.ring()

        before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _drive(self) -> None:
        poll = select.poll()
        for source in (self._bell, self._watched):
            poll.register(source, select.POLLIN)
        alive_at = 0.0
        while not self._stopping:
            ready = {number for number, _ in poll.poll(self._wait_seconds() * 1000)}
            if self._bell.fileno() in ready:
                self._bell.hush()
            self._babel.look()
            changed = self._watched.fileno() in ready and bool(self._watched.read()) and self._looks_otherwise()
            due = self._again_at is not None and time.monotonic() >= self._again_at
            if not self._stopping and (self._reload or changed or due):
                self._reload = False
                self._read_again()
            seconds = self._manager.watchdog_seconds
            if seconds is not None and time.monotonic() >= alive_at + seconds:
                alive_at = time.monotonic()
                self._manager.alive(self._words())

    def _wait_seconds(self) -> float:
        seconds = [LONGEST_WAIT_SECONDS]
        if self._manager.watchdog_seconds is not None:
            seconds.append(self._manager.watchdog_seconds / 2)
        dues = [due for due in (self._again_at, self._babel.due) if due is not None]
        seconds += [max(0.0, due - time.monotonic()) for due in dues]
        return min(seconds)

    # The file.

    def _read(self) -> Asked:
        """Return what the file asks for, and watch what that depends on. Raises IntentError, StellwerkError."""
        before = {str(self._file): _stamp(str(self._file))}
        self._watched.watch({str(self._file), *self._stamps})
        self._stamps = {**self._stamps, **before}
        asked = ask(self._file)
        self._stamps = {path: before.get(path) or _stamp(path) for path in (str(self._file), *asked.files)}
        self._watched.watch(self._stamps)
        return asked

    def _looks_otherwise(self) -> bool:
        return any(_stamp(path) != stamp for path, stamp in self._stamps.items())

    def _read_again(self) -> None:
        """Take what the file asks for by now; what is wrong with it leaves all as it is."""
        self._again_at = None
        try:
            asked = self._read()
        except IntentError as exc:
            self._keep_on(str(exc), _first_lines(exc))
        except StellwerkError as exc:
            self._again_at = time.monotonic() + AGAIN_SECONDS
            self._keep_on(str(exc), str(exc))
        else:
            if self._problem:
                self._problem = ""
                log.info("accepted", extra={"fact": {"because": "the node file can be used again"}})
            self._take(asked)

    def _keep_on(self, problem: str, outcome: str) -> None:
        self._problem = problem
        fact = {"because": "the node file cannot be used, what it said before holds", "outcome": outcome}
        log.warning("refused", extra={"fact": fact})

    def _take(self, asked: Asked) -> None:
        for note in asked.notes:
            log.warning("note", extra={"fact": {"because": note}})
        if asked.settings is None:
            log.warning("nothing to do", extra={"fact": {"because": f"{self._file} asks for no statistics any more"}})
        self._beside.want(() if asked.settings is None else (Service(SERVICE, asked.settings),))
        self._babel.want(None if asked.settings is None else asked.settings.babel)

    def _words(self) -> str:
        states = self._beside.states()
        return ", ".join(f"{one['name']} {one['state']}" for one in states) or "nothing runs yet"


def _first_lines(error: IntentError) -> str:
    """Return each problem in one line, ``file:line:column: words``, for a log that has one line for all."""
    return "; ".join(str(problem).partition("\n")[0] for problem in error.problems)


def _stamp(path: str) -> tuple[int, ...]:
    """Return what tells a file from the same one changed."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _no_daemon() -> NoReturn:
    raise RefusedError("no daemon keeps this node: its statistics alone are kept here, which `stellwerk stats` shows")


def _refuse(job: Job) -> None:
    try:
        _no_daemon()
    except RefusedError as exc:
        job.fail(exc)
