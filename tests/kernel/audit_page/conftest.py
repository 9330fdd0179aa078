"""The page of an audit as a file, and a real Chromium that looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page

from reconciler.cli.audit_reports import rendered
from reconciler.core.audit import Audit
from tests.chromium import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@dataclass
class Looked:
    """A tab, what was wrong in it, and whom it asked for anything but the page itself."""

    page: Page
    complaints: list[str]
    asked: list[str]
    address: str


Look = Callable[..., Looked]


@pytest.fixture
def look(browser: Browser, tmp_path: Path) -> Iterator[Look]:
    contexts = []

    def opened(audit: Audit, fragment: str = "", **options: Any) -> Looked:
        file = tmp_path / "audit.html"
        file.write_text(rendered(audit, "html"), encoding="utf-8")
        address = file.as_uri()
        context = browser.new_context(**options)
        contexts.append(context)
        page, complaints, asked = context.new_page(), [], []

        def decide(route: Any) -> None:
            if route.request.url.partition("#")[0] == address:
                route.continue_()
            else:
                asked.append(route.request.url)
                route.abort()

        def dismiss(dialog: Dialog) -> None:
            complaints.append(dialog.message)
            dialog.dismiss()

        page.route("**/*", decide)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", dismiss)
        page.goto(address + fragment, timeout=120_000)
        return Looked(page, complaints, asked, address)

    yield opened
    for context in contexts:
        context.close()
