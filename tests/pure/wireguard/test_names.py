"""The addresses of a name come in the same order at each look."""

from __future__ import annotations

import random
import socket

import pytest

from intent.references import HostAddress
from reconciler.backends import names

V6 = ["2001:db8::2", "2001:db8::a", "2001:db8::10"]
V4 = ["9.0.0.1", "10.0.0.1"]
NAME = HostAddress("gw.example.org")


def answers(monkeypatch: pytest.MonkeyPatch, *given: str) -> None:
    found = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (address, 0)) for address in given]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **others: found)


def test_whatever_order_the_name_server_gives_them_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(5):
        shuffled = [random.Random(seed).sample(family, len(family)) for family in (V6, V4)]
        answers(monkeypatch, *shuffled[0], *shuffled[1], V6[0])
        assert names.resolve([NAME]) == {NAME: (*V6, *V4)}


def test_the_family_that_the_system_prefers_is_first(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, *V4, *V6)
    assert names.resolve([NAME]) == {NAME: (*V4, *V6)}


def test_without_an_address_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **others: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert names.resolve([NAME]) == {NAME: ()}
