"""A look that finds nothing new is known as such, one that does is not, and no peer is read twice for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.resources.wireguard_layout import Layout
from intent.resources.wireguard_names import Endpoint
from intent.resources.wireguard_peer import WireGuardPeer
from intent.resources.wireguard_rows import (
    HANDSHAKE_STALE_AFTER_SECONDS,
    NetlinkDeviceRow,
    NetlinkPeerRow,
    PeerMemory,
    PortRow,
    UapiDeviceRow,
    UapiPeerRow,
    WireGuardContext,
)
from reconciler.backends.wireguard_netlink import KernelRows
from reconciler.backends.wireguard_uapi import UserspaceRows
from tests.pure.wireguard.answers import Passing, answered, lines, messages, passings, secrets
from tests.pure.wireguard.strategies import LINK, peers

Told = Sequence[tuple[WireGuardPeer, Passing]]
Rows = KernelRows | UserspaceRows
KEY = b"k" * 32
NOW = 1000.0
STALE_BEFORE = NOW - HANDSHAKE_STALE_AFTER_SECONDS


def kernel(told: Told) -> KernelRows:
    dumped = messages(KEY, told)
    return KernelRows(LINK, dumped, [Layout.of(message) for message in dumped], STALE_BEFORE)


def userspace(told: Told) -> UserspaceRows:
    return UserspaceRows(LINK, lines(told), STALE_BEFORE)


each_way = pytest.mark.parametrize("look", [kernel, userspace])


def read(
    rows: Iterable[object], memory: PeerMemory | None = None, names: dict[int, str] | None = None
) -> list[WireGuardPeer]:
    context = WireGuardContext(NOW, names or {}, memory or PeerMemory())
    return [peer for row in rows if (peer := WireGuardPeer.decode(row, context)) is not None]


def plain(letter: str, **fields: Any) -> WireGuardPeer:
    return WireGuardPeer(link=LINK, public_key=letter * 42 + "A=", persistent_keepalive=0, **fields)


def stale(told: Told) -> list[bool]:
    return [passing.handshake < STALE_BEFORE for _, passing in told]


@each_way
@given(answered)
def test_peers_read_back(look: Callable[[Told], Rows], told: Told) -> None:
    found = read(look(told))
    assert found == [peer for peer, _ in told]
    assert [peer.stale() for peer in found] == stale(told)


@each_way
@given(st.data())
def test_counters_and_times_do_not_count_but_for_what_is_stale(
    look: Callable[[Told], Rows], data: st.DataObject
) -> None:
    told = data.draw(answered)
    later = [(peer, data.draw(passings)) for peer, _ in told]
    assert (look(told).digest == look(later).digest) == (stale(told) == stale(later))


@each_way
@given(answered.filter(bool), st.data())
def test_whatever_else_changes_counts(look: Callable[[Told], Rows], told: Told, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(told) - 1))
    other = data.draw(peers)
    field = data.draw(
        st.sampled_from(["preshared_key", "endpoint", "allowed_ips", "persistent_keepalive", "public_key"])
    )
    changed = replace(told[at][0], **{field: getattr(other, field)})
    new = [*told[:at], (changed, told[at][1]), *told[at + 1 :]]
    assert (look(told).digest == look(new).digest) == (changed == told[at][0])
    assert look(told).digest != look(told[:at]).digest


def test_the_order_in_which_wireguard_go_tells_its_peers_does_not_count() -> None:
    told = [(plain("A"), Passing()), (plain("B"), Passing(5))]
    assert userspace(told).digest == userspace(told[::-1]).digest


def test_a_program_that_writes_in_another_order_is_understood() -> None:
    before, after = (
        UserspaceRows(
            LINK,
            f"public_key={'ab' * 32}\nrx_bytes={count}\ntx_bytes=0\nlast_handshake_time_sec=990\n".encode(),
            STALE_BEFORE,
        )
        for count in (1, 2)
    )
    assert before.digest != after.digest
    assert read(before) == read(after)
    assert read(after)[0].handshake_age == 10.0


@given(secrets, answered, st.data())
def test_a_layout_fits_exactly_where_nothing_that_counts_differs(key: bytes, told: Told, data: st.DataObject) -> None:
    (message, *_) = messages(key, told)
    layout = Layout.of(message)
    zeros, ones = (
        messages(key, [(peer, passing) for peer, _ in told])[0]
        for passing in (Passing(), Passing(-1, -1, 2**64 - 1, 2**64 - 1))
    )
    for other in (zeros, ones):
        assert layout.fits(other)
        assert Layout.of(other) == layout
    at = data.draw(st.integers(0, len(message) - 1))
    flipped = bytearray(message)
    flipped[at] ^= data.draw(st.integers(1, 255))
    assert layout.fits(bytes(flipped)) == (zeros[at] != ones[at])
    assert not layout.fits(message + bytes(4))


@each_way
def test_only_the_peer_that_changed_is_read_again(look: Callable[[Told], Rows]) -> None:
    told = [(plain(letter, allowed_ips=("fd00::/16",)), Passing(900)) for letter in "ABCDE"]
    memory = PeerMemory()
    first = read(look(told), memory)
    told = [(peer, Passing(950, 1, 2, 3)) for peer, _ in told]
    told[2] = replace(told[2][0], allowed_ips=("fdff::/16",)), told[2][1]
    told[4] = told[4][0], Passing(1)
    memory = memory.next()
    second = read(look(told), memory)
    assert [one is other for one, other in zip(first, second, strict=True)] == [True, True, False, True, False]
    assert second[2].allowed_ips == ("fdff::/16",)
    assert second[4].stale()
    # What is remembered goes from look to look, and what is not seen any more is forgotten.
    memory.settle()
    memory = memory.next()
    third = read(look(told[:2]), memory)
    assert [one is other for one, other in zip(third, first, strict=False)] == [True, True]
    memory = memory.next()
    assert read(look(told[2:]), memory)[0] is not second[2]


def test_an_endpoint_on_a_link_is_read_anew_since_links_are_renamed() -> None:
    peer = plain("A", endpoint=Endpoint("fe80::1%mesh0", 5))
    memory = PeerMemory()
    for name in ("mesh0", "mesh1"):
        (found,) = read(kernel([(peer, Passing())]), memory, {7: name})
        assert found.endpoint == Endpoint(f"fe80::1%{name}", 5)
        memory = memory.next()


@each_way
def test_rows_can_be_gone_through_twice_and_begin_with_the_interface(look: Callable[[Told], Rows]) -> None:
    rows = look([(plain("A"), Passing())])
    first, second = list(rows), list(rows)
    assert first == second
    assert [type(row) for row in first] in (
        [NetlinkDeviceRow, PortRow, NetlinkPeerRow],
        [UapiDeviceRow, PortRow, UapiPeerRow],
    )


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x00\x00\x00",
        b"\xff\xff\x08\x00",
        b"\x08\x00\x08\x80\xff\xff\x00\x00",
        b"\x08\x00\x08\x80\x04\x00\x00\x80",
        b"\x10\x00\x08\x80\x0c\x00\x00\x80\x08\x00\x06\x00\x00\x00\x00\x00",
    ],
    ids=["no length", "a long attribute", "a long peer", "a peer without a key", "a short time"],
)
def test_junk_is_a_value_error(junk: bytes) -> None:
    with pytest.raises(ValueError, match=r"length|key|bytes"):
        Layout.of(junk)
