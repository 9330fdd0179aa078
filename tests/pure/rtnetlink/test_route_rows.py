"""Rows that are known by their bytes, and the bytes of addresses, for generated routes."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from intent.resources.route import RTN_NUMBERS, Route, packed

LINKS = {1: "lo", 2: "mesh0", 3: "wan", 70_000: "wan2"}
RTA_DST, RTA_SRC, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_METRICS, RTA_MULTIPATH = 1, 2, 4, 5, 6, 8, 9
RTA_CACHEINFO, RTA_TABLE, RTA_PREF, RTA_EXPIRES, RTA_PREFSRC = 12, 15, 20, 23, 7
NUMBERS = st.integers(0, 0xFFFFFFFF)
ADDRESSES = st.one_of(
    st.integers(0, (1 << 128) - 1),
    st.integers(0, 0xFFFFFFFF).map(lambda low: 0xFFFF << 32 | low),
    st.integers(0, 0xFFFF).map(lambda group: 0x20010DB8 << 96 | group << 80),
    st.lists(st.sampled_from([0, 0, 1, 0xABCD]), min_size=8, max_size=8).map(
        lambda groups: int("".join(f"{group:04x}" for group in groups), 16)
    ),
).map(ipaddress.IPv6Address)
PREFIXES = st.builds(
    lambda address, length: str(ipaddress.IPv6Network((address, length), strict=False)), ADDRESSES, st.integers(0, 128)
)


@given(ADDRESSES)
def test_the_bytes_of_an_address_in_any_form_it_is_written_in(address: ipaddress.IPv6Address) -> None:
    assert packed(str(address)) == packed(address.exploded) == address.packed
    low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    assert packed(f"::ffff:{low}") == ipaddress.IPv6Address(f"::ffff:{low}").packed


@given(PREFIXES)
def test_the_bytes_of_a_prefix(prefix: str) -> None:
    assert packed(prefix.partition("/")[0]) == ipaddress.IPv6Network(prefix).network_address.packed


@st.composite
def routes(draw: st.DrawFn) -> Route:
    """A desired route of any sort."""
    kind = draw(st.sampled_from(["unicast"] * 4 + ["unreachable", "blackhole", "prohibit", "throw"]))
    unicast = kind == "unicast"
    return Route(
        routing_table=draw(st.sampled_from([1, 10, 252, 254, 255, 256, 1000, 0xFFFFFFFF])),
        destination=draw(st.just("::/0") | PREFIXES),
        source=draw(st.just("::/0") | PREFIXES),
        metric=draw(st.sampled_from([1, 512, 1024, 0xFFFFFFFF])),
        kind=kind,
        link=draw(st.sampled_from([*LINKS.values()])) if unicast else None,
        gateway=draw(st.none() | ADDRESSES.map(str)) if unicast else None,
        protocol=draw(st.sampled_from([242, 241, 243, 4])),
    )


def attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def prefix(kind: int, text: str) -> list[bytes]:
    network = ipaddress.IPv6Network(text)
    return [attribute(kind, network.network_address.packed)] if network.prefixlen else []


def row(route: Route, flags: int = 0, more: Sequence[bytes] = (), tail: bytes | None = None, tos: int = 0) -> bytes:
    """Return the payload of RTM_NEWROUTE as rt6_fill_node makes it; ``more`` is what comes before the metric."""
    table = route.routing_table if route.routing_table < 256 else 252
    lengths = (ipaddress.IPv6Network(one).prefixlen for one in (route.destination, route.source))
    head = struct.pack("=BBBBBBBBI", 10, *lengths, tos, table, route.protocol, 0, RTN_NUMBERS[route.kind], flags)
    index = next((index for index, name in LINKS.items() if name == route.link), 1)
    parts = [
        *(head, number(RTA_TABLE, route.routing_table)),
        *(*prefix(RTA_DST, route.destination), *prefix(RTA_SRC, route.source)),
        *(*more, number(RTA_PRIORITY, route.metric)),
        *([] if route.gateway is None else [attribute(RTA_GATEWAY, packed(route.gateway))]),
        *(number(RTA_OIF, index), attribute(RTA_CACHEINFO, bytes(32)) if tail is None else tail),
        attribute(RTA_PREF, b"\0"),
    ]
    return b"".join(parts)


def hops(route: Route, count: int) -> bytes:
    """Return RTA_MULTIPATH with that many next hops, the first the route's."""
    way = b"" if route.gateway is None else attribute(RTA_GATEWAY, packed(route.gateway))
    return attribute(RTA_MULTIPATH, (struct.pack("=HBBI", 8 + len(way), 0, 0, 2) + way) * count)


@given(st.lists(routes(), min_size=1, max_size=5), NUMBERS, st.binary(min_size=32, max_size=32))
def test_each_unicast_route_that_is_as_desired_is_known_by_its_bytes(
    desired: list[Route], flags: int, cache: bytes
) -> None:
    by_key = {one.key: one for one in desired}
    find = Route.expected(by_key.items(), LINKS)
    for key, one in by_key.items():
        told = row(one, flags, tail=attribute(RTA_CACHEINFO, cache))
        assert Route.decode(told, LINKS) == one
        # Nothing but speed is lost where one is decoded; those that there may be 100,000 of are not.
        assert find(told) == (key if one.kind == "unicast" else None)


@given(st.lists(routes(), min_size=1, max_size=4), st.data())
def test_what_is_known_by_its_bytes_would_be_decoded_as_the_same(desired: list[Route], data: st.DataObject) -> None:
    by_key = {one.key: one for one in desired}
    find = Route.expected(by_key.items(), LINKS)
    one = data.draw(st.sampled_from(desired))
    other = data.draw(routes())
    fields = data.draw(
        st.sets(st.sampled_from(["routing_table", "destination", "source", "metric", "protocol", "gateway", "link"]))
    )
    mixed = replace(one, **{field: getattr(other, field) for field in fields})
    more = data.draw(
        st.lists(
            st.sampled_from(
                [
                    attribute(RTA_METRICS, number(2, 1300)),
                    attribute(RTA_PREFSRC, bytes(16)),
                    number(RTA_EXPIRES, 9),
                    number(RTA_OIF, 2),
                    number(RTA_OIF, 3),
                    attribute(RTA_GATEWAY, bytes(15) + b"\1"),
                    attribute(RTA_DST, bytes(16)),
                    attribute(RTA_SRC, bytes(16)),
                    hops(one, 1),
                    hops(one, 2),
                ]
            ),
            max_size=2,
        )
    )
    told = bytearray(row(mixed, data.draw(NUMBERS), more, tos=data.draw(st.sampled_from([0, 0, 4]))))
    for _ in range(data.draw(st.integers(0, 2))):
        told[data.draw(st.integers(0, len(told) - 1))] = data.draw(st.integers(0, 255))
    key = find(bytes(told))
    if key is not None:
        found = Route.decode(bytes(told), LINKS)
        assert found is not None
        assert found == by_key[key]
        assert found.key == key


@given(st.lists(routes(), max_size=3), st.binary(max_size=160))
def test_no_bytes_raise(desired: list[Route], told: bytes) -> None:
    Route.expected(((one.key, one) for one in desired), LINKS)(told)
