"""Messages that are made while those before them are sent: who answers what, and what a failure leaves."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.resources.netlink import NLM_F_ACK, NLMSG_ERROR, About, IndexOf, NetlinkRequest
from intent.resources.route import RTM_NEWROUTE, Route
from reconciler.backends import netlink_socket
from reconciler.backends.netlink_socket import Message, NetlinkSocket, Refusal, _split
from reconciler.backends.rtnetlink import Rtnetlink
from reconciler.core.errors import BackendError, BusyError, DeniedError, RejectedError, UnreachableError

BATCH = 400


class Kernel(socket.socket):
    """A socket whose kernel refuses each message with the errno in its first two bytes, 0 for done.

    ``breaks`` says at which batch what happens: an error when it is sent, or when its answers are read.
    """

    batches: ClassVar[list[list[bytes]]] = []
    breaks: ClassVar[dict[int, tuple[str, Exception]]] = {}
    opened: ClassVar[int] = 0
    closed: ClassVar[int] = 0

    def __init__(self, *arguments: int) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
        type(self).opened += 1
        self._answers: list[bytes] = []

    def bind(self, address: object) -> None:
        pass

    def getsockname(self) -> tuple[int, int]:
        return 77, 0

    def setsockopt(self, *arguments: object) -> None:
        pass

    def close(self) -> None:
        type(self).closed += 1
        super().close()

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        number = len(self.batches)
        where, error = self.breaks.get(number, ("", OSError()))
        if where == "send":
            raise error
        messages = list(_split(data))
        self.batches.append([payload for _, _, _, payload in messages])
        for _, asked, sequence, payload in messages:
            code = struct.unpack_from("=H", payload)[0]
            if code or asked & NLM_F_ACK:
                answer = struct.pack("=i", -code) + bytes(16)
                self._answers.append(struct.pack("=IHHII", 16 + len(answer), NLMSG_ERROR, 0x100, sequence, 77) + answer)
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        where, error = self.breaks.get(len(self.batches) - 1, ("", OSError()))
        if where == "receive":
            raise error
        # As many datagrams as it likes: here one for each answer.
        return self._answers.pop(0)


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> type[Kernel]:
    monkeypatch.setattr(netlink_socket, "BATCH_BYTES", BATCH)
    monkeypatch.setattr(socket, "socket", Kernel)
    forget()
    return Kernel


def forget() -> None:
    Kernel.batches, Kernel.breaks, Kernel.opened, Kernel.closed = [], {}, 0, 0


def message(code: int = 0, size: int = 20) -> Message:
    return Message(24, 0, struct.pack("=H", code) + bytes(size - 2))


CODES = st.sampled_from([0, 0, 0, errno.EEXIST, errno.ESRCH])


@settings(deadline=None)
@given(st.lists(st.tuples(CODES, st.integers(2, 300)), max_size=60))
def test_each_message_has_its_own_answer_in_order(asked: list[tuple[int, int]]) -> None:
    forget()
    connection = NetlinkSocket(0)
    messages = [message(*one) for one in asked]
    answers = connection.send(iter(messages))
    connection.close()
    assert [None if answer is None else answer.errno for answer in answers] == [code or None for code, _ in asked]
    assert [payload for batch in Kernel.batches for payload in batch] == [one.payload for one in messages]
    for batch in Kernel.batches:
        assert len(batch) == 1 or sum(16 + len(payload) for payload in batch) <= BATCH + 17 + len(batch) * 3
    assert Kernel.opened == (1 if asked else 0)


def test_messages_are_made_while_others_are_sent() -> None:
    made: list[int] = []
    made_when_sent: list[int] = []

    class Watched(Kernel):
        def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
            made_when_sent.append(len(made))
            return super().send(data, flags)

    def messages() -> Iterator[Message]:
        for number in range(100):
            made.append(number)
            yield message(size=84)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", Watched)
        connection = NetlinkSocket(0)
        assert connection.send(messages()) == [None] * 100
        connection.close()
    per_batch = len(Kernel.batches[0])
    assert len(made_when_sent) == len(Kernel.batches) > 10
    # Two batches ahead at most, and one message that did not fit.
    assert all(count <= (number + 3) * per_batch + 1 for number, count in enumerate(made_when_sent))


@pytest.mark.parametrize(
    ("where", "error", "kind"),
    [
        ("send", PermissionError(errno.EPERM, os.strerror(errno.EPERM)), DeniedError),
        ("send", OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE)), RejectedError),
        ("receive", OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS)), BusyError),
        ("receive", TimeoutError(), UnreachableError),
    ],
)
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_a_failure_in_the_middle_leaves_what_was_answered_and_a_clean_socket(
    where: str, error: Exception, kind: type[BackendError], batch: int
) -> None:
    Kernel.breaks[batch] = where, error
    connection = NetlinkSocket(0)
    answers: list[Refusal | None] = []
    with pytest.raises(kind):
        answers.extend(connection.stream(message(errno.EEXIST, 84) for _ in range(40)))
    assert len(answers) == sum(map(len, Kernel.batches[:batch]))
    assert (Kernel.opened, Kernel.closed) == (1, 1)
    Kernel.breaks.clear()
    assert connection.send([message()]) == [None]
    assert Kernel.opened == 2
    connection.close()
    assert no_threads_left()


def test_who_stops_listening_stops_what_is_not_sent_yet() -> None:
    connection = NetlinkSocket(0)
    stream = connection.stream(message(size=84) for _ in range(100))
    assert isinstance(stream, Iterator)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert len(Kernel.batches) == 1
    # No answer is left over for others.
    assert connection.send([message(errno.ESRCH), message()])[0] is not None
    connection.close()
    assert no_threads_left()


def test_an_error_in_making_a_message_is_told_and_the_socket_stays_usable() -> None:
    def messages() -> Iterator[Message]:
        for _ in range(20):
            yield message(size=84)
        raise ZeroDivisionError

    connection = NetlinkSocket(0)
    with pytest.raises(ZeroDivisionError):
        connection.send(messages())
    assert connection.send([message()]) == [None]
    assert Kernel.opened == 1
    connection.close()
    assert no_threads_left()


def test_of_requests_each_is_told_what_became_of_it_when_the_socket_fails_in_the_middle() -> None:
    Kernel.breaks[2] = "receive", OSError(errno.ENOBUFS, "lost")
    backend = Rtnetlink()
    route = Route(routing_table=10, destination="::/0", link="lo")
    body = (bytes(80), IndexOf("lo"))
    requests = [NetlinkRequest(RTM_NEWROUTE, 0, body, About(f"add {number}", route)) for number in range(50)]
    answers = backend.send(iter(requests))
    backend.close()
    done = sum(map(len, Kernel.batches[:2]))
    assert answers[:done] == [None] * done
    assert 0 < done < 50
    for number, answer in enumerate(answers[done:], done):
        assert isinstance(answer, BusyError)
        assert str(answer).startswith(f"add {number} route default")
    assert len(answers) == 50


def no_threads_left() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]
