"""The status page as it is started and closed: a socket of its own, and an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import threading
from collections.abc import Callable

from intent.statistics import Listen
from reconciler.core.errors import BackendError, BusyError, DeniedError, OccupiedError, StaleError, StellwerkError
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.page.drawing import place
from reconciler.services.statistics.page.server import Server
from reconciler.services.statistics.page.share import RestingLoop

START_SECONDS = 30.0
CLOSE_SECONDS = 5.0
_BACKLOG = 32
log = logging.getLogger("stellwerk.page")


class StatusPage:
    """Serves the page at the address that the settings of the figures name, from `start` until `close`."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._life: _Life | None = None
        self._bound = Listen(address="", port=0)

    @property
    def url(self) -> str:
        """Where the page is, once it was started."""
        return f"http://{place(self._bound)}/"

    def start(self) -> None:
        """Listen, and serve from now on. Raises StellwerkError where that is not possible now."""
        settings = self._figures.settings.page
        if settings is None:
            raise StellwerkError("no status page is asked for: give it an address under `page` of `stats`")
        listener = listening(settings.listen)
        self._bound = Listen(address=settings.listen.address, port=listener.getsockname()[1])
        life = _Life(self._figures, listener)
        try:
            life.start()
        except (RuntimeError, OSError) as exc:
            listener.close()
            raise BusyError(f"the status page cannot be at {place(self._bound)}: {exc}; it is tried again") from exc
        self._life = life
        if not life.ready.wait(START_SECONDS):
            self.close()
            raise BusyError(f"the status page at {place(self._bound)} did not start within {START_SECONDS:.0f} s")
        if life.failure is not None:
            self.close()
            raise BackendError(
                f"the status page cannot be at {place(self._bound)}: it could not start: {life.failure!r}"
            ) from life.failure

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._life is not None and self._life.is_alive()

    def close(self) -> None:
        """End, within moments: streams are cut."""
        life, self._life = self._life, None
        if life is not None:
            life.end()
            life.join(CLOSE_SECONDS)


class _Life(threading.Thread):
    """The thread that serves from a socket that listens, which it closes: ``ready`` is set in any case."""

    def __init__(self, figures: Figures, listener: socket.socket) -> None:
        super().__init__(name="stellwerk-page", daemon=True)
        self._figures = figures
        self._listener = listener
        self._over = False
        self._wake: Callable[[], object] = lambda: None
        self.ready = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Serve until `end`."""
        try:
            # None of the debug mode of asyncio, whatever the environment says.
            with asyncio.Runner(debug=False, loop_factory=RestingLoop) as runner:
                runner.run(self._serve())
        except BaseException as exc:  # noqa: BLE001 - whoever waits for the start is told
            self._failed(exc)
        finally:
            self._listener.close()
            self.ready.set()

    def end(self) -> None:
        """Have it end. For any thread, at any time."""
        self._over = True
        # The loop may be closed already.
        with contextlib.suppress(RuntimeError):
            self._wake()

    def _failed(self, exc: BaseException) -> None:
        if self.ready.is_set():
            log.error("the status page has ended", extra={"fact": {"because": repr(exc)}})
        else:
            self.failure = exc

    async def _serve(self) -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        server = Server(self._figures)

        def wake() -> None:
            if isinstance(loop, RestingLoop):
                loop.selector.hurry()
            loop.call_soon_threadsafe(over.set)

        self._wake = wake
        try:
            await server.start(self._listener)
            self.ready.set()
            if not self._over:
                await over.wait()
        finally:
            await server.close()


def listening(listen: Listen) -> socket.socket:
    """Return a socket that listens there. Raises a BackendError that says what to do."""
    where = place(listen)
    try:
        family, _, _, _, address = socket.getaddrinfo(
            listen.address, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
        )[0]
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except socket.gaierror as exc:
        raise StaleError(
            f"the status page cannot be at {where}: {exc.strerror}; give it an IP address of this node, with "
            "`%INTERFACE` after a link-local one"
        ) from exc
    except OSError as exc:
        raise _not_listening(where, exc) from exc


def _not_listening(where: str, exc: OSError) -> BackendError:
    # create_server puts its own words behind those of the system.
    why = errno.errorcode.get(exc.errno or 0, str(exc))
    if exc.errno == errno.EADDRINUSE:
        return OccupiedError(
            f"the status page cannot be at {where}: another program listens there; stop it (`ss -ltnp` names it), or "
            "give another port under `page` of `stats`"
        )
    if exc.errno == errno.EADDRNOTAVAIL:
        return StaleError(
            f"the status page cannot be at {where}: this node does not have the address (now); `ip address` shows "
            "those that it has"
        )
    if exc.errno in (errno.EACCES, errno.EPERM):
        return DeniedError(
            f"the status page cannot be at {where}: ports below 1024 need the right CAP_NET_BIND_SERVICE; give it "
            "that, or a higher port under `page` of `stats`"
        )
    return StaleError(f"the status page cannot be at {where}: {why}; see to the address under `page` of `stats`")
