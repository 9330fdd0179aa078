"""The machine's clocks."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import uuid4

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class MachineClock:
    """The time of the machine that the process runs on; see `reconciler.core.clock.Clock`."""

    def __init__(self) -> None:
        try:
            self._boot = BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:
            # Without /proc every start counts as another one: what is on trial is undone rather than kept.
            self._boot = str(uuid4())

    def now(self) -> float:
        """Return the seconds since the machine was started (CLOCK_BOOTTIME of clock_gettime(2))."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def boot(self) -> str:
        """Return the kernel's boot id."""
        return self._boot
