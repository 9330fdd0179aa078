"""A /run of one's own, for test processes that run beside others.

Userspace WireGuard, ``ip netns`` and `stellwerk lab` keep their sockets and names there, for all network namespaces
together: tests that use the same name at the same time would meet.
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x20000
MS_NOSUID, MS_NODEV = 0x2, 0x4
MS_REC, MS_PRIVATE = 0x4000, 0x40000


def use_a_run_folder_of_its_own() -> None:
    """Put the calling thread, and all that it starts from now on, before an empty /run. Root only."""
    libc = ctypes.CDLL(None, use_errno=True)
    _done(libc.unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)")
    _done(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")
    _done(libc.mount(b"tmpfs", b"/run", b"tmpfs", MS_NOSUID | MS_NODEV, b"mode=755"), "mount -t tmpfs tmpfs /run")


def _done(answer: int, call: str) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
