"""A status page of figures that a test sets, and a real Chromium that looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from intent.statistics import Listen, PageSettings, Statistics
from reconciler.services.statistics.page import StatusPage
from tests.chromium import chromium
from tests.figures import SETTINGS, FakeFigures


def settings(address: str = "::1", port: int = 0) -> Statistics:
    return replace(SETTINGS, page=PageSettings(listen=Listen(address=address, port=port)))


@dataclass
class Served:
    """A page that is served."""

    page: StatusPage
    figures: FakeFigures

    @property
    def address(self) -> tuple[str, int]:
        place = urlsplit(self.page.url)
        assert place.hostname is not None
        assert place.port is not None
        return place.hostname, place.port

    def ask(self, path: str = "/", method: str = "GET", headers: dict[str, str] | None = None) -> HTTPResponse:
        connection = HTTPConnection(*self.address, timeout=20)
        connection.request(method, path, headers={"Connection": "close", **(headers or {})})
        return connection.getresponse()


@pytest.fixture
def served() -> Iterator[Served]:
    figures = FakeFigures(settings())
    page = StatusPage(figures)
    page.start()
    found = Served(page, figures)
    try:
        yield found
    finally:
        found.page.close()
        figures.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@dataclass
class Looked:
    """A tab, and what was wrong in it."""

    page: Page
    complaints: list[str]
    asked: list[str]


@pytest.fixture
def look(browser: Browser, served: Served) -> Iterator[Callable[..., Looked]]:
    contexts = []

    def opened(*, live: bool = True, **options: Any) -> Looked:
        context = browser.new_context(**options)
        contexts.append(context)
        page, complaints, asked = context.new_page(), [], []
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(served.page.url)
        if live:
            page.wait_for_selector("#connection[data-state=live]")
        return Looked(page, complaints, asked)

    yield opened
    for context in contexts:
        context.close()
