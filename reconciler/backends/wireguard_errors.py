"""What both ways to a WireGuard say when something cannot be done; never with a key in it that is secret."""

from __future__ import annotations

from collections.abc import Sequence

from intent.resources.resource import Request
from intent.resources.wireguard_requests import SetDevice, SetPeer
from reconciler.core.errors import BackendError, OccupiedError, UnsupportedError

Results = list[BackendError | None]


def about(request: Request) -> str:
    """Return what a request changes, for the beginning of an error."""
    if isinstance(request, SetPeer):
        return f"wireguard {request.link} peer {request.public_key}: {'remove' if request.remove else 'set'}"
    if isinstance(request, SetDevice):
        return f"wireguard {request.link}: configure"
    return repr(request)


def of_each(requests: Sequence[Request], error: BackendError) -> Results:
    """Return an error of the same type for each request, naming it."""
    return [type(error)(f"{about(request)}: {error}") for request in requests]


def port_taken(request: SetDevice) -> OccupiedError:
    """Return the error for a UDP port that is in use."""
    return OccupiedError(
        f"wireguard {request.link}: UDP port {request.listen_port} is in use; `ss -ulnp` shows by what: "
        "stop that, or choose another listen_port"
    )


def not_there(request: Request) -> UnsupportedError:
    """Return the error for a link that neither the kernel nor a userspace program makes a WireGuard."""
    return UnsupportedError(
        f"{about(request)}: the kernel has no WireGuard (module wireguard) and no userspace WireGuard answers "
        "for this link; `modprobe wireguard`, or install wireguard-go and choose it"
    )
