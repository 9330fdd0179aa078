"""The status page as it is started and closed: a socket of its own, and an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Callable

from intent.statistics import Listen
from reconciler.core.errors import BackendError, DeniedError, OccupiedError, StaleError, StellwerkError
from reconciler.services.statistics.figures import Figures
from reconciler.services.statistics.page.drawing import place
from reconciler.services.statistics.page.server import Server

CLOSE_SECONDS = 5.0
_BACKLOG = 32


class StatusPage:
    """Serves the page at the address that the settings of the figures name, from `start` until `close`."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] = lambda: None
        self._bound = Listen(address="", port=0)
        self._serving = False

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
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, ready)), name="stellwerk-page", daemon=True
        )
        self._thread.start()
        ready.wait()
        if not self._serving:
            self.close()
            raise BackendError(
                f"the status page cannot be at {place(self._bound)}: it could not start; the log says why"
            )

    def close(self) -> None:
        """End, within moments: streams are cut."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop()
            thread.join(CLOSE_SECONDS)

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(over.set)
        server = Server(self._figures)
        try:
            try:
                await server.start(listener)
                self._serving = True
            finally:
                ready.set()
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
