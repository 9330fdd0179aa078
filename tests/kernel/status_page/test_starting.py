"""The start of the page and its end: told where it fails, and nothing is left."""

from __future__ import annotations

import errno
import socket
import threading

import pytest

from reconciler.core.errors import BackendError, BusyError, OccupiedError, StaleError, StellwerkError
from reconciler.services.statistics.page import StatusPage, status_page
from tests.figures import FakeFigures
from tests.kernel.status_page.conftest import Served, settings


def test_a_port_that_is_taken_and_an_address_that_is_not_there(served: Served) -> None:
    for place, error, advice in (
        (served.address, OccupiedError, "another program listens there"),
        (("2001:db8::77", 0), StaleError, "does not have the address"),
        (("fe80::1%no-such-link", 0), StellwerkError, "cannot be at"),
    ):
        page = StatusPage(FakeFigures(settings(*place)))
        with pytest.raises(error, match=advice):
            page.start()
        page.close()


def test_a_start_that_fails_is_told_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    for owner, name in ((status_page, "Server"), (status_page, "RestingLoop"), (status_page._Life, "start")):
        page = StatusPage(FakeFigures(settings()))
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fails)
            with pytest.raises(BackendError, match="Too many open files"):
                page.start()
        place = (page._bound.address, page._bound.port)
        page.close()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(place, timeout=5)
    assert not [one for one in threading.enumerate() if one.name.startswith("stellwerk-page")]


def test_a_start_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = FakeFigures(settings())
    go_on = threading.Event()
    monkeypatch.setattr(figures, "links", go_on.wait)
    monkeypatch.setattr(status_page, "START_SECONDS", 0.2)
    monkeypatch.setattr(status_page, "CLOSE_SECONDS", 0.2)
    page = StatusPage(figures)
    with pytest.raises(BusyError, match="did not start"):
        page.start()
    # What hung ends by itself when it can.
    go_on.set()
    for one in threading.enumerate():
        if one.name.startswith("stellwerk-page"):
            one.join(20)
            assert not one.is_alive()


def test_the_end_of_what_has_ended_by_itself(served: Served) -> None:
    life = served.page._life
    assert life is not None
    life.end()
    life.join(20)
    life.end()
    served.page.close()
