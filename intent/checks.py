"""What shows that a node is well: each check a value with all that is needed to carry it out.

They are carried out elsewhere, one module for each kind.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass

from intent.display import SHOWN_CHARACTERS, printable
from intent.durations import spelled

DEFAULT_TIMEOUT_SECONDS = 5
DEFAULT_NOT_OLDER_THAN_SECONDS = 180
"""REJECT_AFTER_TIME: from then on no packet of the old session is accepted (WireGuard paper, section 6.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(ABC):
    """Base of all checks. What has not passed after ``timeout_seconds`` has failed."""

    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS

    @abstractmethod
    def describe(self) -> str:
        """Return the check as a line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Check):
    """An answer to an echo request (RFC 792, RFC 4443); ``interface`` is where to send it, None leaves it to routing.

    ``address`` is IPv4 or IPv6 in its one spelling; a link-local one has an interface.
    """

    address: str
    interface: str | None = None

    def describe(self) -> str:
        """Return the words of ``ip``."""
        return f"ping {self.address}" + _dev(self.interface)


@dataclass(frozen=True, slots=True, kw_only=True)
class BabelNeighbours(Check):
    """At least ``count`` neighbours that babeld can send through, on one interface or on all of them.

    ``socket`` is where babeld is spoken to, a path or ``[::1]:PORT``.
    """

    socket: str
    count: int
    interface: str | None = None

    def describe(self) -> str:
        """Return how many, and where."""
        return f"babel neighbours {self.count}" + _dev(self.interface)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireGuardHandshake(Check):
    """A handshake with the peer of that public key, or with any peer of the interface, that is recent enough."""

    interface: str
    not_older_than_seconds: int = DEFAULT_NOT_OLDER_THAN_SECONDS
    peer: str | None = None

    def describe(self) -> str:
        """Return the interface, the peer if it is a certain one, and the age."""
        peer = "" if self.peer is None else f" peer {self.peer}"
        return f"wireguard handshake {self.interface}{peer} not older than {spelled(self.not_older_than_seconds)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpPort(Check):
    """A TCP connection to a name or an address, and a port."""

    host: str
    port: int

    def describe(self) -> str:
        """Return where it goes, an IPv6 address in brackets."""
        return f"tcp [{self.host}]:{self.port}" if ":" in self.host else f"tcp {self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program(Check):
    """A program that ends with status 0: its absolute path, and its arguments."""

    command: tuple[str, ...]

    def describe(self) -> str:
        """Return the command as a shell would take it, cut when long."""
        words = printable(shlex.join(self.command))
        return f"program {words if len(words) <= SHOWN_CHARACTERS else words[: SHOWN_CHARACTERS - 1] + '…'}"


def _dev(interface: str | None) -> str:
    return "" if interface is None else f" dev {interface}"
