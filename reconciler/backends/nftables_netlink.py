"""What the kernel says of its nftables without the program nft (linux/netfilter/nf_tables.h, nfnetlink.h).

The kernel numbers the states of all tables of a network namespace; each transaction makes the next one. While the
number is the same nothing has to be looked at. Only who may administer the network is answered and told of changes.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Collection
from typing import ClassVar

from intent.resources import netlink
from intent.resources.nftables_table import FAMILY, TABLE
from reconciler.backends.netlink_socket import SOL_NETLINK, Refusal
from reconciler.core.backend import Events, News
from reconciler.core.errors import BackendError, UnreachableError, UnsupportedError

NETLINK_NETFILTER = 12
NFNL_SUBSYS_NFTABLES = 10
NFNLGRP_NFTABLES = 7
NFT_MSG_NEWTABLE = 0
NFT_MSG_GETTABLE = 1
NFT_MSG_NEWGEN = 15
NFT_MSG_GETGEN = 16
NFTA_GEN_ID = 1
NFTA_GEN_PROC_PID = 2
NFTA_GEN_PROC_NAME = 3
NFTA_TABLE_NAME = 1
"""The name of the table is the first attribute of every message about what is in it, too."""
NFPROTO_INET = 1
NLM_F_REQUEST = 1
NLMSG_ERROR = 2
NETLINK_ADD_MEMBERSHIP = 1

ANSWER_TIMEOUT_SECONDS = 5.0
RECEIVE_BUFFER_BYTES = 1 << 20
MESSAGE_BYTES = 1 << 16
READ_MESSAGES = 512
DRAIN_MESSAGES = 8192
_HEADER = struct.Struct("=IHHII")
_NFGENMSG_BYTES = 4
_MISSING = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT})
NO_NF_TABLES = "this kernel has no nftables: load the module nf_tables, or install a kernel that has it"


class Kernel:
    """Asks the kernel; a socket is open for as long as a question takes."""

    def generation(self) -> int:
        """Return the number of the state of all tables. Raises BackendError, UnsupportedError without nftables."""
        body = _ask(NFT_MSG_GETGEN, 0, b"", "look at the nftables of this network")
        for kind, value in netlink.attributes(body, _NFGENMSG_BYTES):
            if kind == NFTA_GEN_ID:
                return int.from_bytes(value, "big")
        raise UnreachableError("the kernel did not say which state its nftables are in")

    def has_table(self) -> bool:
        """Return whether there is a table of our name. Raises BackendError, UnsupportedError without nftables."""
        name = _attribute(NFTA_TABLE_NAME, TABLE.encode() + b"\0")
        try:
            _ask(NFT_MSG_GETTABLE, NFPROTO_INET, name, f"look at the nftables table {FAMILY} {TABLE}")
        except _AbsentError:
            return False
        return True


class _AbsentError(BackendError):
    """There is no such thing."""


def _ask(kind: int, family: int, attributes: bytes, about: str) -> bytes:
    body = bytes((family, 0, 0, 0)) + attributes
    header = _HEADER.pack(_HEADER.size + len(body), NFNL_SUBSYS_NFTABLES << 8 | kind, NLM_F_REQUEST, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as asked:
            asked.settimeout(ANSWER_TIMEOUT_SECONDS)
            asked.sendto(header + body, (0, 0))
            answer = asked.recv(MESSAGE_BYTES)
    except OSError as exc:
        if exc.errno in _MISSING:
            raise UnsupportedError(f"{about}: {NO_NF_TABLES}") from exc
        raise UnreachableError(f"{about}: {exc}") from exc
    return _answer(answer, about)


def _answer(answer: bytes, about: str) -> bytes:
    length, kind, *_ = _HEADER.unpack_from(answer)
    body = answer[_HEADER.size : length]
    if kind != NLMSG_ERROR:
        return body
    code = -struct.unpack_from("=i", body)[0]
    if code in _MISSING:
        raise UnsupportedError(f"{about}: {NO_NF_TABLES}")
    if code == errno.ENOENT:
        raise _AbsentError(f"{about}: {os.strerror(code)}")
    raise Refusal(code, "").error(about)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


class NftablesEvents(Events):
    """What the kernel tells of transactions that touch our table.

    ``ours`` gives the process ids of the last runs of nft on our behalf: by custom they are the ports of their sockets.
    Nothing is told before `attend`, so that a node without such a table is not woken by the firewalls of others.
    """

    covers: ClassVar[frozenset[str]] = frozenset({"nftables"})

    def __init__(self, ours: Callable[[], Collection[int]]) -> None:
        """Open the stream. Raises UnreachableError."""
        self._ours = ours
        self._lost = False
        self._attending = False
        flags = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        try:
            self._socket = socket.socket(socket.AF_NETLINK, flags, NETLINK_NETFILTER)
        except OSError as exc:
            raise UnreachableError(f"notifications of nftables cannot be received: {exc}") from exc
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)

    def fileno(self) -> int:
        """Return the socket's file descriptor, -1 when closed."""
        return self._socket.fileno()

    @property
    def closed(self) -> bool:
        """Whether the stream has ended."""
        return self.fileno() < 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def attend(self) -> None:
        """Have the kernel tell of changes from now on. To be called before a look. Raises UnreachableError."""
        if self._attending or self.closed:
            return
        try:
            self._socket.bind((0, 0))
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
        except OSError as exc:
            raise UnreachableError(f"notifications of nftables cannot be received: {exc}") from exc
        self._attending = True

    def read(self) -> News:
        """Return whether our table is to be looked at, and who changed it."""
        told = _Told(self._ours())
        for _ in range(0 if self._lost or self.closed else READ_MESSAGES):
            try:
                told.add(self._socket.recv(MESSAGE_BYTES))
            except BlockingIOError:
                break
            except OSError:
                self._lost = True
                break
        if self._lost:
            self._drain()
            return News(frozenset({"nftables"}))
        return News(frozenset({"nftables"}), told.actors()) if told.touched else News()

    def _drain(self) -> None:
        # While the buffer has not been empty, the kernel drops what comes and does not say so again.
        for _ in range(DRAIN_MESSAGES):
            try:
                self._socket.recv(1)
            except BlockingIOError:
                self._lost = False
                return
            except OSError:
                continue


class _Told:
    """What some datagrams say: whether our table is touched by others, and by whom at last.

    The kernel tells of the changes of a transaction first, and then which process made it.
    """

    def __init__(self, ours: Collection[int]) -> None:
        self.touched = False
        self._ours = ours
        self._changed = False
        self._actor = ""

    def actors(self) -> dict[str, str]:
        """Return who made the latest change, by table, where that is known."""
        return {"nftables": self._actor} if self._actor else {}

    def add(self, datagram: bytes) -> None:
        """Take the messages in one datagram; what is no message means that something was changed."""
        offset = 0
        while len(datagram) - offset >= _HEADER.size + _NFGENMSG_BYTES:
            length, kind, _, _, port = _HEADER.unpack_from(datagram, offset)
            if not _HEADER.size <= length <= len(datagram) - offset:
                self.touched = True
                return
            if kind >> 8 == NFNL_SUBSYS_NFTABLES and port not in self._ours:
                self._take(kind & 0xFF, datagram[offset + _HEADER.size : offset + length])
            offset += length + (-length % 4)

    def _take(self, kind: int, body: bytes) -> None:
        if kind == NFT_MSG_NEWGEN:
            if self._changed:
                self._actor = _actor(body)
            self._changed = False
        elif _is_about_ours(body):
            self._changed = self.touched = True


def _is_about_ours(body: bytes) -> bool:
    try:
        first = next(iter(netlink.attributes(body, _NFGENMSG_BYTES)), None)
    except ValueError:
        return True
    return first is None or (body[0] == NFPROTO_INET and first == (NFTA_TABLE_NAME, TABLE.encode() + b"\0"))


def _actor(body: bytes) -> str:
    try:
        found = dict(netlink.attributes(body, _NFGENMSG_BYTES))
    except ValueError:
        return ""
    process = int.from_bytes(found.get(NFTA_GEN_PROC_PID, b""), "big")
    name = netlink.text(found.get(NFTA_GEN_PROC_NAME, b""))
    # A process chooses its name; it is shown on terminals.
    shown = "".join(letter if letter.isprintable() else "?" for letter in name)
    return f"process {process} ({shown})" if shown else ""
