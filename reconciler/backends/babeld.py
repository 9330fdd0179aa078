"""The backend for babeld: one lasting connection, one dump a round, and what can be asked of a running babeld."""

from __future__ import annotations

import shlex
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from intent.resources.babel_daemon import AwaitBabeld, RestartBabeld
from intent.resources.babel_interface import AddBabelInterface, FlushBabelInterface
from intent.resources.babel_learned import LearnedRoutes, Watch
from intent.resources.babel_requests import AwaitWithdrawal, AwaitXroute
from intent.resources.babel_wire import BabelContext, DaemonRow, InterfaceRow, RouteRow, XrouteRow
from intent.resources.resource import Request
from reconciler.backends.babeld_client import Connection, hired
from reconciler.backends.babeld_news import Babelds, BabelNews
from reconciler.backends.babeld_process import configured_interfaces, exits_configured, started_with
from reconciler.backends.babeld_session import Session, rows_in
from reconciler.backends.babeld_socket import NotRunningError
from reconciler.core.backend import Backend, Dump, Partitions
from reconciler.core.errors import BackendError, UnsupportedError

BabelRow = DaemonRow | InterfaceRow | XrouteRow | RouteRow

_OWN_IDS = 16
"""How many router ids of this node's own babeld are remembered."""


class Babeld(Backend):
    """The backend for the table ``babel``; its partitions are sockets.

    A babeld that does not run has no rows. One that does not answer costs the first call some seconds and the next
    ones nothing, until it works again. The connections are shared with all others in this process, and stay until
    `close`; babeld has room for four.
    """

    tables: ClassVar[frozenset[str]] = frozenset({"babel"})
    requests: ClassVar[tuple[type[Request], ...]] = (
        AddBabelInterface,
        FlushBabelInterface,
        AwaitXroute,
        AwaitWithdrawal,
        RestartBabeld,
        AwaitBabeld,
    )

    def __init__(self) -> None:
        self._babelds = Babelds()
        self._sockets: tuple[str, ...] = ()
        self._disappointing: set[str] = set()
        self._learned: dict[str, Learned] = {}

    def close(self) -> None:
        """End the connections that nobody else uses, and their threads. A stream of news stays and has none."""
        self._babelds.keep(())

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        """Return rows of each babeld that greets, its interfaces, its announcements, and what of others touches those.

        Without partitions, look at the sockets of the last look that had some.
        """
        if "babel" not in wanted:
            return {}
        if (partitions := wanted["babel"]) is not None:
            self._sockets = tuple(sorted(map(str, partitions)))
            self._babelds.keep(self._sockets)
        self._disappointing.clear()
        rows: list[BabelRow] = []
        for address in self._sockets:
            try:
                connection = self._babelds.connection(address)
                self._babelds.seen(connection)
                told = self._babelds.told(address)
                rows += self._rows(connection)
                self._babelds.seen(connection, told)
            except NotRunningError:
                continue
            except BackendError as exc:
                return {"babel": exc}
        links = frozenset(name for _, name in socket.if_nameindex())
        return {"babel": Dump(rows, BabelContext(links))}

    def events(self) -> BabelNews:
        """Open the stream of news: a babeld that is of interest was lost, came, or works again.

        From then on until the stream is closed no call waits longer than a second for a babeld to greet or to answer:
        there will be news when it does. Our own restarts of babeld are no news. Raises RejectedError.
        """
        for address in self._sockets:
            self._babelds.client(address).start()
        return self._babelds.open_news()

    def lacks(self, requests: Sequence[Request]) -> list[UnsupportedError]:
        """Return which program of a restart command is not there."""
        commands = {request.command for request in requests if isinstance(request, RestartBabeld)}
        return [
            UnsupportedError(f"`{shlex.join(command)}` cannot restart babeld: {command[0]} is no program here")
            for command in sorted(commands)
            if shutil.which(command[0]) is None
        ]

    def send(self, requests: Iterable[Request]) -> list[BackendError | None]:
        """Carry out the requests. Bounded by the times in the requests."""
        with Session(self._babelds, self._sockets, self._disappointing) as session:
            return [session.carry_out(request) for request in requests]

    def _rows(self, connection: Connection) -> Iterator[BabelRow]:
        pid = None if connection.process is None else connection.process[0]
        files = None if pid is None else started_with(pid)
        yield DaemonRow(connection.address, connection.version, connection.router_id, pid, files)
        names = None if pid is None or files is None else configured_interfaces(pid, files)
        lines = connection.dump()
        rows = rows_in(lines, connection)
        for row in rows:
            if isinstance(row, InterfaceRow) and names is not None:
                row = row._replace(configured=row.name in names)
            yield row
        learned = self._learned.setdefault(connection.address, Learned())
        yield from learned.rows(connection, lines, rows, exits_configured(files or ()))
        self._babelds.client(connection.address).concern.watch(learned.watch())


class Learned:
    """What is of concern of that which one babeld learned, and the router ids that this node itself has had.

    A babeld that starts anew may have another id; what it announced by the last one is about for a while.
    """

    def __init__(self) -> None:
        self._routes = LearnedRoutes()
        self._own_ids: dict[str, None] = {}

    def ask(self, address: str, timeout_seconds: float) -> list[RouteRow]:
        """Return the routes of others that the babeld at an address has learned and that touch what it announces.

        Raises a BackendError, NotRunningError where nobody listens.
        """
        with hired(address) as client:
            connection = client.connection(timeout_seconds)
            lines = connection.dump()
            return self.rows(connection, lines, rows_in(lines, connection))

    def watch(self) -> Watch:
        """Return what says of single lines whether they are of concern, as of the last dump."""
        return self._routes.watch()

    def rows(
        self,
        connection: Connection,
        lines: Sequence[bytes],
        rows: Iterable[InterfaceRow | XrouteRow],
        exits: frozenset[str] = frozenset(),
    ) -> list[RouteRow]:
        """Return the routes of others in a dump that touch what is announced by it, or the exits of the mesh."""
        self._own_ids[connection.router_id] = self._own_ids.pop(connection.router_id, None)
        while len(self._own_ids) > _OWN_IDS:
            del self._own_ids[next(iter(self._own_ids))]
        xroutes = [row for row in rows if isinstance(row, XrouteRow)]
        return self._routes.of_concern(connection.address, lines, xroutes, self._own_ids, exits)
