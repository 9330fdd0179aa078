"""What /proc and /sys say of the machine (proc(5), sysfs(5)). What cannot be read is left out, or zero."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_MEMORY = {
    "MemTotal": "total",
    "MemFree": "free",
    "Buffers": "buffers",
    "Cached": "cached",
    "MemAvailable": "available",
}
_CPU = ("user", "nice", "system", "idle", "iowait", "irq", "softirq")
_MODELS = ("/tmp/sysinfo/model", "/proc/device-tree/model")  # noqa: S108 - where OpenWrt writes it
_DMI = Path("/sys/class/dmi/id")
_NO_MODEL = ("", "default string", "none", "not specified", "not applicable", "o.e.m.", "system product name")
"""What makers leave in the tables of firmware (DMI) instead of a name, in small letters."""
_NO_MODEL_WORDS = ("to be filled", "system manufacturer", "oem")
_MODEL_CHARACTERS = 100


class SystemFigures(NamedTuple):
    """The machine, as proc(5) has it. Memory in bytes; times in seconds; ``rootfs_usage`` from 0 to 1."""

    load: tuple[float, float, float]
    uptime_seconds: float
    idle_seconds: float
    memory: Mapping[str, int]
    """``total``, ``free``, ``buffers``, ``cached``, ``available``."""
    processes_total: int
    processes_running: int
    cpu: Mapping[str, int]
    """Ticks of ``user``, ``nice``, ``system``, ``idle``, ``iowait``, ``irq``, ``softirq``."""
    rootfs_usage: float
    model: str | None
    cores: int


class MachineFigures:
    """Looks at the machine; what does not change while it runs is read once."""

    def __init__(self) -> None:
        self._model = _model()
        self._cores = os.cpu_count() or 1

    def look(self) -> SystemFigures:
        """Return the machine now; it never raises."""
        load, running, total = load_of(_text("/proc/loadavg"))
        uptime, idle = uptime_of(_text("/proc/uptime"))
        return SystemFigures(
            load=load,
            uptime_seconds=uptime,
            idle_seconds=idle,
            memory=memory_of(_text("/proc/meminfo")),
            processes_total=total,
            processes_running=running,
            cpu=cpu_of(_text("/proc/stat", 4096)),
            rootfs_usage=_rootfs_usage(),
            model=self._model,
            cores=self._cores,
        )


def load_of(loadavg: str) -> tuple[tuple[float, float, float], int, int]:
    """Return the loads over 1, 5 and 15 minutes, and how many of the kernel's tasks run and are there."""
    try:
        one, five, fifteen, tasks, *_ = loadavg.split()
        running, _, total = tasks.partition("/")
        return (float(one), float(five), float(fifteen)), int(running), int(total)
    except ValueError:
        return (0.0, 0.0, 0.0), 0, 0


def uptime_of(uptime: str) -> tuple[float, float]:
    """Return the seconds since the start, and those that all cores together had nothing to do."""
    try:
        since, idle, *_ = map(float, uptime.split())
    except ValueError:
        return 0.0, 0.0
    return since, idle


def memory_of(meminfo: str) -> dict[str, int]:
    """Return the memory in bytes by our names; what the kernel does not tell is not there."""
    found = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        kibibytes = rest.split()
        if name in _MEMORY and kibibytes and kibibytes[0].isdecimal():
            found[_MEMORY[name]] = int(kibibytes[0]) * 1024
    return found


def cpu_of(stat: str) -> dict[str, int]:
    """Return the ticks of all cores together by state; what the kernel does not tell is not there."""
    first, *ticks = stat.partition("\n")[0].split() or [""]
    if first != "cpu":
        return {}
    return {name: int(count) for name, count in zip(_CPU, ticks, strict=False) if count.isdecimal()}


def model_of(maker: str, product: str) -> str | None:
    """Return a model by what firmware says, ``None`` where that says nothing; what is not printable is left out."""
    told = [_shown(words) for words in (maker, product)]
    named = [words for words in told if words.lower() not in _NO_MODEL]
    named = [words for words in named if not any(nothing in words.lower() for nothing in _NO_MODEL_WORDS)]
    if not named or named[-1] != told[-1]:
        return None
    # Some makers say their own name again in that of the product.
    words = named[-1] if named[-1].lower().startswith(named[0].lower()) else " ".join(named)
    return words[:_MODEL_CHARACTERS]


def _model() -> str | None:
    for path in _MODELS:
        if (found := model_of("", _text(path))) is not None:
            return found
    for maker, product in (("sys_vendor", "product_name"), ("board_vendor", "board_name")):
        if (found := model_of(_text(_DMI / maker), _text(_DMI / product))) is not None:
            return found
    return None


def _shown(words: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())


def _rootfs_usage() -> float:
    """Return which share of what users may have of the root file system is taken, as df(1) counts it."""
    try:
        found = os.statvfs("/")
    except OSError:
        return 0.0
    used = found.f_blocks - found.f_bfree
    return used / room if (room := used + found.f_bavail) else 0.0


def _text(path: str | Path, most_bytes: int = 65_536) -> str:
    try:
        with open(path, "rb") as opened:
            return opened.read(most_bytes).decode("utf-8", "replace")
    except OSError:
        return ""
