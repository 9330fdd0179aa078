"""A state folder that cannot be used is told with its real reason."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.backends.state_folder import StateFolder
from reconciler.core.errors import DeniedError, StellwerkError
from reconciler.core.inventory import Inventory


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "run it as root"),
        (errno.EPERM, "run it as root"),
        (errno.ENOSPC, "make room on its file system"),
        (errno.EDQUOT, "make room on its file system"),
        (errno.EROFS, "its file system is mounted read-only"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.parametrize("doing", ["load", "save", "lock"])
def test_the_reason_is_told(
    number: int, advice: str, doing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StateFolder(tmp_path)
    folder.save(Inventory())

    def refuse(*arguments: Any, **others: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "read_text", refuse)
    tries: dict[str, Callable[[], object]] = {
        "load": folder.load,
        "save": lambda: folder.save(Inventory()),
        "lock": folder.locked().__enter__,
    }
    with pytest.raises(StellwerkError, match=advice) as caught:
        tries[doing]()
    denied = number in (errno.EACCES, errno.EPERM)
    assert ("as root" in str(caught.value)) is denied
    assert doing != "load" or isinstance(caught.value, DeniedError) is denied
