"""A bell between threads (eventfd(2))."""

from __future__ import annotations

import contextlib
import os
import threading


class Bell:
    """A file descriptor that is readable from `ring` until `hush`. After `close`, ringing does nothing."""

    def __init__(self) -> None:
        # A signal's handler rings in the very thread that may be ringing or hushing just now.
        self._lock = threading.RLock()
        self._closed = False
        self._number = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._number

    def ring(self) -> None:
        """Make it readable."""
        with self._lock:
            if not self._closed:
                os.eventfd_write(self._number, 1)

    def hush(self) -> bool:
        """Make it unreadable, and return whether it had been rung."""
        with self._lock, contextlib.suppress(BlockingIOError):
            if not self._closed:
                os.eventfd_read(self._number)
                return True
        return False

    def close(self) -> None:
        """Close the file descriptor."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._number)
