"""The lines of babeld's local socket: bytes in, events out (babeld(8), version 1.0, babeld 1.8.5 to 1.14).

Fields that a newer babeld adds are passed over, wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from intent.display import printable
from intent.resources.babel_wire import INFINITY, spelt_prefix
from reconciler.backends.babel_rows import Interface, Neighbour, Route, Xroute

LONGEST_LINE_BYTES = 4096
"""No babeld writes a line of a tenth of that."""

FLUSH = b"flush"
"""The verb of what is gone; ``add`` and ``change`` mean the same to who keeps a table."""

_NUMBER = rb"\d{1,10}"
_PREFIX = rb"[0-9A-Fa-f:.]{2,45}/\d{1,3}"
_ADDRESS = rb"[0-9A-Fa-f:.]{2,45}"
_POINTER = rb"[0-9a-f]{1,16}"
_NAME = rb"\S{1,15}"
_VERB = rb"(add|change|flush)"
_END = rb"(?: |$)"

_ROUTE = re.compile(
    rb"%b route (%b) prefix (%b) from (%b) installed (yes|no) id ([0-9a-f:]{1,64}) metric (%b) refmetric (%b) "
    rb"via (%b) if (%b)%b" % (_VERB, _POINTER, _PREFIX, _PREFIX, _NUMBER, _NUMBER, _ADDRESS, _NAME, _END)
)
_NEIGHBOUR = re.compile(
    rb"%b neighbour (%b) address (%b) if (%b) reach ([0-9a-f]{4}) ureach ([0-9a-f]{4}) rxcost (%b) txcost (%b)"
    rb"(?: rtt (\d{1,10}\.\d{1,6}) rttcost (%b))? cost (%b)%b"
    % (_VERB, _POINTER, _ADDRESS, _NAME, _NUMBER, _NUMBER, _NUMBER, _NUMBER, _END)
)
_INTERFACE = re.compile(
    rb"%b interface (%b) up (true|false)(?: ipv6 (%b))?(?: ipv4 (%b))?$" % (_VERB, _NAME, _ADDRESS, _ADDRESS)
)
_XROUTE = re.compile(
    rb"%b xroute (\S{1,100}) prefix (%b) from (%b) metric (%b)%b" % (_VERB, _PREFIX, _PREFIX, _NUMBER, _END)
)

OTHER_ROUTE = re.compile(
    rb"(?:add|change|flush) route [0-9a-f]{1,16} prefix (?!::/0 |0\.0\.0\.0/0 )[0-9A-Fa-f:.]{2,45}/\d{1,3} from "
)
"""The beginning of a line of a route that is no default route."""

DEFAULTS = frozenset({b"::/0", b"0.0.0.0/0"})
"""The destinations of default routes."""


class RouteWords(NamedTuple):
    """A line of a route, cut up and not yet read: of 10,000 that change only few are looked at."""

    verb: bytes
    identifier: bytes
    destination: bytes
    source: bytes
    installed: bytes
    router_id: bytes
    metric: bytes
    refmetric: bytes
    via: bytes
    interface: bytes

    @property
    def place(self) -> bytes:
        """What of two routes only one can have."""
        return b"%b %b %b %b" % (self.destination, self.source, self.via, self.interface)

    @property
    def reachable(self) -> bool:
        """Whether the metric is not infinity."""
        return int(self.metric) < INFINITY

    def row(self) -> Route:
        """Return the row. Raises ValueError where a prefix or an address is none."""
        return Route(
            spelt_prefix(self.destination.decode()),
            spelt_prefix(self.source.decode()),
            self.installed == b"yes",
            _text(self.router_id),
            int(self.metric),
            int(self.refmetric),
            _address(self.via),
            _text(self.interface),
        )


class Event(NamedTuple):
    """What a line says of an interface, a neighbour or an announcement.

    ``identifier`` is the one by which babeld speaks of it, ``place`` what of two at the same time only one can have.
    """

    verb: bytes
    kind: bytes
    identifier: bytes
    place: bytes
    row: Interface | Neighbour | Xroute


def kind_of(line: bytes) -> bytes:
    """Return the kind of object that a line is of. Raises ValueError where it is none of babeld's."""
    verb, kind, *rest = line.split(b" ", 2)
    if verb not in (b"add", b"change", b"flush") or not rest or not _WORD.fullmatch(kind):
        raise ValueError("no line of babeld's")
    return kind


def route_words(line: bytes) -> RouteWords:
    """Return the words of a line of a route. Raises ValueError for what babeld does not write."""
    return RouteWords(*_match(_ROUTE, _ROUTE_FIELDS, line).groups())


def parse(line: bytes) -> Event | RouteWords | None:
    """Return what a line says, None where it is of a kind that only a newer babeld has.

    Raises ValueError for what babeld does not write.
    """
    # Most are of this kind, and many of them change at once where a neighbour is lost.
    if (match := _ROUTE.match(line)) is not None:
        return RouteWords(*match.groups())
    kind = kind_of(line)
    if kind == b"route":
        return route_words(line)
    return _READERS[kind](line) if kind in _READERS else None


def event(line: bytes) -> Event:
    """Return what a line of a kind other than routes says. Raises ValueError for what babeld does not write."""
    return _READERS[kind_of(line)](line)


def is_event(line: bytes) -> bool:
    """Return whether a line that cannot be read may be one of a newer babeld all the same.

    It is not where it is binary, too long, or half a line with another behind it.
    """
    return bool(_BEGINNING.match(line)) and len(line) <= LONGEST_LINE_BYTES and not _TORN.search(line, 1)


def canonical(line: bytes) -> bytes:
    """Return the line without the fields that are not known. Raises ValueError where it is none of babeld's."""
    kind = kind_of(line)
    return _canonical(line, _FIELDS[kind]) if kind in _FIELDS else line


class Lines:
    """Cuts what comes from a socket into lines. One that is too long is left out and counted."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False
        self.refused_total = 0

    def cut(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete by now, without their line feeds."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if lines and self._skipping:
            # The end of the one that was too long.
            del lines[0]
            self._skipping = False
        if len(self._rest) > LONGEST_LINE_BYTES:
            self.refused_total += not self._skipping
            self._rest, self._skipping = b"", True
        return lines

    @property
    def begun(self) -> bool:
        """Whether a part of a line has come."""
        return bool(self._rest) or self._skipping


_BEGINNING = re.compile(rb"(?:add|change|flush) [a-z][a-z0-9_-]{0,30} \S")
_TORN = re.compile(rb"[\x00-\x1f\x7f]|(?:add|change|flush) (?:route|neighbour|interface|xroute) ")
_WORD = re.compile(rb"[a-z][a-z0-9_-]{0,30}")
_ROUTE_FIELDS = (b"prefix", b"from", b"installed", b"id", b"metric", b"refmetric", b"via", b"if")
_NEIGHBOUR_FIELDS = (b"address", b"if", b"reach", b"ureach", b"rxcost", b"txcost", b"rtt", b"rttcost", b"cost")
_INTERFACE_FIELDS = (b"up", b"ipv6", b"ipv4")
_XROUTE_FIELDS = (b"prefix", b"from", b"metric")
_FIELDS = {
    b"route": _ROUTE_FIELDS,
    b"neighbour": _NEIGHBOUR_FIELDS,
    b"interface": _INTERFACE_FIELDS,
    b"xroute": _XROUTE_FIELDS,
}


def _match(pattern: re.Pattern[bytes], fields: tuple[bytes, ...], line: bytes) -> re.Match[bytes]:
    match = pattern.match(line)
    if match is None:
        match = pattern.match(_canonical(line, fields))
    if match is None:
        raise ValueError("no line of babeld's")
    return match


def _canonical(line: bytes, fields: tuple[bytes, ...]) -> bytes:
    words = line.split(b" ")
    said = dict(zip(words[3::2], words[4::2], strict=False))
    return b" ".join((*words[:3], *(word for field in fields if field in said for word in (field, said[field]))))


def _interface(line: bytes) -> Event:
    verb, name, up, ipv6, ipv4 = _match(_INTERFACE, _INTERFACE_FIELDS, line).groups()
    row = Interface(
        _text(name), up == b"true", None if ipv6 is None else _address(ipv6), None if ipv4 is None else _address(ipv4)
    )
    return Event(verb, b"interface", name, name, row)


def _neighbour(line: bytes) -> Event:
    match = _match(_NEIGHBOUR, _NEIGHBOUR_FIELDS, line)
    verb, identifier, address, name, reach, ureach, rxcost, txcost, rtt, rttcost, cost = match.groups()
    row = Neighbour(
        _address(address),
        _text(name),
        int(reach, 16),
        int(ureach, 16),
        int(rxcost),
        int(txcost),
        int(cost),
        None if rtt is None else float(rtt),
        None if rttcost is None else int(rttcost),
    )
    return Event(verb, b"neighbour", identifier, address + b" " + name, row)


def _xroute(line: bytes) -> Event:
    verb, _, destination, source, metric = _match(_XROUTE, _XROUTE_FIELDS, line).groups()
    row = Xroute(spelt_prefix(destination.decode()), spelt_prefix(source.decode()), int(metric))
    place = destination + b" " + source
    return Event(verb, b"xroute", place, place, row)


_READERS: dict[bytes, Callable[[bytes], Event]] = {
    b"interface": _interface,
    b"neighbour": _neighbour,
    b"xroute": _xroute,
}


@lru_cache(maxsize=1024)
def _text(word: bytes) -> str:
    """Return a name: the same ones come in every line."""
    return printable(word.decode(errors="replace"))


@lru_cache(maxsize=1024)
def _address(word: bytes) -> str:
    return str(ip_address(word.decode()))
