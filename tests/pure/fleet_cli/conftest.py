"""A small fleet in a folder, a cache of its own, and the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from reconciler import cli
from tests.fleets import write_fleet

NODES = 30


class Said(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a fleet of `NODES` nodes, which is the working directory."""
    folder = tmp_path / "fleet"
    write_fleet(folder, NODES)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs ``stellwerk``."""

    def run(*words: str) -> Said:
        capsys.readouterr()
        code = cli.run(words)
        return Said(code, *capsys.readouterr())

    return run
