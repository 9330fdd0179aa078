"""Who may ask: those on the link, and those whose address is one of the mesh.

A source address is easily forged, and an answer is much longer than what asks for it. Routers pass on no packet from a
link-local address (RFC 4291, section 2.5.6), so that one is from the link. Any other may be that of somebody anywhere
who has not asked.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping

from reconciler.services.statistics.figures import Figures

_UNIQUE_LOCAL = "fc00::/7"
"""RFC 4193: nobody on the Internet has one."""
_Range = tuple[int, int]
"""The bits of a prefix, and which of them count."""


def packed(address: str) -> bytes:
    """Return the 16 bytes of an IPv6 address as a socket gives it, perhaps with an interface."""
    return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])


def is_near(address: bytes) -> bool:
    """Return whether it is an address of a link, fe80::/10."""
    return address[0] == 0xFE and address[1] & 0xC0 == 0x80


class Sources:
    """The addresses of the mesh.

    They are in its prefixes. Where the settings have none, they are the unique local ones, and those in the /64 of an
    own address on the interfaces that are answered on.
    """

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._written = _ranges(figures.settings.mesh_prefixes)
        self._unique_local = _ranges([_UNIQUE_LOCAL])
        self._seen: Mapping[str, tuple[str, ...]] | None = None
        self._beside: tuple[_Range, ...] = ()

    def has(self, address: bytes) -> bool:
        """Return whether an address is one of the mesh."""
        number = int.from_bytes(address, "big")
        if self._written:
            return _any(self._written, number)
        return _any(self._unique_local, number) or _any(self._beside_own(), number)

    def _beside_own(self) -> tuple[_Range, ...]:
        seen = self._figures.addresses()
        if seen is not self._seen:
            settings = self._figures.settings.respondd
            own = [one for name in (settings.interfaces if settings else ()) for one in seen.get(name, ())]
            # 64 bits are those of a link (RFC 4291, section 2.5.4).
            links = (f"{one}/64" for one in own if ":" in one and not is_near(packed(one)))
            self._seen, self._beside = seen, _ranges(links)
        return self._beside


def _ranges(prefixes: Iterable[str]) -> tuple[_Range, ...]:
    found = [ipaddress.IPv6Network(one, strict=False) for one in prefixes]
    return tuple((int(one.network_address), int(one.netmask)) for one in found)


def _any(ranges: Iterable[_Range], number: int) -> bool:
    return any(number & mask == bits for bits, mask in ranges)
