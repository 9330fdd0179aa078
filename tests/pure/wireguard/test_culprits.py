"""After a batch that failed, peers are tried one by one only where one of them can be at fault."""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest

from intent.resources.wireguard_names import key_text
from intent.resources.wireguard_requests import SetPeer
from reconciler.backends.netlink_socket import Message, NetlinkSocket, Refusal
from reconciler.backends.wireguard_netlink import KernelWireGuard
from reconciler.core.errors import BackendError, DeniedError, StaleError, UnreachableError

PEERS = [SetPeer("wg0", key_text(bytes([number]) * 32)) for number in range(1, 6)]
CULPRIT = bytes([3]) * 32


class Kernel:
    """Refuses every message with a peer that it does not like, or all, or does not answer."""

    def __init__(self, answer: int | BackendError, everyone: bool = False) -> None:
        self.answer = answer
        self.everyone = everyone
        self.asked = 0

    def send(self, messages: Sequence[Message]) -> list[Refusal | None]:
        self.asked += 1
        if isinstance(self.answer, BackendError):
            raise self.answer
        refusal = Refusal(self.answer, "")
        return [refusal if self.everyone or CULPRIT in message.payload else None for message in messages]


def send(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> list[BackendError | None]:
    monkeypatch.setattr(NetlinkSocket, "send", lambda _, messages: kernel.send(messages))
    monkeypatch.setattr(KernelWireGuard, "_family_id", lambda _: 28)
    return KernelWireGuard().set_peers("wg0", PEERS)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ERANGE])
def test_the_culprit_is_found(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    results = send(Kernel(number), monkeypatch)
    assert [result is None for result in results] == [True, True, False, True, True]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (UnreachableError("the kernel did not answer"), UnreachableError),
        (errno.EPERM, DeniedError),
        (errno.ENODEV, StaleError),
        (errno.EOPNOTSUPP, BackendError),
        (errno.ENOMEM, BackendError),
        (errno.ENOBUFS, BackendError),
    ],
)
def test_what_is_no_peers_fault_is_not_tried_again(
    answer: int | BackendError, kind: type[BackendError], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(answer, everyone=True)
    results = send(kernel, monkeypatch)
    assert kernel.asked == 1
    assert all(isinstance(result, kind) for result in results)
    assert PEERS[4].public_key in str(results[4])


def test_one_by_one_ends_where_the_kernel_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Kernel):
        def send(self, messages: Sequence[Message]) -> list[Refusal | None]:
            if self.asked == 2:
                self.answer = UnreachableError("the kernel did not answer")
            return super().send(messages)

    kernel = Silent(errno.EINVAL, everyone=True)
    results = send(kernel, monkeypatch)
    assert kernel.asked == 3
    assert all(isinstance(result, BackendError) for result in results)
