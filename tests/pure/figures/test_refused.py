"""Figures of a node whose kernel has no netfilter, or refuses it."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

import pytest

from intent.statistics import BabelSource, Statistics
from reconciler.backends.nftables_netlink import NETLINK_NETFILTER
from reconciler.core.errors import RejectedError
from reconciler.services.statistics.as_json import as_json
from reconciler.services.statistics.live_figures import LiveFigures


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_without_netfilter_all_but_the_firewall_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Socket(socket.socket):
        def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
            if family == socket.AF_NETLINK and proto == NETLINK_NETFILTER:
                raise OSError(errno.EPROTONOSUPPORT, os.strerror(errno.EPROTONOSUPPORT))
            super().__init__(family, type, proto, fileno)

    monkeypatch.setattr(socket, "socket", Socket)
    figures = LiveFigures(Statistics(node="roof-1", firewall=True), None)
    try:
        told = as_json(figures)
    finally:
        figures.close()
    assert "lo" in {link["name"] for link in told["links"]}
    assert told["firewall"] == []
    assert "Protocol not supported" in told["problems"]["firewall"]


@pytest.mark.parametrize("broken", ["LinkAddresses", "WireGuardCounters", "MachineFigures"])
def test_what_fails_half_way_leaves_nothing_open(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RejectedError("refused")

    monkeypatch.setattr(f"reconciler.services.statistics.live_figures.{broken}", fail)
    before = descriptors()
    for _ in range(3):
        with pytest.raises(RejectedError):
            LiveFigures(Statistics(node="roof-1", firewall=True), None)
        assert descriptors() == before


def test_a_wrong_address_of_babeld_leaves_nothing_open() -> None:
    before = descriptors()
    with pytest.raises(RejectedError):
        LiveFigures(Statistics(node="roof-1", babel=BabelSource(socket="nowhere:at:all")), None)
    assert descriptors() == before
