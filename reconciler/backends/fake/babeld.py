"""babeld in the fake (babeld(8)): what it knows of its interfaces, and what it announces of the kernel's routes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from intent.resources.babel_daemon import AwaitBabeld, RestartBabeld
from intent.resources.babel_interface import AddBabelInterface, FlushBabelInterface, Options
from intent.resources.babel_requests import AwaitWithdrawal, AwaitXroute
from intent.resources.babel_wire import (
    INFINITY,
    WITHDRAWN,
    BabelContext,
    ConfigurationFile,
    DaemonRow,
    InterfaceRow,
    XrouteRow,
    flush_is_safe,
)
from intent.resources.resource import Request
from reconciler.backends.fake.files import FakeFile, FakeFiles
from reconciler.backends.fake.kernel import FakeKernel
from reconciler.backends.fake.routes import MAIN, FakeRoute, text
from reconciler.core.backend import Dump, Partitions
from reconciler.core.errors import BackendError, BusyError, RejectedError, UnreachableError, UnsupportedError


@dataclass(slots=True)
class FakeDaemon:
    """A babeld that runs. ``loaded`` are the files it read at its start, ``interfaces`` has each one's options.

    ``settled`` are the interfaces of its own configuration, which a restart does not lose.
    """

    version: str
    pid: int
    loaded: Mapping[str, FakeFile]
    settled: frozenset[str] = frozenset()
    interfaces: dict[str, Options] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.settled:
            self.interfaces[name] = ()

    def words(self) -> Iterator[list[str]]:
        """Yield the words of each line of its configuration."""
        for file in self.loaded.values():
            yield from (line.split() for line in file.content.decode().splitlines() if not line.startswith("#"))


class FakeBabelds:
    """The babelds by socket. Those that do not run are not among them; a restart command starts them."""

    tables = frozenset({"babel"})

    def __init__(self, kernel: FakeKernel, files: FakeFiles, version: str) -> None:
        self._kernel = kernel
        self._files = files
        self._version = version
        self._next_pid = 1000
        self.running: dict[str, FakeDaemon] = {}
        self._deeds: dict[type[Request], Callable[[Any], None]] = {
            AddBabelInterface: self._add,
            FlushBabelInterface: self._flush,
            AwaitXroute: self._await_xroute,
            AwaitWithdrawal: self._await_withdrawal,
            RestartBabeld: self._restart,
            AwaitBabeld: self._await_babeld,
        }

    def start(self, socket: str, configuration: str | None = None, settled: frozenset[str] = frozenset()) -> None:
        """(Re)start the babeld of a socket with a configuration file, and with interfaces of the operator's own.

        A restart keeps those. Raises RejectedError when the file is missing.
        """
        paths = () if configuration is None else (configuration,)
        if missing := [path for path in paths if path not in self._files.files]:
            raise RejectedError(f"babeld at {socket} does not start: there is no file {missing[0]}")
        before = self.running.get(socket)
        settled = before.settled if before is not None and not settled else settled
        loaded = {path: self._files.files[path] for path in paths}
        self._next_pid += 1
        self.running[socket] = FakeDaemon(self._version, self._next_pid, loaded, settled)

    def dump(self, partitions: Partitions) -> Dump:
        """Return the rows of the babelds at the sockets that run."""
        rows: list[DaemonRow | InterfaceRow | XrouteRow] = []
        links = frozenset(link.name for link in self._kernel.links)
        up = frozenset(link.name for link in self._kernel.links if link.up)
        for socket in sorted(self.running if partitions is None else self.running.keys() & {*map(str, partitions)}):
            daemon = self.running[socket]
            files = tuple(ConfigurationFile(path, self._current(path, file)) for path, file in daemon.loaded.items())
            rows.append(DaemonRow(socket, daemon.version, "02:00:00:ff:fe:00:00:01", daemon.pid, files))
            rows += [
                InterfaceRow(socket, daemon.version, name, name in up, name in daemon.settled)
                for name in sorted(daemon.interfaces)
            ]
            rows += self._announced(socket).values()
        return Dump(rows, BabelContext(links))

    def carry_out(self, request: Request) -> BackendError | None:
        """Carry out one request; nothing is waited for: what is not so now will not become so."""
        try:
            self._deeds[type(request)](request)
        except BackendError as error:
            return error
        return None

    def describe(self) -> Iterator[str]:
        """Yield a line for each interface and each announcement."""
        for socket, daemon in self.running.items():
            yield f"babeld {daemon.version} at {socket} with {' '.join(daemon.loaded) or 'no file'}"
            for name, options in daemon.interfaces.items():
                yield " ".join(("babel interface", name, *(word for option in options for word in option)))
            for row in self._announced(socket).values():
                yield f"babel announcement {row.destination} from {row.source} metric {row.metric}"

    def _at(self, socket: str) -> FakeDaemon:
        if socket not in self.running:
            raise UnreachableError(f"no babeld listens at {socket}")
        return self.running[socket]

    def _add(self, request: AddBabelInterface) -> None:
        daemon = self._at(request.socket)
        # New options for a known interface are answered with ok and ignored; where it is safe it is flushed before.
        if request.name not in daemon.interfaces or flush_is_safe(daemon.version):
            daemon.interfaces[request.name] = request.options

    def _flush(self, request: FlushBabelInterface) -> None:
        daemon = self._at(request.socket)
        if not flush_is_safe(daemon.version):
            raise UnsupportedError(f"{daemon.version} would crash when it forgets interface {request.name}")
        daemon.interfaces.pop(request.name, None)

    def _await_xroute(self, request: AwaitXroute) -> None:
        self._at(request.socket)
        found = self._announced(request.socket).get((request.destination, request.source))
        if found is None or request.metric not in (None, found.metric):
            raise RejectedError(f"babeld does not announce {request.destination} from {request.source} like this")

    def _await_withdrawal(self, request: AwaitWithdrawal) -> None:
        for socket in self.running if request.socket is None else self.running.keys() & {request.socket}:
            found = self._announced(socket).get((request.destination, request.source))
            if found is not None and found.metric < WITHDRAWN:
                raise BusyError(f"babeld still announces {request.destination} from {request.source}")
            if found is None and request.retracted:
                raise BusyError(f"babeld does not retract {request.destination} from {request.source}")

    def _restart(self, request: RestartBabeld) -> None:
        self.start(request.socket, request.configuration)

    def _await_babeld(self, request: AwaitBabeld) -> None:
        self._at(request.socket)

    def _current(self, path: str, loaded: FakeFile) -> bool:
        there = self._files.files.get(path)
        return there is not None and there.version == loaded.version

    def _announced(self, socket: str) -> dict[tuple[str, str], XrouteRow]:
        daemon = self.running[socket]
        tables = {int(words[1]) for words in daemon.words() if words[:1] == ["import-table"]} or {MAIN}
        filters = [words[1:] for words in daemon.words() if words[:1] == ["redistribute"]]
        found: dict[tuple[str, str], XrouteRow] = {}
        for route in self._kernel.routes:
            metric = _metric(filters, route) if route.table in tables else INFINITY
            if metric < INFINITY:
                place = text(route.destination), text(route.source)
                found.setdefault(place, XrouteRow(socket, *place, metric))
        return found


def _metric(filters: list[list[str]], route: FakeRoute) -> int:
    """Return what the first filter that matches says: a metric, INFINITY where it denies or where none matches."""
    for words in filters:
        conditions = dict(zip(words[::2], words[1::2], strict=False))
        if _matches(conditions, route):
            return int(conditions.get("metric", INFINITY if words[-1] == "deny" else 0))
    return INFINITY


def _matches(conditions: Mapping[str, str], route: FakeRoute) -> bool:
    if "local" in conditions or "local" in conditions.values():
        # Routes of the node's own addresses, which the fake's import table does not have.
        return False
    if int(conditions.get("proto", route.protocol)) != route.protocol:
        return False
    prefixes = (("ip", "", route.destination), ("src-ip", "src-", route.source))
    return all(_inside(conditions, prefix, lengths, of) for prefix, lengths, of in prefixes)


def _inside(conditions: Mapping[str, str], prefix: str, lengths: str, of: tuple[bytes, int]) -> bool:
    if prefix in conditions and not ipaddress.IPv6Network(of).subnet_of(ipaddress.IPv6Network(conditions[prefix])):
        return False
    if of[1] > int(conditions.get(f"{lengths}le", of[1])):
        return False
    return int(conditions.get(f"{lengths}eq", of[1])) == of[1]
