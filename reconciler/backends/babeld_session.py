"""Requests to running babelds, a batch at a time."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from intent.resources.babel_daemon import AwaitBabeld, RestartBabeld
from intent.resources.babel_interface import AddBabelInterface, FlushBabelInterface
from intent.resources.babel_requests import AwaitWithdrawal, AwaitXroute
from intent.resources.babel_wire import WITHDRAWN, InterfaceRow, XrouteRow, flush_is_safe, parse_line
from intent.resources.resource import Request
from reconciler.backends.babeld_client import Connection
from reconciler.backends.babeld_news import Babelds
from reconciler.backends.babeld_restart import START_SECONDS, WATCHING_START_SECONDS, pauses, restart
from reconciler.backends.babeld_socket import NotRunningError
from reconciler.core.errors import (
    BackendError,
    BusyError,
    DeniedError,
    RejectedError,
    UnreachableError,
    UnsupportedError,
)

_IMPATIENT_SECONDS = 0.5
"""How long to wait for an announcement after another one did not come: the cause is most likely the same."""

_Xroute = tuple[str, str]
"""A destination and a source prefix."""


def look(connection: Connection) -> list[InterfaceRow | XrouteRow]:
    """Return babeld's interfaces and announcements. Raises UnreachableError for what babeld does not write."""
    return rows_in(connection.dump(), connection)


def rows_in(lines: Iterable[bytes], connection: Connection) -> list[InterfaceRow | XrouteRow]:
    """Return the interfaces and announcements in a dump. Raises UnreachableError for what babeld does not write."""
    rows = []
    for line in lines:
        try:
            row = parse_line(connection.address, connection.version, line)
        except ValueError as exc:
            raise UnreachableError(
                f"{connection.version} at {connection.address} dumped what stellwerk cannot read ({exc}): {line[:80]!r}"
            ) from exc
        if row is not None:
            rows.append(row)
    return rows


class Session:
    """What one batch of requests knows of the babelds, each from one connection."""

    def __init__(self, babelds: Babelds, sockets: tuple[str, ...], disappointing: set[str]) -> None:
        self._babelds = babelds
        self._sockets = sockets
        self._disappointing = disappointing
        self._connections: dict[str, Connection] = {}
        self._announced: dict[str, dict[_Xroute, int]] = {}
        self._interfaces: dict[str, set[str]] = {}
        self._begun: dict[tuple[type[Request], str], float] = {}
        self._heard_by_neighbours = 0.0
        self._deeds: dict[type[Request], Callable[[Any], None]] = {
            AddBabelInterface: self._add_interface,
            FlushBabelInterface: self._flush_interface,
            AwaitXroute: self._await_xroute,
            AwaitWithdrawal: self._await_withdrawal,
            RestartBabeld: self._restart,
            AwaitBabeld: self._await_babeld,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._linger()

    def carry_out(self, request: Request) -> BackendError | None:
        """Carry out one request and return what kept it from being done."""
        if not isinstance(request, AwaitXroute | AwaitWithdrawal):
            self._announced.clear()
        if not isinstance(request, AwaitWithdrawal):
            self._linger()
        try:
            self._deeds[type(request)](request)
        except UnreachableError as exc:
            # Whoever answers next may be another.
            self._announced.clear()
            self._connections.clear()
            self._interfaces.clear()
            return exc
        except BackendError as exc:
            return exc
        return None

    def _connection(self, address: str) -> Connection:
        if address not in self._connections:
            self._connections[address] = self._babelds.connection(address)
        return self._connections[address]

    def _add_interface(self, request: AddBabelInterface) -> None:
        try:
            line = request.command()
        except ValueError as exc:
            raise RejectedError(f"babel interface {request.name}: {exc}") from exc
        connection = self._connection(request.socket)
        if flush_is_safe(connection.version) and self._knows_interface(connection, request.name):
            # What is left of a link that went and came again: its old options would win over the new ones.
            connection.command(b"flush interface " + request.name.encode())
        _obey(connection, line)
        if request.socket in self._interfaces:
            self._interfaces[request.socket].add(request.name)

    def _knows_interface(self, connection: Connection, name: str) -> bool:
        """Return whether babeld knows an interface: one look sees to all that a batch adds."""
        if connection.address not in self._interfaces:
            rows = look(connection)
            self._interfaces[connection.address] = {row.name for row in rows if isinstance(row, InterfaceRow)}
        return name in self._interfaces[connection.address]

    def _flush_interface(self, request: FlushBabelInterface) -> None:
        connection = self._connection(request.socket)
        if not flush_is_safe(connection.version):
            raise UnsupportedError(
                f"{connection.version or 'this babeld'} at {request.socket} would crash when it forgets interface "
                f"{request.name} (safe from 1.14 on); restart it instead"
            )
        _obey(connection, b"flush interface " + request.name.encode())
        self._interfaces.get(request.socket, set()).discard(request.name)

    def _await_xroute(self, request: AwaitXroute) -> None:
        impatient = request.socket in self._disappointing
        seconds = min(request.timeout_seconds, _IMPATIENT_SECONDS) if impatient else request.timeout_seconds
        metric: int | None = None
        for metric in self._metrics(request.socket, request, seconds):
            if metric is not None and request.metric in (None, metric):
                return
        self._disappointing.add(request.socket)
        raise RejectedError(_unannounced(request, metric, seconds))

    def _await_withdrawal(self, request: AwaitWithdrawal) -> None:
        for address in self._sockets if request.socket is None else (request.socket,):
            try:
                self._await_withdrawal_at(address, request)
            except NotRunningError:
                continue

    def _await_withdrawal_at(self, address: str, request: AwaitWithdrawal) -> None:
        for metric in self._metrics(address, request, request.timeout_seconds):
            if metric is None:
                if not request.retracted:
                    return
            elif metric >= WITHDRAWN:
                # One pause for all routes of the batch.
                self._heard_by_neighbours = time.monotonic() + request.linger_seconds
                return
        does = "does not retract" if request.retracted else "still announces"
        raise BusyError(
            f"babeld at {address} {does} {request.destination} from {request.source} after "
            f"{request.timeout_seconds:g} s; neighbours may use it for some minutes more"
        )

    def _linger(self) -> None:
        time.sleep(max(0.0, self._heard_by_neighbours - time.monotonic()))

    def _metrics(self, address: str, request: AwaitXroute | AwaitWithdrawal, seconds: float) -> Iterator[int | None]:
        """Yield the metric with which babeld announces the route, None when it does not, until the time is over.

        The first one is of the last look of this batch: one look sees to all routes that are as they should be. The
        time is that of the whole batch, counted from its first request of this sort.
        """
        xroute = request.destination, request.source
        deadline = self._begun.setdefault((type(request), address), time.monotonic()) + seconds
        if address in self._announced:
            yield self._announced[address].get(xroute)
            if time.monotonic() >= deadline:
                return
        connection = self._connection(address)
        for _ in pauses(deadline):
            rows = [row for row in look(connection) if isinstance(row, XrouteRow)]
            self._announced[address] = {(row.destination, row.source): row.metric for row in rows}
            yield self._announced[address].get(xroute)

    def _start_seconds(self) -> float:
        return WATCHING_START_SECONDS if self._babelds.watched else START_SECONDS

    def _restart(self, request: RestartBabeld) -> None:
        self._interfaces.pop(request.socket, None)
        self._connections.pop(request.socket, None)
        self._disappointing.discard(request.socket)
        self._begun.clear()
        connection = restart(request, self._babelds.client(request.socket), self._start_seconds())
        # Our own doing.
        self._babelds.seen(connection)

    def _await_babeld(self, request: AwaitBabeld) -> None:
        try:
            self._connection(request.socket)
        except NotRunningError as exc:
            option = "" if request.configuration is None else f" {shlex.join(('-c', request.configuration))}"
            raise UnreachableError(
                f"{exc}; start it with the options -G {shlex.quote(_socket_argument(request.socket))}{option} "
                "and your own, or set a restart command so that stellwerk may"
            ) from exc


def _socket_argument(address: str) -> str:
    return address if address.startswith("/") else address.rpartition(":")[2]


def _obey(connection: Connection, line: bytes) -> None:
    """Have a line of configuration carried out. Raises RejectedError or DeniedError when babeld does not take it."""
    words = line.decode()
    end = connection.command(line).end
    if end == "ok" or (end.startswith("no ") and words.startswith("flush ") and "No such" in end):
        return
    about = f"{connection.version} at {connection.address} refused `{words}`"
    if end.startswith("no"):
        raise RejectedError(f"{about}: {end[2:].strip() or 'no reason given'}")
    # A read-only socket answers `bad` too. This line changes nothing, and only a read-write socket takes it.
    if connection.command(b"default").end == "ok":
        raise RejectedError(f"{about}: it does not know one of these options, or a value is out of range")
    raise DeniedError(
        f"{about}: its socket is read-only; open it with -G or `local-path-readwrite` instead of -g or `local-path`"
    )


def _unannounced(request: AwaitXroute, metric: int | None, seconds: float) -> str:
    about = f"{request.destination} from {request.source}"
    if metric is not None:
        return (
            f"babeld at {request.socket} announces {about} with metric {metric}, not {request.metric}: it has "
            "an older configuration, or a filter of its own comes first"
        )
    return (
        f"babeld at {request.socket} does not announce {about} after {seconds:g} s: most likely it did not load "
        "stellwerk's configuration (option -c), so that `import-table` or `redistribute proto 242` is missing, or a "
        "filter of its own comes first"
    )
