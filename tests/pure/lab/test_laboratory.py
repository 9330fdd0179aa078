"""Waiting for a lab, and a probe that is stopped: without a lab."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.core.errors import StellwerkError
from reconciler.lab.file import load
from reconciler.lab.laboratory import Lab, Probe, Start, await_sync, is_decided
from tests.pure.lab.test_text import node

LACK = {"key": ["link", "gre0"], "description": "link gre0", "state": "failed", "reason": "no ip6gre", "retry_in": None}
MISSING = {"key": ["address", "gre0"], "description": "address", "state": "drifted", "reason": "not there"}


def drifted(*objects: dict[str, Any]) -> dict[str, Any]:
    sync = {"state": "drifted", "reason": "1 to create"}
    return node(status={"sync": sync, "health": {"state": "degraded", "reasons": []}, "objects": list(objects)})


class Told:
    """A lab that tells one status after the other, and the last one for ever."""

    def __init__(self, *told: dict[str, Any]) -> None:
        self.left = list(told)

    def status(self) -> dict[str, Any]:
        return {"nodes": self.left.pop(0) if len(self.left) > 1 else self.left[0], "notes": []}


def test_what_is_decided() -> None:
    assert is_decided(drifted(LACK, MISSING))
    assert is_decided(node(daemon="ended by signal 9"))
    assert not is_decided(drifted(MISSING))
    assert not is_decided(drifted(LACK, {**LACK, "retry_in": 2.0}))
    assert not is_decided(node(status=None))


def test_what_cannot_come_is_not_waited_for() -> None:
    heard: list[dict[str, str]] = []
    lab = Told({"a": node(status=None), "b": drifted(LACK, MISSING)}, {"a": node(), "b": drifted(LACK, MISSING)})
    left = await_sync(cast(Lab, lab), 3600.0, lambda status, left: heard.append(left), 0.0)
    assert left == {"b": "1 to create; link gre0: no ip6gre; address: not there"}
    assert heard[0] == {"a": "its daemon has not begun", **left}


def test_what_may_come_is_waited_for() -> None:
    lab = Told({"a": drifted(LACK, MISSING)}, {"a": drifted({**LACK, "retry_in": 1.0})}, {"a": node()})
    assert await_sync(cast(Lab, lab), 3600.0, lambda status, left: None, settle=3600.0) == {}


def test_a_probe_that_is_stopped_by_the_keyboard_tells_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(json.dumps({"event": "begun", "to": "::1"}).encode() + b"\n")
        theirs.sendall(json.dumps({"end": "done", "probe": {"sent": 7}}).encode() + b"\n")
        lab = Lab.__new__(Lab)
        monkeypatch.setattr(lab, "connect", lambda command, **arguments: ours)
        wait = Probe.wait
        waits: list[float] = []

        def interrupted(self: Probe, seconds: float) -> dict[str, Any]:
            waits.append(seconds)
            if len(waits) == 1:
                raise KeyboardInterrupt
            return wait(self, seconds)

        monkeypatch.setattr(Probe, "wait", interrupted)
        assert lab.probe("alice", seconds=30.0) == {"sent": 7}
        assert theirs.recv(100) == b"stop\n"


def test_a_process_that_cannot_be_started_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab.yaml").write_text("lab: 1\nnodes: {a: {}}\n")
    monkeypatch.setattr(shutil, "which", lambda name, path: name)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "lab.yaml"))
    with pytest.raises(StellwerkError, match=r"the lab cannot be started: .*/lab.yaml: Permission denied"):
        Start(load(str(tmp_path / "lab.yaml")), "small", tmp_path / "labs")
    assert not (tmp_path / "labs").exists()
