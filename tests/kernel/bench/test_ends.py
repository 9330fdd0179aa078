"""The benchmark that is stopped: what it started ends with it, the emulated machine too, and nothing stays on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.isolated import CHECKOUT

pytestmark = pytest.mark.alone
PATIENCE_SECONDS = 90.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.02)


def processes_with(word: str) -> list[str]:
    """Return the command lines of the processes that name something, zombies aside."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line:
            lines.append(line)
    return lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_benchmark_ends_the_emulated_machine(number: signal.Signals, tmp_path: Path) -> None:
    # A size of no case: what comes first is the machine.
    command = [sys.executable, "-m", "tests.bench", "wireguard", "--sizes=7", f"--out={tmp_path / 'out'}"]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with (tmp_path / "said").open("wb") as said:
        bench = subprocess.Popen(
            command, cwd=CHECKOUT, stdout=said, stderr=said, env={**os.environ, "TMPDIR": str(temporary)}
        )
    try:
        booting = f"{temporary}/stellwerk-machine-"
        wait_for(lambda: any("qemu" in line for line in processes_with(booting)), "the machine boots")
        bench.send_signal(number)
        assert bench.wait(PATIENCE_SECONDS) == 130
    finally:
        bench.kill()
        bench.wait()
    words = (tmp_path / "said").read_text()
    assert "Traceback" not in words, words
    assert words.splitlines()[-1] == "stopped"
    assert list(temporary.iterdir()) == []
    assert processes_with(str(temporary)) == []


@pytest.mark.parametrize("sizes", ["0", "-1", "1000001", "many", "", ",", "1.5", "1000,0"])
def test_sizes_that_cannot_be_are_refused_in_words(sizes: str) -> None:
    command = [sys.executable, "-m", "tests.bench", f"--sizes={sizes}"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "whole numbers from 1 to 1,000,000" in done.stderr
    assert "Traceback" not in done.stderr
