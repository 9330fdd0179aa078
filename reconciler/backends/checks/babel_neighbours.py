"""Neighbours that babel can send to."""

from __future__ import annotations

import re
from typing import NamedTuple

from intent.checks import BabelNeighbours
from intent.resources.babel_wire import INFINITY
from reconciler.backends.babeld_client import dump_lines
from reconciler.core.checks import CheckResult, Method

_NEIGHBOUR = re.compile(rb"add neighbour \S+ address (\S+) if (\S+) (?:.* )?cost (\d+)(?: |$)")


class Neighbour(NamedTuple):
    """A neighbour of babel: its link-local address, the interface to it, and whether it can be sent to."""

    address: str
    interface: str
    usable: bool


def look(socket: str, timeout_seconds: float) -> list[Neighbour]:
    """Return the neighbours that the babeld at a socket knows. Raises BackendError, in time."""
    return [found for line in dump_lines(socket, timeout_seconds) if (found := read(line)) is not None]


def read(line: bytes) -> Neighbour | None:
    """Return the neighbour in a line of babeld's dump, None in any other line."""
    match = _NEIGHBOUR.match(line)
    if match is None:
        return None
    return Neighbour(match[1].decode(errors="replace"), match[2].decode(errors="replace"), int(match[3]) < INFINITY)


def count(check: BabelNeighbours) -> CheckResult:
    """Count the neighbours that can be sent to, each interface to one for itself."""
    known = {
        neighbour
        for neighbour in look(check.socket, check.timeout_seconds)
        if check.interface in (None, neighbour.interface)
    }
    usable = sum(neighbour.usable for neighbour in known)
    on = "" if check.interface is None else f" on {check.interface}"
    if usable >= check.count:
        return CheckResult(check, True, f"babel has {usable}{on}")
    deaf = len(known) - usable
    others = f" and {deaf} that it cannot send to" if deaf else ""
    advice = "see that the links carry packets, and that babel speaks at their other ends"
    return CheckResult(check, False, f"babel has {usable}{on}{others}, {check.count} are needed; {advice}")


METHOD = Method(
    kind=BabelNeighbours,
    carry_out=count,
    when_it_hangs="babeld does not answer: it is stopped or busy, or has four clients already; look at its log",
)
