"""The babeld that speaks for this node, and whether it has our part of its configuration (babeld(8))."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from intent.resources.babel_wire import ConfigurationFile, DaemonRow, daemon_key
from intent.resources.file import file_key
from intent.resources.resource import Change, Key, Request, Resource

NOT_LOADED = "not loaded"
OUTDATED = "changed since babeld started"


@dataclass(frozen=True, slots=True)
class RestartBabeld(Request):
    """Run the operator's command, without a shell, and wait until the socket greets.

    Afterwards babeld must have ``configuration`` as far as can be seen.
    """

    command: tuple[str, ...]
    socket: str
    configuration: str | None


@dataclass(frozen=True, slots=True)
class AwaitBabeld(Request):
    """Look whether babeld greets, and say what to start when it does not: we may not start it ourselves."""

    socket: str
    configuration: str | None


@dataclass(frozen=True, slots=True)
class BabelDaemon(Resource):
    """A running babeld that reads our file of filters and tables.

    ``socket`` is an absolute path or ``[::1]:PORT``, ``configuration`` the file that it must have been started with
    (None: not looked at), ``restart_command`` how the operator lets us start and restart it (None: not at all), and
    ``routing_table`` the kernel's table that it is to install routes into. The rest is observed only. babeld reads
    files at its start alone, so that a changed file takes a restart.
    """

    socket: str
    configuration: str | None = None
    restart_command: tuple[str, ...] | None = None
    version: str | None = None
    router_id: str | None = None
    pid: int | None = None
    started_with: tuple[ConfigurationFile, ...] | None = None
    routing_table: int | None = None

    table: ClassVar[str] = "babel"
    partitioned: ClassVar[bool] = True
    compared: ClassVar[tuple[str, ...]] = ("configuration",)
    replace_on: ClassVar[frozenset[str]] = frozenset({"configuration"})
    # The operator's own daemon: it may be restarted, but it is never ours to stop.
    adopts: ClassVar[bool] = True

    @property
    def key(self) -> Key:
        """The socket."""
        return daemon_key(self.socket)

    def describe(self) -> str:
        """Return the socket, of an observed one the version, and of a desired one whether we may not start it."""
        yours = self.version is None and self.restart_command is None
        return f"{self.version or 'babeld'} at {self.socket}" + (", for you to start" if yours else "")

    def requires(self) -> tuple[Key, ...]:
        """Return the configuration file: babeld does not start when a file given with ``-c`` is missing."""
        return () if self.configuration is None else (file_key(self.configuration),)

    def renewed_by(self) -> tuple[Key, ...]:
        """Return the configuration file, which is read at the start only."""
        return self.requires()

    def keeps(self) -> Mapping[Key, str]:
        """Return the files that this observed babeld was started with: without one of them it would not start again."""
        return {
            file_key(file.path): f"babeld is still started with it: start it without {shlex.join(('-c', file.path))}"
            for file in self.started_with or ()
        }

    def partition(self) -> str:
        """Return the socket: no other babeld is spoken to."""
        return self.socket

    def changes(self, observed: Self) -> dict[str, Change]:
        """Return the configuration when babeld is seen to lack it or to have an old one."""
        lack = self._lack(observed)
        return {} if lack is None else {"configuration": Change(lack, self.configuration)}

    def _lack(self, observed: Self) -> str | None:
        # Unknown counts as no difference: a restart costs every route for seconds.
        if self.configuration is None or observed.started_with is None:
            return None
        for file in observed.started_with:
            if file.path == self.configuration:
                return None if file.current else OUTDATED
        return NOT_LOADED

    def show(self, field: str) -> str:
        """Return a field; of an observed babeld's configuration the files it was started with."""
        if field == "configuration" and self.started_with is not None:
            return ", ".join(file.path if file.current else f"{file.path} ({OUTDATED})" for file in self.started_with)
        return str(getattr(self, field))

    def hindrance(self, observed: Self | None) -> str | None:
        """Return what the operator has to do when we may not restart a running babeld."""
        if observed is None or self.restart_command is not None:
            return None
        option = shlex.join(("-c", str(self.configuration)))
        if self._lack(observed) == NOT_LOADED:
            cause = f"it runs without {option}: add this to the options it is started with, then restart it"
        else:
            cause = f"it reads {self.configuration} at its start only: restart it"
        return (
            f"babeld at {self.socket} takes a restart, and no restart command is set; {cause} "
            "(with systemd: systemctl restart babeld), or set a restart command"
        )

    def as_observed(self) -> Self:
        """Return the daemon as one that was started with the configuration that it is to have."""
        files = () if self.configuration is None else (ConfigurationFile(self.configuration, True),)
        return replace(self, started_with=files, version=self.version or "babeld")

    @classmethod
    def decode(cls, row: Any, context: Any) -> Self | None:
        """Return the daemon in a row."""
        if not isinstance(row, DaemonRow):
            return None
        return cls(
            row.socket,
            version=row.version,
            router_id=row.router_id,
            pid=row.pid,
            started_with=row.configuration,
        )

    def create(self) -> tuple[Request, ...]:
        """Return the request that (re)starts babeld, or the one that says what to start."""
        if self.restart_command is None:
            return (AwaitBabeld(self.socket, self.configuration),)
        return (RestartBabeld(self.restart_command, self.socket, self.configuration),)

    def update(self, observed: Self, changes: Mapping[str, Change]) -> tuple[Request, ...]:
        """Return nothing: babeld takes none of this while it runs."""
        return ()

    def delete(self) -> tuple[Request, ...]:
        """Return nothing: the restart command stops it too, and an operator's babeld is not ours to stop."""
        return ()
