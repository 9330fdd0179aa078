"""What statistics a node file asks for, read by a process of its own.

What reads a file takes several times the memory of what keeps statistics, and is needed for a moment only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from intent.statistics import Statistics
from intent.statistics_json import from_json
from reconciler.core.errors import StellwerkError
from reconciler.services.control_protocol import error_of

READER = "reconciler.services.statistics_of_file"
READ_SECONDS = 120.0
"""How long a file may take to be read; of a slow router all Python is slow."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a node file asks for. ``settings`` is None where that is no statistics.

    ``files`` are those that the file refers to, and ``notes`` say what of them could not be used.
    """

    settings: Statistics | None
    files: tuple[str, ...]
    notes: tuple[str, ...]


def ask(file: Path) -> Asked:
    """Return what a node file asks for, read by another process. Raises IntentError, StellwerkError."""
    command = (sys.executable, "-m", READER, os.fspath(file))
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=READ_SECONDS, check=False
        )
        told = json.loads(done.stdout)
        if told["end"] == "error":
            raise error_of(told)
        settings = told["statistics"]
        return Asked(None if settings is None else from_json(settings), (*told["files"],), (*told["notes"],))
    except subprocess.TimeoutExpired:
        raise StellwerkError(f"{file} was not read within {READ_SECONDS:g} s") from None
    except OSError as exc:
        raise StellwerkError(f"{file} cannot be read: no process could be started ({exc.strerror})") from exc
    except (LookupError, TypeError, ValueError) as exc:
        raise StellwerkError(f"{file} could not be read: who was to read it ended with {done.returncode}") from exc
