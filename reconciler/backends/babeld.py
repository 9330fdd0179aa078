"""The backend for babeld: one connection and one dump a round, and what can be asked of a running babeld."""

from __future__ import annotations

import shlex
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self

from intent.resources.babel_announcement import AwaitWithdrawal, AwaitXroute
from intent.resources.babel_daemon import AwaitBabeld, RestartBabeld
from intent.resources.babel_interface import AddBabelInterface, FlushBabelInterface
from intent.resources.babel_wire import (
    WITHDRAWN,
    BabelContext,
    DaemonRow,
    InterfaceRow,
    XrouteRow,
    flush_is_safe,
    parse_line,
)
from intent.resources.resource import Request
from reconciler.backends.babeld_process import process_behind, started_with
from reconciler.backends.babeld_restart import pauses, restart
from reconciler.backends.babeld_socket import Connection, NotRunningError
from reconciler.core.backend import Backend, Dump, Partitions
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


class Babeld(Backend):
    """The backend for the table ``babel``; its partitions are sockets.

    A babeld that does not run has no rows. No connection outlives a call.
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
        self._sockets: tuple[str, ...] = ()
        self._disappointing: set[str] = set()

    def close(self) -> None:
        """Do nothing: no connection stays open."""

    def dump(self, wanted: Mapping[str, Partitions]) -> Mapping[str, Dump | BackendError]:
        """Return a row for each babeld that greets, and one for each of its interfaces and announcements.

        Without partitions, look at the sockets of the last look that had some.
        """
        if "babel" not in wanted:
            return {}
        if (partitions := wanted["babel"]) is not None:
            self._sockets = tuple(sorted(map(str, partitions)))
        self._disappointing.clear()
        rows: list[DaemonRow | InterfaceRow | XrouteRow] = []
        for address in self._sockets:
            try:
                with Connection(address) as connection:
                    rows += (_daemon(connection), *_look(connection))
            except NotRunningError:
                continue
            except BackendError as exc:
                return {"babel": exc}
        links = frozenset(name for _, name in socket.if_nameindex())
        return {"babel": Dump(rows, BabelContext(links))}

    def send(self, requests: Sequence[Request]) -> list[BackendError | None]:
        """Carry out the requests over one connection for each socket. Bounded by the times in the requests."""
        with _Session(self._sockets, self._disappointing) as session:
            return [session.carry_out(request) for request in requests]


def _daemon(connection: Connection) -> DaemonRow:
    pid = process_behind(connection.socket)
    files = None if pid is None else started_with(pid)
    return DaemonRow(connection.address, connection.version, connection.router_id, pid, files)


def _look(connection: Connection) -> list[InterfaceRow | XrouteRow]:
    answer = connection.command(b"dump")
    if answer.end != "ok":
        raise UnreachableError(f"babeld at {connection.address} answered `dump` with {answer.end[:60]!r}")
    rows = []
    for line in answer.lines:
        try:
            row = parse_line(connection.address, connection.version, line)
        except ValueError as exc:
            raise UnreachableError(
                f"{connection.version} at {connection.address} dumped what stellwerk cannot read ({exc}): {line[:80]!r}"
            ) from exc
        if row is not None:
            rows.append(row)
    return rows


def _find_xroute(connection: Connection, destination: str, source: str) -> XrouteRow | None:
    for row in _look(connection):
        if isinstance(row, XrouteRow) and (row.destination, row.source) == (destination, source):
            return row
    return None


class _Session:
    """The connections of one batch of requests, opened when first needed."""

    def __init__(self, sockets: tuple[str, ...], disappointing: set[str]) -> None:
        self._sockets = sockets
        self._disappointing = disappointing
        self._connections: dict[str, Connection] = {}
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
        for address in list(self._connections):
            self._drop(address)

    def carry_out(self, request: Request) -> BackendError | None:
        """Carry out one request and return what kept it from being done."""
        try:
            self._deeds[type(request)](request)
        except UnreachableError as exc:
            # An answer that comes late would be taken for the next one's.
            for address in list(self._connections):
                self._drop(address)
            return exc
        except BackendError as exc:
            return exc
        return None

    def _connection(self, address: str) -> Connection:
        if address not in self._connections:
            self._connections[address] = Connection(address)
        return self._connections[address]

    def _drop(self, address: str) -> None:
        if (connection := self._connections.pop(address, None)) is not None:
            connection.close()

    def _add_interface(self, request: AddBabelInterface) -> None:
        try:
            line = request.command()
        except ValueError as exc:
            raise RejectedError(f"babel interface {request.name}: {exc}") from exc
        connection = self._connection(request.socket)
        if flush_is_safe(connection.version) and _knows_interface(connection, request.name):
            # What is left of a link that went and came again: its old options would win over the new ones.
            connection.command(b"flush interface " + request.name.encode())
        _obey(connection, line)

    def _flush_interface(self, request: FlushBabelInterface) -> None:
        connection = self._connection(request.socket)
        if not flush_is_safe(connection.version):
            raise UnsupportedError(
                f"{connection.version or 'this babeld'} at {request.socket} would crash when it forgets interface "
                f"{request.name} (safe from 1.14 on); restart it instead"
            )
        _obey(connection, b"flush interface " + request.name.encode())

    def _await_xroute(self, request: AwaitXroute) -> None:
        connection = self._connection(request.socket)
        impatient = request.socket in self._disappointing
        seconds = min(request.timeout_seconds, _IMPATIENT_SECONDS) if impatient else request.timeout_seconds
        found: XrouteRow | None = None
        for _ in pauses(time.monotonic() + seconds):
            found = _find_xroute(connection, request.destination, request.source)
            if found is not None and request.metric in (None, found.metric):
                return
        self._disappointing.add(request.socket)
        raise RejectedError(_unannounced(request, found, seconds))

    def _await_withdrawal(self, request: AwaitWithdrawal) -> None:
        for address in self._sockets if request.socket is None else (request.socket,):
            try:
                self._await_withdrawal_at(address, request)
            except NotRunningError:
                continue

    def _await_withdrawal_at(self, address: str, request: AwaitWithdrawal) -> None:
        connection = self._connection(address)
        for _ in pauses(time.monotonic() + request.timeout_seconds):
            found = _find_xroute(connection, request.destination, request.source)
            if found is None:
                return
            if found.metric >= WITHDRAWN:
                time.sleep(request.linger_seconds)
                return
        raise BusyError(
            f"babeld at {address} still announces {request.destination} from {request.source} after "
            f"{request.timeout_seconds:g} s; neighbours may use it for some minutes more"
        )

    def _restart(self, request: RestartBabeld) -> None:
        self._drop(request.socket)
        self._disappointing.discard(request.socket)
        restart(request)

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


def _knows_interface(connection: Connection, name: str) -> bool:
    return any(isinstance(row, InterfaceRow) and row.name == name for row in _look(connection))


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


def _unannounced(request: AwaitXroute, found: XrouteRow | None, seconds: float) -> str:
    about = f"{request.destination} from {request.source}"
    if found is not None:
        return (
            f"babeld at {request.socket} announces {about} with metric {found.metric}, not {request.metric}: it has "
            "an older configuration, or a filter of its own comes first"
        )
    return (
        f"babeld at {request.socket} does not announce {about} after {seconds:g} s: most likely it did not load "
        "stellwerk's configuration (option -c), so that `import-table` or `redistribute proto 242` is missing, or a "
        "filter of its own comes first"
    )
