"""The time as the core sees it, so that tests can turn it."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Two times: one to measure with, which nobody sets, and one to show to people."""

    def now(self) -> float:
        """Return the seconds since the machine was started, time in suspend included (CLOCK_BOOTTIME)."""
        ...

    def wall(self) -> float:
        """Return the seconds since 1970 (UTC) as the machine believes; routers without a battery begin in the past."""
        ...

    def boot(self) -> str:
        """Return what tells this start of the machine from every other (/proc/sys/kernel/random/boot_id)."""
        ...
