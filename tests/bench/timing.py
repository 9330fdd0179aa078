"""What calls, commands and processes cost: seconds that go by, and seconds of the processors."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.findings import Finding, Measured

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds by the clock, and seconds of the processors, user and system together."""

    wall: float
    cpu: float


def of_call(work: Callable[[], object]) -> Cost:
    """Return what a call costs this process."""
    begun, used = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - begun, time.process_time() - used)


def of_command(words: Sequence[str], allowed: Sequence[int] = (0,), said: Path = Path(os.devnull)) -> Cost:
    """Return what a program costs, from its start to its end; what it says goes to a file.

    Raises CalledProcessError for an exit code that is not allowed.
    """
    with said.open("wb") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in allowed:
        raise subprocess.CalledProcessError(process.returncode, words)
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def cpu_seconds(pid: int) -> float:
    """Return what a process has used of the processors by now, all its threads together."""
    try:
        # To the nanosecond, unlike /proc/PID/stat, which counts ticks.
        threads = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
    except (OSError, IndexError):
        # The name, second, may hold blanks: utime and stime are the 14th and 15th (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mebibytes(pid: int | str = "self") -> float:
    """Return the most memory that a process had resident at any time (VmHWM of proc(5)), in MiB."""
    return _status_mebibytes(pid, "VmHWM")


def resident_mebibytes(pid: int | str = "self") -> float:
    """Return what a process has resident now (VmRSS of proc(5)), in MiB."""
    return _status_mebibytes(pid, "VmRSS")


def _status_mebibytes(pid: int | str, name: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def in_turns(runs: int, *works: Callable[[], Cost]) -> list[list[Cost]]:
    """Return the costs of each work, all of them done in turns: what slows the machine down slows down all."""
    found: list[list[Cost]] = [[] for _ in works]
    for _ in range(runs):
        for costs, work in zip(found, works, strict=True):
            costs.append(work())
    return found


def compared(
    case: str, size: int, ours: Sequence[Cost], peer: Sequence[Cost] = (), peer_name: str = ""
) -> Iterator[Finding]:
    """Yield the wall and the CPU seconds of some runs beside those of a peer."""
    for quantity, values, others in (
        ("wall", [one.wall for one in ours], [one.wall for one in peer]),
        ("CPU", [one.cpu for one in ours], [one.cpu for one in peer]),
    ):
        beside = Measured.of(others) if others else None
        yield Finding(case, size, quantity, "s", Measured.of(values), beside, peer_name)
