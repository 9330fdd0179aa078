"""How a part of the fake says no: with an errno, as the kernel does."""

from __future__ import annotations

from intent.resources.netlink import Body
from reconciler.backends.netlink_socket import Refusal
from reconciler.core.errors import BackendError


class Refused(Exception):
    """The kernel's no: a positive errno and, where it gives one, its reason."""

    def __init__(self, number: int, reason: str = "") -> None:
        super().__init__(number, reason)
        self.refusal = Refusal(number, reason)

    def error(self, about: str) -> BackendError:
        """Return the error that the real backend makes of this errno."""
        return self.refusal.error(about)


def encoded(parts: Body) -> bytes:
    """Return the bytes of a body that names no links."""
    return b"".join(part for part in parts if isinstance(part, bytes))
