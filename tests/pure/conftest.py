"""What holds for every test that needs nothing but Python."""

from __future__ import annotations

from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def no_way_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that forgets its fake is told so, before it changes the machine that it runs on."""

    def refuse() -> NoReturn:
        raise AssertionError("this test would look at the machine that it runs on; give it a node in memory")

    monkeypatch.setattr("reconciler.services.this_node.real_backends", refuse)
