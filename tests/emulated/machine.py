"""Boot the machine, show what its command prints, take its exit status, leave nothing behind."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.emulated.image import pack, standard_library

CHECKOUT = Path(__file__).resolve().parents[2]
GUEST_SCRIPT = Path(__file__).with_name("guest.sh")
MEMORY = "2G"
POLL_SECONDS = 0.2
"""How often new output is looked for: the shared file system brings no events."""
PASSED_ON = ("CI", "FORCE_COLOR", "NO_COLOR", "PYTEST_ADDOPTS", "HYPOTHESIS_PROFILE")


class MachineError(Exception):
    """The machine could not be booted, or ended without the command's exit status."""


@dataclass(frozen=True)
class Task:
    """One command for the machine.

    ``fetch`` is a file the command writes, relative to the checkout, to be brought back to the same place here.
    """

    command: Sequence[str]
    limit_seconds: float
    fetch: Path | None = None


def newest_kernel() -> Path:
    """Return the newest kernel under /boot. Raises MachineError where there is none."""

    def version(kernel: Path) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", kernel.name)]

    kernels = sorted(Path("/boot").glob("vmlinuz-*"), key=version)
    if not kernels:
        raise MachineError("no /boot/vmlinuz-*: `make setup` installs a kernel")
    return kernels[-1]


def run(task: Task) -> int:
    """Run the task in a new machine, its output going to stdout as it comes, and return its exit status.

    Raises MachineError where the machine does not come up, or does not end within the task's limit.
    """
    kernel = newest_kernel()
    started = time.monotonic()
    _say(f"booting {kernel.name.removeprefix('vmlinuz-')} in an emulated machine (half a minute or more)")
    with tempfile.TemporaryDirectory(prefix="stellwerk-machine-") as name:
        shared = Path(name, "shared")
        shared.mkdir()
        image = Path(name, "image.squashfs")
        pack(CHECKOUT, image)
        _write_script(shared, task)
        with open(Path(name, "console"), "w+b") as console, _booted(kernel, image, shared, console) as machine:
            _show_until_end(machine, shared / "output", started, task.limit_seconds)
            status = _status(shared, console)
        _fetch(shared, task)
    _say(f"the machine ended after {time.monotonic() - started:.0f} s")
    return status


def _write_script(shared: Path, task: Task) -> None:
    """Put the guest's script and its settings where the machine sees them."""
    exports = {
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PATH": f"{CHECKOUT}/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": str(shutil.get_terminal_size().columns),
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
    }
    if sys.stdout.isatty() and "NO_COLOR" not in exports:
        exports.setdefault("FORCE_COLOR", "1")
    settings = {
        "checkout": str(CHECKOUT),
        "standard_library": str(standard_library()),
        "fetch": str(task.fetch or ""),
        "limit_seconds": f"{task.limit_seconds:g}",
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    lines += [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    lines += [f"command=({shlex.join(task.command)})", ""]
    (shared / "settings.sh").write_text("\n".join(lines))
    shutil.copy(GUEST_SCRIPT, shared / "guest.sh")


@contextmanager
def _booted(kernel: Path, image: Path, shared: Path, console: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """Start the machine in a process group of its own, and leave none of that group alive."""
    binaries = CHECKOUT / ".venv" / "bin"
    # vng keeps files under the home and temporary folders: they shall go with this run.
    environment = {**os.environ, "HOME": str(shared.parent), "TMPDIR": str(shared.parent)}
    environment["PATH"] = f"{binaries}:{environment['PATH']}"
    boot = f"vng --verbose --run {kernel} --user root --disable-kvm --force-9p"
    parts = f"--cpus {os.cpu_count()} --memory {MEMORY} --rwdir {shared} --disk {image}"
    machine = subprocess.Popen(
        [*f"{boot} {parts} --".split(), f"bash {shared}/guest.sh"],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=console,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield machine
    finally:
        # No such group: it ended by itself.
        with suppress(ProcessLookupError):
            os.killpg(machine.pid, signal.SIGKILL)
        machine.wait()


def _show_until_end(machine: subprocess.Popen[bytes], output: Path, started: float, limit_seconds: float) -> None:
    """Copy the command's output to stdout until the machine has ended. Raises MachineError at the limit."""
    shown = 0
    ended = False
    while not ended:
        try:
            machine.wait(timeout=POLL_SECONDS)
            ended = True
        except subprocess.TimeoutExpired:
            if time.monotonic() - started > limit_seconds:
                raise MachineError(f"the machine ran longer than {limit_seconds:g} s") from None
        if output.exists():
            shown += _show_from(output, shown)


def _show_from(output: Path, offset: int) -> int:
    """Copy what the file has beyond the offset (bytes) to stdout and return how many bytes that was."""
    with open(output, "rb") as file:
        file.seek(offset)
        news = file.read()
    sys.stdout.buffer.write(news)
    sys.stdout.buffer.flush()
    return len(news)


def _status(shared: Path, console: BinaryIO) -> int:
    """Return the command's exit status. Raises MachineError with the console's end where there is none."""
    try:
        return int((shared / "status").read_text())
    except (FileNotFoundError, ValueError):
        console.seek(0)
        last_lines = console.read().decode(errors="replace").splitlines()[-20:]
        raise MachineError("\n".join(["the machine ended before its command did:", *last_lines])) from None


def _fetch(shared: Path, task: Task) -> None:
    """Bring the file back that the task names, if its command wrote it."""
    fetched = shared / "fetched"
    if task.fetch is None or not fetched.exists():
        return
    target = CHECKOUT / task.fetch
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(fetched, target)


def _say(line: str) -> None:
    print(f"[emulated] {line}", file=sys.stderr, flush=True)
