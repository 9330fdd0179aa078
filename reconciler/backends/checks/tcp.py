"""A TCP connection that is accepted."""

from __future__ import annotations

import socket
import time

from intent.checks import TcpPort
from reconciler.core.checks import CheckResult, Method

_SHORTEST_SECONDS = 0.1


def connect(check: TcpPort) -> CheckResult:
    """Connect to one address of the host after the other until one accepts; they share the time."""
    deadline = time.monotonic() + check.timeout_seconds
    try:
        found = socket.getaddrinfo(check.host, check.port, type=socket.SOCK_STREAM)
    except OSError as exc:
        return CheckResult(check, False, f"{check.host} has no address: {exc.strerror}; look at /etc/resolv.conf")
    failures = []
    for number, (family, kind, protocol, _, address) in enumerate(found):
        share = (deadline - time.monotonic()) / (len(found) - number)
        try:
            with socket.socket(family, kind, protocol) as endpoint:
                endpoint.settimeout(max(share, _SHORTEST_SECONDS))
                endpoint.connect(address)
        except OSError as exc:
            failures.append(f"{address[0]}: {_words(exc)}")
            continue
        return CheckResult(check, True, f"{address[0]} accepts connections")
    advice = "see that it listens there, and that no firewall is in between"
    return CheckResult(check, False, f"{', '.join(failures)}; {advice}")


def _words(exc: OSError) -> str:
    return "no answer" if isinstance(exc, TimeoutError) else str(exc.strerror or exc).lower()


METHOD = Method(
    kind=TcpPort,
    carry_out=connect,
    when_it_hangs="the name servers in /etc/resolv.conf do not answer, or all addresses are out of reach",
)
