"""What was measured on: the machine, its kernel, and the version of everything."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("pydantic", "pyroute2", "ruamel.yaml")
PROGRAMS: dict[str, tuple[str, ...]] = {
    "iproute2": ("ip", "-V"),
    "wireguard-tools": ("wg", "--version"),
    "wireguard-go": ("wireguard-go", "--version"),
    "BIRD": ("bird", "--version"),
    "babeld": ("babeld", "-V"),
}


def facts(ifstate: str, emulated: bool = False) -> dict[str, str]:
    """Return the names and versions, for a reader. ``ifstate`` is the path of its command, empty where it is not."""
    found = {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores" + (", emulated" if emulated else ""),
        "memory": _memory(),
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        "Python": platform.python_version(),
        "Stellwerk": _stellwerk(),
        **{name: version(name) for name in PACKAGES},
        **{name: _says(words) for name, words in PROGRAMS.items()},
    }
    if ifstate:
        # Its own word for its version lags behind.
        tell = "from importlib.metadata import version; print(version('ifstate'))"
        found["ifstate"] = _says((str(Path(ifstate).with_name("python")), "-c", tell))
    return found


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory() -> str:
    kilobytes = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0])
    return f"{kilobytes / 2**20:.1f} GiB"


def _stellwerk() -> str:
    commit = _says(("git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"))
    return f"{version('stellwerk')} at {commit}" if re.fullmatch("[0-9a-f]+", commit) else version("stellwerk")


def _says(words: Sequence[str]) -> str:
    """Return the version in what a program says, or that it is not there."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        return "not installed"
    said = (done.stdout or done.stderr).strip().partition("\n")[0]
    numbers = re.search(r"\d+(\.\d+)+", said)
    return numbers[0] if numbers else said
