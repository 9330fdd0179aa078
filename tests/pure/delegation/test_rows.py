"""Rows as the kernel gives them of what each DHCPv6 client leaves, and of what is none of theirs."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address, IPv6Network

import pytest

from intent.resources import netlink
from intent.resources.netlink import Body
from intent.resources.route import RTA_DST, RTA_PRIORITY, RTA_SRC, RTA_TABLE
from reconciler.backends.delegated_prefixes import IFA_ADDRESS, IFA_FLAGS, HeldAddress, address, route

IPV6, UNREACHABLE, UNICAST, BLACKHOLE = 10, 7, 1, 6
BOOT, STATIC, RA, DHCP, BABEL, HELD = 3, 4, 9, 16, 42, 241


def flat(body: Body) -> bytes:
    return b"".join(part for part in body if isinstance(part, bytes))


def row(
    prefix: str,
    protocol: int,
    metric: int,
    *,
    kind: int = UNREACHABLE,
    table: int = 254,
    source: str | None = None,
) -> bytes:
    whole = IPv6Network(prefix)
    length = 0 if source is None else IPv6Network(source).prefixlen
    header = struct.pack("=BBBBBBBBI", IPV6, whole.prefixlen, length, 0, min(table, 252), protocol, 0, kind, 0)
    parts: list[bytes] = [header, flat(netlink.u32(RTA_TABLE, table))]
    parts.append(flat(netlink.attribute(RTA_DST, whole.network_address.packed)))
    if source is not None:
        parts.append(flat(netlink.attribute(RTA_SRC, IPv6Network(source).network_address.packed)))
    parts.append(flat(netlink.u32(RTA_PRIORITY, metric)))
    return b"".join(parts)


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ("netifd for odhcp6c", row("2001:db8:42::/56", STATIC, 2147483647)),
        ("dhcpcd", row("2001:db8:42::/56", DHCP, 1003)),
        ("an older dhcpcd", row("2001:db8:42::/56", BOOT, 1024)),
        ("systemd-networkd", row("2001:db8:42::/56", DHCP, 1024)),
    ],
)
def test_what_each_client_leaves_is_a_delegated_prefix(client: str, told: bytes) -> None:
    assert route(told) == IPv6Network("2001:db8:42::/56"), client


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(row("2001:db8:42::/56", STATIC, 1024, kind=UNICAST), id="a way to somewhere"),
        pytest.param(row("2001:db8:42::/56", STATIC, 1024, kind=BLACKHOLE), id="a black hole"),
        pytest.param(row("2001:db8:42::/56", STATIC, 1024, table=10), id="in another table"),
        pytest.param(row("2001:db8:42::/56", BABEL, 1024), id="of a routing protocol"),
        pytest.param(row("2001:db8:42::/56", HELD, 1024), id="of our own"),
        pytest.param(row("2001:db8:42::/56", RA, 1024), id="by a router advertisement"),
        pytest.param(row("2001:db8:42::/56", STATIC, 1024, source="2001:db8::/32"), id="for some sources"),
    ],
)
def test_other_routes_are_none(told: bytes) -> None:
    assert route(told) is None


@pytest.mark.parametrize(
    ("flags", "deprecated", "permanent"),
    [(0x80, False, True), (0x20, True, False), (0xA0, True, True), (0, False, False)],
)
def test_an_address_says_whether_it_is_deprecated_and_has_a_lifetime(
    flags: int, deprecated: bool, permanent: bool
) -> None:
    one = IPv6Address("2001:db8:42::1")
    told = struct.pack("=BBBBI", IPV6, 64, flags & 0xFF, 0, 2)
    told += flat(netlink.attribute(IFA_ADDRESS, one.packed)) + flat(netlink.u32(IFA_FLAGS, flags))
    assert address(told, {2: "lan"}) == HeldAddress(one, 64, "lan", deprecated, permanent)
