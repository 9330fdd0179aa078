"""How WireGuard's keys, prefixes and endpoints are written, so that equal things compare equal."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

from intent import ip_text

KEY_BYTES = 32


class Endpoint(NamedTuple):
    """Where a peer is reached: an IP address, link-local ones with ``%link``, and a UDP port."""

    address: str
    port: int

    def __str__(self) -> str:
        """Return it as ``wg`` writes it, IPv6 addresses in brackets."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def endpoint(address: str, port: int) -> Endpoint:
    """Return the endpoint that is asked for, in its one spelling. Raises ValueError when it cannot be one."""
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no UDP port; ports are 1 to 65535")
    return spelled(address, port)


def spelled(address: str, port: int) -> Endpoint:
    """Return any endpoint in its one spelling; IPv4 mapped into IPv6 becomes IPv4. Raises ValueError."""
    if ip_text.is_common_address(address):
        return Endpoint(address, port)
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return Endpoint(str(mapped or parsed), port)


def prefix(text: str) -> str:
    """Return a prefix in its one spelling: host bits zero, IPv6 as in RFC 5952, always with its length.

    Raises ValueError for what is no prefix.
    """
    known = ip_text.prefix6(text) if ":" in text else ip_text.prefix4(text)
    return str(ipaddress.ip_network(text, strict=False)) if known is None else known


def prefixes(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the prefixes in their one spelling, each once, in the order in which peers hold and compare them."""
    return tuple(sorted({prefix(text) for text in texts}))


def key_bytes(text: str) -> bytes:
    """Return the 32 bytes of a key in base64, as ``wg pubkey`` prints it.

    Raises ValueError, which does not quote the text: it may be a private key by mistake.
    """
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != KEY_BYTES:
        raise ValueError("a WireGuard key is 32 bytes in base64: 44 characters, the last one =")
    return value


def key_text(value: bytes) -> str:
    """Return a key in base64."""
    return base64.b64encode(value).decode()
