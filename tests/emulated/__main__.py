"""``python -m tests.emulated [--limit SECONDS] [--fetch FILE] -- COMMAND…``."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.emulated.machine import MachineError, Task, run

FAILED_TO_RUN = 125
"""The exit status for a machine that failed, as opposed to its command: env(1) and podman use the same."""

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the command line's command in the machine and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulated", description="Run a command on a full kernel.")
    parser.add_argument(
        "--limit", type=float, default=1800, metavar="SECONDS", help="end it all after this (default: 1800)"
    )
    parser.add_argument("--fetch", type=Path, metavar="FILE", help="a file the command writes, to be kept")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    arguments = parser.parse_args()
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    try:
        return run(Task(arguments.command, arguments.limit, arguments.fetch))
    except MachineError as error:
        print(f"[emulated] {error}", file=sys.stderr)
        return FAILED_TO_RUN
    except KeyboardInterrupt:
        print("[emulated] interrupted", file=sys.stderr)
        return 128 + signal.SIGINT


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Leave as for Ctrl-C, so that the machine is taken down on the way out, which another signal does not disturb."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
