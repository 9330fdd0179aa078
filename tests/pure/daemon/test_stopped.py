"""``stellwerk apply`` without a daemon, stopped by the keyboard: what was done until then is told and written down."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from typing import Any

import pytest

from intent.resources.resource import Request
from reconciler.backends.fake.node import FakeNode
from tests.pure.daemon.conftest import Stage, node_text

ADDRESSES = [f"fd00:6d65:7368:1::{number}/128" for number in range(1, 6)]


def test_what_was_done_is_in_the_history(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.file.write_text(node_text(*ADDRESSES))
    send = FakeNode.send

    def stopped_after_two(node: FakeNode, requests: Iterable[Request]) -> Any:
        send(node, list(islice(requests, 2)))
        raise KeyboardInterrupt

    with monkeypatch.context() as keyboard:
        keyboard.setattr(FakeNode, "send", stopped_after_two)
        code, said = stage.cli("apply FILE")
    assert code == 130
    assert len(stage.addresses()) == 2
    assert "2 of 5 operations were done; 3 to create" in said
    entry = json.loads(stage.cli("history --json --last 1")[1])
    assert (entry["event"], entry["node"]) == ("stopped", "roof-1")
    assert entry["outcome"] == "2 of 5 operations were done; 3 to create"
    assert "2 of 5 operations were done" in stage.cli("history --last 1")[1]
    assert stage.cli("history --verify")[0] == 0
    assert stage.cli("apply FILE")[0] == 0
    assert len(stage.addresses()) == 5
