"""A netlink connection of bytes: batches out, rows in, errors with the kernel's own words (netlink(7))."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from threading import Event
from typing import NamedTuple

from intent.resources.netlink import (
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    attributes,
    text,
)
from reconciler.core.errors import (
    BackendError,
    BusyError,
    DeniedError,
    OccupiedError,
    RejectedError,
    StaleError,
    UnreachableError,
    UnsupportedError,
)

SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12
SO_RCVBUFFORCE = 33
NLM_F_ACK_TLVS = 0x200
NLMSGERR_ATTR_MSG = 1

ANSWER_TIMEOUT_SECONDS = 10.0
RECEIVE_BUFFER_BYTES = 4 << 20
BATCH_BYTES = 60_000
DUMP_ATTEMPTS = 8
PORTS_REMEMBERED = 8

_HEADER = struct.Struct("=IHHII")
_LENGTH_AND_TYPE = struct.Struct("=IH")
_FLAGS = struct.Struct("=H")
_ENDS = frozenset({NLMSG_ERROR, NLMSG_DONE})
_END_TYPES = frozenset(struct.pack("=H", end) for end in _ENDS)
_DUMP_SEQUENCE = 0
"""Of every dump: the same answers are the same bytes then. A dump is read to its end, or the socket is closed."""

_ERRORS: dict[int, type[BackendError]] = {
    **dict.fromkeys((errno.EPERM, errno.EACCES), DeniedError),
    **dict.fromkeys((errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT), UnsupportedError),
    **dict.fromkeys(
        (errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.ENXIO, errno.ENETDOWN, errno.EADDRNOTAVAIL), StaleError
    ),
    **dict.fromkeys((errno.EEXIST, errno.EADDRINUSE), OccupiedError),
    **dict.fromkeys((errno.EBUSY, errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.EINTR), BusyError),
}
_ADVICE: dict[type[BackendError], str] = {
    DeniedError: "run it as root, or with CAP_NET_ADMIN in this network namespace",
    OccupiedError: "something else holds it; see what with ip(8) and remove or rename one of the two",
    StaleError: "it, or what it stands on, went away meanwhile; run it again",
    BusyError: "run it again",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """The kernel's answer to a message that it did not carry out: an errno and, where it gave one, its reason."""

    errno: int
    reason: str

    def error(self, about: str) -> BackendError:
        """Return the typed error for what was asked, in words that say what to do."""
        kind = _ERRORS.get(self.errno, RejectedError)
        words = f"{about}: {os.strerror(self.errno)}"
        if self.reason:
            words += f" (the kernel says: {self.reason})"
        if advice := _ADVICE.get(kind):
            words += f"; {advice}"
        return kind(words)


class Message:
    """One netlink message to send: its type, its flags beside REQUEST and ACK, and all that follows the header.

    The payload may hold keys, so it is not printed.
    """

    __slots__ = ("flags", "payload", "type")

    def __init__(self, type: int, flags: int, payload: bytes) -> None:
        self.type = type
        self.flags = flags
        self.payload = payload


class _Batch(NamedTuple):
    """The bytes of some messages, the sequence number of the first, and how many they are."""

    data: bytes
    first: int
    length: int


class NetlinkSocket:
    """A connection to one netlink protocol of the network namespace that it is first used in."""

    def __init__(self, protocol: int) -> None:
        self._protocol = protocol
        self._socket: socket.socket | None = None
        self._sequence = 0
        self._options: frozenset[int] = frozenset()
        self._ports: deque[int] = deque(maxlen=PORTS_REMEMBERED)

    def close(self) -> None:
        """Close the socket; the next use opens it anew."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, messages: Iterable[Message]) -> list[Refusal | None]:
        """Send the messages in order and return the kernel's refusal of each, ``None`` for what was done.

        Raises BackendError when the kernel cannot be asked at all.
        """
        return list(self.stream(messages))

    def stream(self, messages: Iterable[Message]) -> Iterator[Refusal | None]:
        """Do as `send` does, bit by bit: the kernel works on one batch while the next is made of the messages."""
        batches = self._batches(messages)
        batch, following = next(batches, None), next(batches, None)
        if batch is not None and following is None:
            yield from self._exchange(batch)
            return
        with ThreadPoolExecutor(max_workers=1) as sender:
            while batch is not None:
                begun = Event()
                try:
                    under_way = sender.submit(self._exchange, batch, begun)
                except RuntimeError:
                    # There may be no more threads than there are.
                    break
                # The other thread needs the interpreter to begin, and not while the kernel works.
                begun.wait()
                batch, following = following, next(batches, None)
                yield from under_way.result()
        while batch is not None:
            yield from self._exchange(batch)
            batch, following = following, next(batches, None)

    def _batches(self, messages: Iterable[Message]) -> Iterator[_Batch]:
        """Yield the messages as the bytes of as few system calls as they fit in.

        Only the last message of each asks for an ACK: refusals come back in any case, and the kernel answers in order.
        """
        data, count, last = bytearray(), 0, 0
        for message in messages:
            if count and len(data) + len(message.payload) > BATCH_BYTES:
                yield self._batch(data, count, last)
                data, count = bytearray(), 0
            self._sequence += 1
            count += 1
            payload, last = message.payload, len(data)
            data += _HEADER.pack(16 + len(payload), message.type, message.flags | NLM_F_REQUEST, self._sequence, 0)
            data += payload
            if len(data) % 4:
                data += bytes(-len(data) % 4)
        if count:
            yield self._batch(data, count, last)

    def _batch(self, data: bytearray, count: int, last: int) -> _Batch:
        flags = _FLAGS.unpack_from(data, last + 6)[0]
        _FLAGS.pack_into(data, last + 6, flags | NLM_F_ACK)
        return _Batch(bytes(data), self._sequence - count + 1, count)

    def dump(self, kind: int, payload: bytes) -> list[tuple[int, bytes]]:
        """Ask for a table and return the type and the payload of every row. Raises as `look` does."""
        return list(self.look(kind, payload))

    def look(self, kind: int, payload: bytes) -> Answers:
        """Ask for a table and return its rows, not yet split.

        A dump that a change in the kernel interrupted is done again. Raises BackendError, typed by the errno.
        """
        for _ in range(DUMP_ATTEMPTS):
            answers, interrupted = self._dump_once(kind, payload)
            if not interrupted:
                return answers
        raise BusyError(f"netlink dump {kind}: the table changed during each of {DUMP_ATTEMPTS} looks; run it again")

    @property
    def strict(self) -> bool:
        """Whether the kernel answers a dump with no more than was asked for. Raises BackendError."""
        self._open()
        return NETLINK_GET_STRICT_CHK in self._options

    @property
    def ports(self) -> frozenset[int]:
        """The port of the socket, by which notifications name who asked (netlink(7)), and the last few it had before.

        What was asked from a socket that has been closed since may still be told.
        """
        return frozenset(self._ports)

    def _open(self) -> socket.socket:
        if self._socket is None:
            try:
                opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, self._protocol)
            except OSError as exc:
                raise UnreachableError(f"netlink protocol {self._protocol} cannot be opened: {exc}") from exc
            try:
                self._options = _prepare(opened)
            except OSError as exc:
                opened.close()
                raise UnreachableError(f"netlink protocol {self._protocol} cannot be opened: {exc}") from exc
            self._socket = opened
            self._ports.append(opened.getsockname()[0])
        return self._socket

    def _exchange(self, batch: _Batch, begun: Event | None = None) -> list[Refusal | None]:
        if begun is not None:
            begun.set()
        self._transmit(batch.data)
        try:
            return self._refusals(batch)
        except BackendError:
            raise
        except BaseException:
            # What is left of the answers would be taken for rows of the next dump.
            self.close()
            raise

    def _refusals(self, batch: _Batch) -> list[Refusal | None]:
        refusals: list[Refusal | None] = [None] * batch.length
        for kind, flags, sequence, payload in self._messages():
            number = sequence - batch.first
            if kind == NLMSG_ERROR and 0 <= number < batch.length:
                refusals[number] = _refusal(flags, payload)
                if number == batch.length - 1:
                    break
        return refusals

    def _dump_once(self, kind: int, payload: bytes) -> tuple[Answers, bool]:
        header = _HEADER.pack(16 + len(payload), kind, NLM_F_REQUEST | NLM_F_DUMP, _DUMP_SEQUENCE, 0)
        self._transmit(header + payload)
        try:
            return self._read_dump(kind)
        except BackendError:
            raise
        except BaseException:
            # What is left of it would be taken for the answer to the next one.
            self.close()
            raise

    def _read_dump(self, kind: int) -> tuple[Answers, bool]:
        datagrams: list[bytes] = []
        interrupted = 0
        while True:
            data = self._receive()
            datagrams.append(data)
            if _alike(data):
                continue
            for answer, flags, sequence, payload in _split(data):
                interrupted |= flags
                if answer in _ENDS and sequence == _DUMP_SEQUENCE:
                    _raise_refused(kind, answer, flags, payload)
                    return Answers(datagrams), bool(interrupted & NLM_F_DUMP_INTR)

    def _transmit(self, data: bytes) -> None:
        try:
            self._open().send(data)
        except OSError as exc:
            self.close()
            raise Refusal(exc.errno or errno.EIO, "").error("netlink request") from exc

    def _messages(self) -> Iterator[tuple[int, int, int, bytes]]:
        while True:
            yield from _split(self._receive())

    def _receive(self) -> bytes:
        opened = self._open()
        try:
            return opened.recv(1 << 18)
        except TimeoutError as exc:
            self.close()
            raise UnreachableError(
                f"the kernel did not answer on netlink within {ANSWER_TIMEOUT_SECONDS:.0f} s"
            ) from exc
        except OSError as exc:
            # A lost answer leaves it open what was done: start with a clean socket and look again.
            self.close()
            raise BusyError(f"netlink answers were lost: {exc}; run it again") from exc


class Answers:
    """The answers to a dump, split when they are asked for, once: each the type and the payload of a row.

    Equal digests are equal answers. They are told before anything is split: most looks find what the last one found.
    What was split is forgotten, for a table of 100,000 routes takes 16 MB.
    """

    __slots__ = ("_datagrams", "digest")

    def __init__(self, datagrams: Sequence[bytes]) -> None:
        self._datagrams = deque(datagrams)
        digest = blake2b(digest_size=16)
        for data in datagrams:
            digest.update(data)
        self.digest = digest.digest()

    def of_type(self, wanted: int) -> Iterator[bytes]:
        """Yield the payloads of the rows of one type."""
        while self._datagrams:
            data = self._datagrams.popleft()
            if _alike(data):
                length, kind = _LENGTH_AND_TYPE.unpack_from(data)
                if kind == wanted:
                    yield from [data[at + 16 : at + length] for at in range(0, len(data), length)]
                continue
            for kind, _, sequence, payload in _split(data):
                if kind == wanted and sequence == _DUMP_SEQUENCE and kind not in _ENDS:
                    yield payload

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while self._datagrams:
            data = self._datagrams.popleft()
            for kind, _, sequence, payload in _split(data):
                if sequence == _DUMP_SEQUENCE and kind not in _ENDS:
                    yield kind, payload


def _split(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield type, flags, sequence number and payload of each message of a datagram."""
    offset = 0
    while offset + 16 <= len(data):
        size, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        yield kind, flags, sequence, data[offset + 16 : offset + size]
        offset += size + (-size % 4)


def _alike(data: bytes) -> bool:
    """Return whether a datagram is nothing but rows of one length, none flagged, seen without a step for each.

    The fields of all headers are taken with one slice each: where the first says how long all are, and all say that,
    they stand at its multiples.
    """
    length = int.from_bytes(data[:4], sys.byteorder)
    if length < 16 or length % 4 or len(data) % length:
        return False
    count = len(data) // length
    return (
        all(data[at::length] == data[at : at + 1] * count for at in range(8))
        and data[4:6] not in _END_TYPES
        and not struct.unpack_from("=H", data, 6)[0] & NLM_F_DUMP_INTR
    )


def _raise_refused(question: int, end: int, flags: int, payload: bytes) -> None:
    """Raise what ended a dump before its end, a BackendError typed by the errno."""
    refusal = None
    if end == NLMSG_ERROR:
        refusal = _refusal(flags, payload)
    elif (code := struct.unpack_from("=i", payload)[0] if len(payload) >= 4 else 0) < 0:
        refusal = Refusal(-code, "")
    if refusal is not None:
        raise refusal.error(f"netlink dump {question}")


def _prepare(opened: socket.socket) -> frozenset[int]:
    """Bind the socket and set it up; return the options of netlink that the kernel has. Raises OSError."""
    opened.settimeout(ANSWER_TIMEOUT_SECONDS)
    opened.bind((0, 0))
    has = set()
    for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
        try:
            opened.setsockopt(SOL_NETLINK, option, 1)
        except OSError as exc:
            # Of Linux 4.3, 4.12 and 4.20: without them answers are longer, without reasons, and not filtered.
            if exc.errno not in (errno.ENOPROTOOPT, errno.EOPNOTSUPP):
                raise
            break
        has.add(option)
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return frozenset(has)


def _refusal(flags: int, payload: bytes) -> Refusal | None:
    """Return what a ``struct nlmsgerr`` says, ``None`` for an acknowledgement."""
    (code,) = struct.unpack_from("=i", payload)
    if code == 0:
        return None
    # 20 bytes: the errno and, with NETLINK_CAP_ACK, no more of the refused message than its header.
    told = dict(attributes(payload, 20)) if flags & NLM_F_ACK_TLVS else {}
    return Refusal(-code, text(told.get(NLMSGERR_ATTR_MSG, b"")))
