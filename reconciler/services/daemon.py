"""The daemon: waits for what happens, tells the loop, lets it take its turn, and answers whoever asks."""

from __future__ import annotations

import os
import selectors
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from reconciler.backends.bell import Bell
from reconciler.backends.checked_health import WatchedHealth
from reconciler.backends.drained import DrainedByHand
from reconciler.backends.machine_clock import MachineClock
from reconciler.backends.references import Resolvers
from reconciler.backends.service_manager import ServiceManager
from reconciler.backends.state_folder import StateFolder
from reconciler.backends.state_folder_lock import Role
from reconciler.core.errors import StellwerkError
from reconciler.core.loop import Loop
from reconciler.core.permission import Mode
from reconciler.core.status import standing
from reconciler.core.telling import log
from reconciler.services.beside import Beside
from reconciler.services.checking import BackgroundChecker
from reconciler.services.commands import Commands
from reconciler.services.control_server import AnotherDaemonError, Board, ControlServer
from reconciler.services.damage import set_damage_aside
from reconciler.services.interpretation import NodeInterpreter
from reconciler.services.news_streams import NewsStreams
from reconciler.services.node_files import NodeFiles
from reconciler.services.this_node import this_node

GATHER_SECONDS = 0.003
"""How long news are gathered after the first, so that what belongs together makes one round."""
QUIET_SHARE = 9
"""After news that led to nothing, so many times what they cost goes by before news are read again."""
LONGEST_QUIET_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 60.0
LOCK_SECONDS = 5.0
SOCKET_SECONDS = 10.0
"""How long until a control socket that could not be opened is tried again."""
BEGIN_SECONDS = 30.0
"""How long a daemon that is to see a trial through waits to be told of one."""
SETTLE_SECONDS = 30.0
"""How long a daemon that was only to see a trial through goes on to undo it where that fails."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a daemon is started with. Without a node file it sees one trial through, and ends."""

    state_folder: Path
    socket: Path
    node_file: Path | None = None
    group: str | None = None
    mode: Mode = Mode.ENFORCE


class Daemon:
    """One process that keeps this node."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = MachineClock()
        self._manager = ServiceManager()
        self._board = Board(self._clock.now)
        self.began = False
        """Whether the first round is over."""
        self._stopping = False
        self._reload = False
        self._bell = Bell()
        self._beside = Beside(self._board, self._clock.now, self._bell.ring)
        self._ended_at: float | None = None
        self._alive_at = 0.0
        self._quiet_until = 0.0
        self._listens = False
        self._socket_at = 0.0

    def stop(self) -> None:
        """Have `run` end soon, from any thread; what it is doing is done to its end first."""
        self._stopping = True
        self._bell.ring()

    def run(self) -> None:
        """Keep the node until a signal, or `stop`, ends it; once.

        Raises StellwerkError when it cannot begin, and after a fault of its own, which is in the log then.
        """
        state = StateFolder(self._settings.state_folder)
        fitness = (WatchedHealth(state, self._clock, self._bell.ring), DrainedByHand(state, self._clock))
        resolvers = Resolvers.lasting(self._clock, self._bell.ring, *fitness)
        with ExitStack() as stack:
            stack.callback(self._bell.close)
            stack.callback(resolvers.close)
            role: Role = "trial" if self._settings.node_file is None else "run"
            stack.enter_context(state.locked(role=role, wait_seconds=LOCK_SECONDS))
            node = stack.enter_context(this_node(self._settings.state_folder, resolvers))
            stack.enter_context(self._signals())
            damage = set_damage_aside(state, self._clock)
            interpreter = NodeInterpreter(node.resolvers)
            self._checker = BackgroundChecker(self._bell.ring)
            self._loop = Loop(
                interpreter,
                node.backends,
                node.state,
                node.history(),
                self._checker,
                self._clock,
                self._settings.mode,
            )
            self._loop.before_a_round = self._before_a_round
            for because, outcome in damage:
                self._loop.damaged(because, outcome)
            self._files = NodeFiles(self._settings.node_file, interpreter, self._loop)
            stack.callback(self._files.close)
            self._news = NewsStreams(node.backends, self._loop)
            stack.callback(self._news.close)
            self._news.open()
            self._commands = Commands(self._loop, self._files, state, self._bell.ring, self._settle, self._publish)
            self._publish()
            readers = {"stats": lambda: {"stats": self._beside.told("statistics")}}
            self._server = ControlServer(
                self._settings.socket, self._settings.group, self._board, self._commands.submit, readers
            )
            stack.callback(self._server.close)
            stack.callback(self._beside.close)
            stack.callback(self._commands.close)
            self._open_socket()
            try:
                log.info("started", extra={"fact": self._facts()})
                self._drive()
                self._manager.stopping()
                self._leave_no_trial()
                log.info("ended", extra={"fact": {"state": self._words()}})
            except Exception as exc:
                fact = {"because": repr(exc), "traceback": traceback.format_exc()}
                log.critical("crashed", extra={"fact": fact})
                raise StellwerkError(
                    f"the daemon ends for a fault of its own ({type(exc).__name__}), which the log shows; the node is "
                    "left as it is, and what is on trial goes on when it runs again"
                ) from exc

    # The start.

    def _facts(self) -> dict[str, Any]:
        settings = self._settings
        return {"file": settings.node_file, "mode": str(settings.mode), "socket": settings.socket}

    def _open_socket(self) -> None:
        """Listen to commands. The node is kept without, and it is tried again.

        Raises StellwerkError where it is all that the process is there for, to be told of a trial and of its end; and
        AnotherDaemonError at the start, since two would act at once.
        """
        try:
            self._server.open()
        except StellwerkError as exc:
            if self._settings.node_file is None or (isinstance(exc, AnotherDaemonError) and not self.began):
                raise
            self._socket_at = self._clock.now() + SOCKET_SECONDS
            if self._loop.troubles.get("socket") != str(exc):
                self._loop.troubles["socket"] = str(exc)
                log.error("no control socket", extra={"fact": {"because": str(exc)}})
            return
        self._loop.troubles.pop("socket", None)
        self._listens = True

    def _mend(self) -> None:
        """Try again, where that is due, what could not be had at the start."""
        now = self._clock.now()
        if not self._listens and now >= self._socket_at:
            self._open_socket()
        elif now >= self._news.due():
            self._news.open()
        else:
            return
        # What is over is seen to be over.
        self._settle()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """End at SIGTERM and SIGINT; at SIGHUP look at everything anew, or end where that means a closed terminal.

        Only the main thread can be told of signals.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            self._stopping = True
            self._bell.ring()

        def reload(number: int, frame: FrameType | None) -> None:
            self._reload = True
            self._bell.ring()

        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        for number in before:
            signal.signal(number, reload if number is signal.SIGHUP and not os.isatty(0) else stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # The wait.

    def _drive(self) -> None:
        self._files.read()
        self._settle()
        self.began = True
        self._manager.ready(self._words())
        with selectors.DefaultSelector() as news, selectors.DefaultSelector() as calm:
            for selector in (news, calm):
                for source in (self._bell, self._files):
                    selector.register(source, selectors.EVENT_READ)
            while not self._stopping and not self._has_ended():
                self._mend()
                for events in self._news:
                    if events not in news.get_map():
                        news.register(events, selectors.EVENT_READ)
                quiet = max(0.0, self._quiet_until - self._clock.now())
                seconds = self._wait_seconds()
                ready = calm.select(min(quiet, seconds)) if quiet else news.select(seconds)
                self._attend({key.fileobj for key, _ in ready})

    def _wait_seconds(self) -> float:
        now = self._clock.now()
        times = [now + LONGEST_WAIT_SECONDS, self._news.due()]
        if not self._is_idle():
            times.append(self._loop.due())
        if self._manager.watchdog_seconds is not None:
            times.append(self._alive_at + self._manager.watchdog_seconds)
        if not self._listens:
            times.append(self._socket_at)
        if self._settings.node_file is None:
            times.append(now + 1.0)
        return max(0.0, min(times) - now)

    def _attend(self, ready: set[Any]) -> None:
        begun = time.thread_time()
        heard = self._news.hear(ready)
        if heard and self._loop.due() <= self._clock.now():
            time.sleep(GATHER_SECONDS)
            self._news.hear(ready)
        if self._files in ready:
            self._files.look()
        if self._bell in ready:
            self._bell.hush()
            self._look_at_bell()
        worked = self._take_turn()
        if heard and not worked:
            cost = time.thread_time() - begun
            self._quiet_until = self._clock.now() + min(LONGEST_QUIET_SECONDS, QUIET_SHARE * cost)
        self._say_alive()

    def _take_turn(self) -> bool:
        worked = False
        if not self._is_idle() and self._loop.due() <= self._clock.now():
            worked = self._loop.turn()
            self._follow()
        self._commands.answer_waiting()
        self._publish()
        return worked

    def _settle(self) -> None:
        """Take the turns that are due now, as many as one thing may lead to."""
        if not self._is_idle():
            self._loop.settle()
            self._follow()
        self._commands.answer_waiting()
        self._publish()

    def _follow(self) -> None:
        """Watch, and have run beside the loop, what the document asks for by now."""
        self._files.watch()
        if self._settings.node_file is not None:
            # A daemon that only sees a trial through ends with it.
            self._beside.want(() if self._loop.wanted is None else self._loop.wanted.services)

    def _is_idle(self) -> bool:
        """Return whether a daemon without a node file has not been told yet what to do, and is to do nothing."""
        loop = self._loop
        return self._settings.node_file is None and loop.wanted is None and loop.custody.intents.trial is None

    def _before_a_round(self) -> None:
        """Have known what was found before it is mended, which may take some seconds."""
        self._publish()
        if self.began:
            self._say_alive()

    def _publish(self) -> None:
        self._board.put(standing(self._loop))

    def _say_alive(self) -> None:
        seconds, now = self._manager.watchdog_seconds, self._clock.now()
        if seconds is not None and now >= self._alive_at + seconds:
            self._alive_at = now
            self._manager.alive(self._words())

    def _words(self) -> str:
        return f"{self._loop.sync.value} and {self._loop.health.value}"

    # What happens.

    def _look_at_bell(self) -> None:
        if self._reload:
            self._reload = False
            self._files.read()
            self._loop.reconcile("asked by a signal")
        while (results := self._checker.take()) is not None:
            self._loop.checked(*results)
        self._commands.carry_out()
        if (services := self._beside.states()) != self._loop.services:
            self._loop.services = services
            self._settle()

    # The end.

    def _has_ended(self) -> bool:
        """Return whether a daemon without a node file has seen its trial through."""
        if self._settings.node_file is not None:
            return False
        if self._loop.custody.intents.trial is not None or self._commands.someone_waits:
            self._ended_at = None
            return False
        now = self._clock.now()
        if self._ended_at is None:
            self._ended_at = now
        if self._loop.wanted is None:
            # Whoever started it has gone before it said why, or was refused.
            return self._commands.was_asked or now - self._ended_at > BEGIN_SECONDS
        is_done = self._loop.in_sync and not self._loop.awaits_checks
        return is_done or now - self._ended_at > SETTLE_SECONDS

    def _leave_no_trial(self) -> None:
        """Undo what is on trial: whoever ends the daemon on purpose may not start it again before the time is over.

        The first document ever stays on trial: a restart of the daemon would leave a bare node.
        """
        trial = self._loop.custody.intents.trial
        if trial is not None and trial.before is not None and self._loop.permission.mode is Mode.ENFORCE:
            self._loop.roll_back("the daemon was ended before it was confirmed")
            self._settle()
