"""Files that are written once: never over one that is there, whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from reconciler.core.errors import RefusedError, StellwerkError

PRIVATE = 0o600
PUBLIC = 0o644


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet. Raises RefusedError where it is, StellwerkError where it cannot be."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    except FileExistsError as exc:
        raise RefusedError(f"{path} is there already, and a key is never written over; name another file") from exc
    except OSError as exc:
        raise StellwerkError(f"{path} cannot be written: {exc.strerror or exc}") from exc
    try:
        with open(file, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as exc:
        with suppress(OSError):
            os.unlink(path)
        raise StellwerkError(f"{path} cannot be written: {exc.strerror or exc}") from exc
