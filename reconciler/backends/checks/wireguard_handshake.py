"""WireGuard handshakes that are recent."""

from __future__ import annotations

from intent.checks import WireGuardHandshake
from intent.durations import spelled
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_rows import TABLE
from reconciler.backends.wireguard import WireGuard
from reconciler.core.backend import Dump
from reconciler.core.checks import CheckResult, Method
from reconciler.core.errors import BackendError, StaleError

_ADVICE = "see that keys and endpoint are right, that UDP gets through, and that either side sends something"


def look(interface: str) -> list[WireGuardPeer]:
    """Return the peers of an interface. Raises BackendError, StaleError where there is no such interface."""
    backend = WireGuard()
    try:
        dump = backend.dump({TABLE: frozenset({interface})})[TABLE]
    finally:
        backend.close()
    if isinstance(dump, BackendError):
        raise dump
    assert isinstance(dump, Dump)  # noqa: S101 - there is nothing else
    rows = list(dump.rows)
    if not rows:
        raise StaleError(f"there is no WireGuard interface {interface}; look at what `stellwerk plan` says about it")
    return [peer for row in rows if (peer := WireGuardPeer.decode(row, dump.context)) is not None]


def judge(check: WireGuardHandshake) -> CheckResult:
    """Hold the newest handshake against the age that is allowed."""
    peers = [peer for peer in look(check.interface) if check.peer in (None, peer.public_key)]
    if not peers:
        which = "no peers" if check.peer is None else "no such peer"
        return CheckResult(
            check, False, f"{check.interface} has {which}; look at what `stellwerk plan` says about them"
        )
    ages = [int(peer.handshake_age) for peer in peers if peer.handshake_age is not None]
    if not ages:
        return CheckResult(check, False, f"there was no handshake yet; {_ADVICE}")
    if min(ages) > check.not_older_than_seconds:
        return CheckResult(check, False, f"the last handshake was {spelled(min(ages))} ago; {_ADVICE}")
    return CheckResult(check, True, f"the last handshake was {spelled(min(ages))} ago")


METHOD = Method(
    kind=WireGuardHandshake,
    carry_out=judge,
    when_it_hangs="the program behind the interface, such as wireguard-go, does not answer; restart it",
)
