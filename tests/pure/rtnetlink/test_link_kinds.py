"""What the kernel can make is looked at each time: a module may be loaded while the program runs."""

from __future__ import annotations

import pytest

from reconciler.backends import link_kinds


def test_a_kind_that_is_loaded_later_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [False, True]
    monkeypatch.setattr(link_kinds, "_probe", lambda kind: answers.pop(0))
    assert [link_kinds.known("no-such-kind") for _ in range(2)] == [False, True]
