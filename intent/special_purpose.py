"""Which IPv6 prefixes the Internet routes (the IANA registries of IPv6 unicast and special-purpose addresses)."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import NamedTuple

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_UNIQUE_LOCAL = IPv6Network("fc00::/7")
_SPECIAL_PURPOSE = (
    (IPv6Network("2001:db8::/32"), "documentation (RFC 3849)"),
    (IPv6Network("3fff::/20"), "documentation (RFC 9637)"),
    (IPv6Network("2001::/32"), "Teredo (RFC 4380)"),
    (IPv6Network("2001::/23"), "protocol assignments of the IETF (RFC 2928)"),
    (IPv6Network("2002::/16"), "6to4 (RFC 3056)"),
    (IPv6Network("2620:4f:8000::/48"), "the AS112 service (RFC 7534)"),
)


class Unrouted(NamedTuple):
    """Why the Internet does not route a prefix, in words that go on after the prefix.

    ``for_tests`` says that a test or a closed network may use it all the same.
    """

    words: str
    for_tests: bool


def unrouted(prefix: IPv6Network, special_allowed: bool) -> Unrouted | None:
    """Return why the Internet does not route a prefix, ``None`` where it does.

    Where ``special_allowed``, prefixes for special purposes and unique local ones are as good.
    """
    allowed = (_GLOBAL_UNICAST, _UNIQUE_LOCAL) if special_allowed else (_GLOBAL_UNICAST,)
    if not any(prefix.subnet_of(block) for block in allowed):
        unique_local = prefix.subnet_of(_UNIQUE_LOCAL)
        kind = "unique local addresses, which the Internet does not route" if unique_local else "not global unicast"
        return Unrouted(f"is {kind}: no answer could come back", unique_local)
    for block, purpose in () if special_allowed else _SPECIAL_PURPOSE:
        if prefix.overlaps(block):
            inside = "is inside" if prefix.subnet_of(block) else "contains"
            return Unrouted(f"{inside} {block}, which is for {purpose}", True)
    return None
