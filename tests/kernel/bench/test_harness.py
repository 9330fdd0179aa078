"""The benchmark itself: it measures and writes its page, and what takes too long leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.cases import cases
from tests.bench.cases.noop_round import NOOP
from tests.bench.isolated import CHECKOUT, measure

pytestmark = pytest.mark.alone
ROUTES = 1_000


def test_a_part_is_measured_and_written_where_one_says(tmp_path: Path) -> None:
    docs = {path: path.read_bytes() for path in (CHECKOUT / "docs").glob("benchmarks.*")}
    arguments = ("noop-round", f"--sizes={ROUTES}", "--without-emulated", f"--out={tmp_path}")
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"written to {tmp_path}" in done.stdout
    found = report.read(tmp_path / report.VALUES)
    assert not found.failures
    wall, cpu = [one for one in found.findings if one.case == NOOP]
    assert (wall.quantity, cpu.quantity, wall.size) == ("wall", "CPU", ROUTES)
    assert wall.ours.median > 0
    assert wall.peer is not None
    assert "#### No-op round\n" in (tmp_path / report.PAGE).read_text()
    assert {path: path.read_bytes() for path in docs} == docs


def test_what_takes_too_long_is_ended_and_named() -> None:
    _, failure = measure(cases()["daemon"], ROUTES, limit_seconds=2.0)
    assert failure is not None
    assert failure.why.startswith("not done within 2 s")
    # That no process of it is left is looked for at the end of the session.
