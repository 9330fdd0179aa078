"""What is waited for at a babeld: that it announces a route, or does so no more."""

from __future__ import annotations

from dataclasses import dataclass

from intent.resources.resource import Request


@dataclass(frozen=True, slots=True)
class AwaitXroute(Request):
    """Wait until babeld announces the route, with this metric unless it is None."""

    socket: str
    destination: str
    source: str
    metric: int | None = None
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class AwaitWithdrawal(Request):
    """Wait until babeld announces the route no more, or with the metric 65534, which makes neighbours drop it.

    In the latter case wait another ``linger_seconds``, so that neighbours have heard it before the route goes: most
    versions do not tell them about one that is simply gone. A babeld that does not run announces nothing. ``socket``
    None means every babeld that the last look saw. ``retracted`` means that only the metric 65534 counts: babeld has
    forgotten the route, its neighbours have not.
    """

    socket: str | None
    destination: str
    source: str
    timeout_seconds: float = 5.0
    linger_seconds: float = 1.0
    retracted: bool = False
