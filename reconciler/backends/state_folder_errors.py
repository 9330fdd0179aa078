"""What the operating system says about the state folder, with what the operator can do about it."""

from __future__ import annotations

import errno

from reconciler.core.errors import DeniedError, StellwerkError


def refused(deed: str, error: OSError, *, kind: type[StellwerkError] = StellwerkError) -> StellwerkError:
    """Return the error for a deed, such as ``PATH cannot be written``, that the operating system refused."""
    return kind(f"{deed}: {error.strerror or error}; {_advice(error)}")


def unreadable(path: object, error: OSError) -> StellwerkError:
    """Return the error for a file that cannot be read: a DeniedError where rights are missing."""
    kind = DeniedError if isinstance(error, PermissionError) else StellwerkError
    return refused(f"{path} cannot be read", error, kind=kind)


def _advice(error: OSError) -> str:
    other = "or name another folder with --state-dir"
    if isinstance(error, PermissionError):
        return f"run it as root, {other}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"make room on its file system, {other}"
    if error.errno == errno.EROFS:
        return f"its file system is mounted read-only: mount it writable, {other}"
    return f"see what is wrong with the folder, {other}"
