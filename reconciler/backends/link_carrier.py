"""Whether an interface can carry packets: the flags of netdevice(7)."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from typing import Any, ClassVar

from intent.fitness import Carrier, LinkCarrier
from intent.references import Reference
from reconciler.backends.references import Resolution, Resolver
from reconciler.core.errors import UnreachableError

SIOCGIFFLAGS = 0x8913
IFF_UP = 0x1
IFF_RUNNING = 0x40
"""Up, and its operational state is up or unknown: many drivers know none (Documentation/networking/operstates.rst)."""
_IFREQ = struct.Struct("=16sh22x")


def flags(name: str) -> int | None:
    """Return the flags of an interface in the network namespace of the caller, ``None`` when there is none.

    Raises UnreachableError when they cannot be seen.
    """
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as endpoint:
            answer = fcntl.ioctl(endpoint, SIOCGIFFLAGS, _IFREQ.pack(name.encode(), 0))
    except OSError as exc:
        if exc.errno in (errno.ENODEV, errno.ENXIO):
            return None
        raise UnreachableError(f"the state of {name} cannot be seen: {exc.strerror or exc}") from exc
    found: int = _IFREQ.unpack(answer)[1]
    return found


class LinkCarriers(Resolver[LinkCarrier]):
    """Resolves whether interfaces are up and have a carrier."""

    reference_types: ClassVar[tuple[type[Reference[Any]], ...]] = (LinkCarrier,)

    def resolve(self, reference: LinkCarrier) -> Resolution:
        """Return what the flags say. Raises UnreachableError."""
        found = flags(reference.name)
        if found is None or found & IFF_RUNNING:
            return Resolution(Carrier.READY)
        if not found & IFF_UP:
            return Resolution(Carrier.READY if reference.made_here else Carrier.DOWN)
        return Resolution(Carrier.MISSING)


RESOLVER = LinkCarriers
