"""The netlink socket on kernels that lack what it would like, and the looks that need it."""

from __future__ import annotations

import errno
import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.resources import netlink
from intent.resources.netlink import NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR
from intent.resources.route import RTA_TABLE, RTM_NEWROUTE
from reconciler.backends import uplinks
from reconciler.backends.netlink_socket import (
    NETLINK_CAP_ACK,
    NETLINK_EXT_ACK,
    NETLINK_GET_STRICT_CHK,
    SOL_NETLINK,
    Answers,
    NetlinkSocket,
    _alike,
    _split,
)
from reconciler.backends.rtnetlink import RTM_GETROUTE, Rtnetlink
from reconciler.core.backend import Dump
from reconciler.core.errors import BackendError, DeniedError, UnreachableError

RTA_OIF = 4
RTPROT_BOOT = 3


class OldSocket:
    """A netlink socket that lacks an option and hears nothing."""

    lacking: frozenset[int] = frozenset()
    error = errno.ENOPROTOOPT
    open = 0

    def __init__(self, *arguments: int) -> None:
        type(self).open += 1

    def settimeout(self, seconds: float) -> None:
        pass

    def bind(self, address: tuple[int, int]) -> None:
        pass

    def getsockname(self) -> tuple[int, int]:
        return 1, 0

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if level == SOL_NETLINK and option in self.lacking:
            raise OSError(self.error, os.strerror(self.error))

    def send(self, data: bytes) -> None:
        raise PermissionError(errno.EPERM, "not for you")

    def close(self) -> None:
        type(self).open -= 1


def route(table: int, protocol: int = 242, link: int | None = None) -> tuple[int, bytes]:
    """Return the row of a default route."""
    data = struct.pack("=BBBBBBBBI", 10, 0, 0, 0, table if table < 256 else 252, protocol, 0, 1 if link else 7, 0)
    parts = netlink.u32(RTA_TABLE, table) + (netlink.u32(RTA_OIF, link) if link else ())
    return RTM_NEWROUTE, data + b"".join(part for part in parts if isinstance(part, bytes))


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> type[OldSocket]:
    class Old(OldSocket):
        pass

    monkeypatch.setattr(socket, "socket", Old)
    return Old


@pytest.mark.parametrize(
    "lacking",
    [
        {NETLINK_GET_STRICT_CHK},
        {NETLINK_GET_STRICT_CHK, NETLINK_EXT_ACK},
        {NETLINK_GET_STRICT_CHK, NETLINK_EXT_ACK, NETLINK_CAP_ACK},
    ],
    ids=["before 4.20", "before 4.12", "before 4.3"],
)
def test_a_kernel_that_lacks_what_only_helps_is_asked_all_the_same(lacking: set[int], old: type[OldSocket]) -> None:
    old.lacking = frozenset(lacking)
    with pytest.raises(DeniedError, match="as root"):
        NetlinkSocket(socket.NETLINK_ROUTE).dump(26, b"")


def test_a_kernel_that_looks_at_all_tables_shows_those_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without strict checking a dump of one routing table is one of all of them."""
    rows = [route(1000), route(254), route(7)]
    found = Answers([message(kind, payload) for kind, payload in rows])
    nothing = Answers([message(NLMSG_DONE, bytes(4))])
    monkeypatch.setattr(NetlinkSocket, "look", lambda self, kind, _: found if kind == RTM_GETROUTE else nothing)
    monkeypatch.setattr(NetlinkSocket, "strict", False, raising=False)
    dump = Rtnetlink().dump({"route": frozenset({7, 1000})})["route"]
    assert isinstance(dump, Dump)
    assert sorted(dump.rows) == sorted([route(7)[1], route(1000)[1]])
    other = Rtnetlink().dump({"route": frozenset({7})})["route"]
    assert isinstance(other, Dump)
    assert other.digest != dump.digest, "of the same answers other rows count"


lengths = st.integers(0, 6).map(lambda words: 4 * words)
kinds = st.sampled_from([RTM_NEWROUTE, RTM_NEWROUTE, RTM_NEWROUTE, NLMSG_DONE, NLMSG_ERROR])
flags = st.sampled_from([2, 2, 2, 2 | NLM_F_DUMP_INTR])


@given(st.lists(st.tuples(kinds, lengths, flags, st.binary(min_size=24, max_size=24)), min_size=1, max_size=6))
def test_a_datagram_that_is_taken_as_a_whole_has_nothing_but_rows(parts: list[tuple[int, int, int, bytes]]) -> None:
    data = b"".join(message(kind, noise[:length], flag) for kind, length, flag, noise in parts)
    plain = all(kind == RTM_NEWROUTE and flag == 2 for kind, _, flag, _ in parts)
    one_length = len({length for _, length, _, _ in parts}) == 1
    assert _alike(data) == (plain and one_length)


@given(st.integers(1, 9), st.integers(0, 6), st.binary(max_size=64))
def test_no_bytes_are_taken_for_rows_that_are_none(count: int, words: int, tail: bytes) -> None:
    rows = message(RTM_NEWROUTE, bytes(4 * words)) * count
    data = rows + tail
    if _alike(data):
        assert {(kind, len(payload)) for kind, _, _, payload in _split(data)} == {(RTM_NEWROUTE, 4 * words)}
        assert len(list(_split(data))) == len(data) // (16 + 4 * words)


def message(kind: int, payload: bytes, flags: int = 2) -> bytes:
    """Return a message of a dump's answer."""
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, 0, 77) + payload + bytes(-len(payload) % 4)


def test_a_default_route_that_nobody_advertised_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [route(254, protocol=RTPROT_BOOT, link=1)]
    monkeypatch.setattr(NetlinkSocket, "dump", lambda self, kind, payload: rows)
    monkeypatch.setattr(uplinks, "_accept_ra", lambda link: "1")
    assert uplinks.advertised() == ()
    rows[:] = [route(254, protocol=uplinks.RTPROT_RA, link=1)]
    assert uplinks.advertised() == ("lo",)


def test_another_error_of_an_option_is_told(old: type[OldSocket]) -> None:
    old.lacking, old.error = frozenset({NETLINK_EXT_ACK}), errno.EBADF
    with pytest.raises(UnreachableError, match="cannot be opened"):
        NetlinkSocket(socket.NETLINK_ROUTE).dump(26, b"")
    assert old.open == 0


def test_uplinks_that_cannot_be_seen_are_not_none(old: type[OldSocket]) -> None:
    """Taken for none, the node would begin to forward and lose its default route."""
    with pytest.raises(BackendError):
        uplinks.advertised()
