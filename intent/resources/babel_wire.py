"""The words of babeld's local configuration protocol (babeld(8), version 1.0, babeld 1.10 to 1.14).

Pure: lines in, rows out; the socket is elsewhere. Fields that a newer babeld adds to a line are passed over.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_network
from typing import NamedTuple

from intent.ip_text import prefix4, prefix6
from intent.offences import Touch
from intent.resources.resource import Key

INFINITY = 65535
"""The metric of an unreachable route (RFC 8966, section 2.1)."""

WITHDRAWN = 65534
"""The metric with which a route is announced for a moment before it goes, so that neighbours drop it at once."""

_VERSION = re.compile(r"babeld-(\d+)\.(\d+)(?:\.\d+)*(?:-\d+-g[0-9a-f]+)?")
_INTERFACE = re.compile(rb"add interface (\S{1,15}) up (true|false)(?: |$)")
_XROUTE = re.compile(rb"add xroute \S+ prefix (\S+/\d+) from (\S+/\d+) metric (\d+)(?: |$)")
_FIRST_SAFE_FLUSH = (1, 14)


class ConfigurationFile(NamedTuple):
    """A file that babeld was started with, and whether it has not changed since."""

    path: str
    current: bool


class DaemonRow(NamedTuple):
    """A babeld that greeted. ``configuration`` is None when its process cannot be seen."""

    socket: str
    version: str
    router_id: str
    pid: int | None
    configuration: tuple[ConfigurationFile, ...] | None


class InterfaceRow(NamedTuple):
    """An interface that babeld knows; one that is down may have no kernel link any more.

    ``configured`` is whether babeld's own configuration names it, None when that cannot be known.
    """

    socket: str
    version: str
    name: str
    up: bool
    configured: bool | None = None


class XrouteRow(NamedTuple):
    """A route that babeld announces for this node: its destination and source prefix and its metric."""

    socket: str
    destination: str
    source: str
    metric: int


class RouteRow(NamedTuple):
    """A route that babeld learned from a neighbour, and what it does to us.

    ``router_id`` is who announces it, over any number of hops, ``neighbour`` the link-local address it came from.
    """

    socket: str
    destination: str
    source: str
    router_id: str
    neighbour: str
    interface: str
    metric: int
    installed: bool
    touch: Touch


class BabelContext(NamedTuple):
    """What is needed to read a row: the names of the kernel's links."""

    links: frozenset[str]


def flush_is_safe(version: str) -> bool:
    """Return whether this babeld survives ``flush interface``; an unknown version does not.

    Before 1.14 the command frees an interface to which neighbours still point.
    """
    match = _VERSION.fullmatch(version)
    return match is not None and (int(match[1]), int(match[2])) >= _FIRST_SAFE_FLUSH


def parse_line(socket: str, version: str, line: bytes) -> InterfaceRow | XrouteRow | None:
    """Return the row in a line of a dump, None for one that is not needed.

    Raises ValueError for a line that babeld does not write.
    """
    if line.startswith((b"add route ", b"add neighbour ")):
        return None
    kind = line.removeprefix(b"add ").split(b" ", 1)[0] if line.startswith(b"add ") else b""
    if kind == b"interface":
        if (match := _INTERFACE.match(line)) is None:
            raise ValueError("malformed interface line")
        return InterfaceRow(socket, version, match[1].decode(errors="replace"), match[2] == b"true")
    if kind == b"xroute":
        if (match := _XROUTE.match(line)) is None:
            raise ValueError("malformed xroute line")
        return XrouteRow(socket, normal(match[1]), normal(match[2]), int(match[3]))
    if not kind:
        raise ValueError("no line of a dump")
    # A kind that only a newer babeld has.
    return None


@lru_cache(maxsize=8192)
def normal(prefix: bytes) -> str:
    """Return a prefix in its one spelling: the same ones come back in every dump. Raises ValueError."""
    return spelt_prefix(prefix.decode())


def spelt_prefix(text: str) -> str:
    """Return a prefix in its one spelling, and remember nothing. Raises ValueError."""
    return prefix6(text) or prefix4(text) or str(ip_network(text, strict=False))


def daemon_key(socket: str) -> Key:
    """Return the identity of the babeld behind a socket: an absolute path, or ``[::1]:PORT``."""
    return Key("babeld", (socket,))
