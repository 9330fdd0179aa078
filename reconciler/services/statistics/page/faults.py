"""Faults of the program, told in the log once for each cause: what others send must not fill it."""

from __future__ import annotations

import logging
import traceback

MOST_CAUSES = 16
log = logging.getLogger("stellwerk.page")


def silent() -> logging.Logger:
    """Return a logger that says nothing, for a library that would log what anybody sends, with a traceback."""
    found = logging.Logger("stellwerk.page.http")
    found.disabled = True
    return found


class Faults:
    """Tells of faults: one line for each place in the program, and no more than `MOST_CAUSES`."""

    def __init__(self) -> None:
        self._told: set[tuple[type[BaseException] | None, str, int | None]] = set()

    def tell(self, doing: str, exc: BaseException | None) -> None:
        """Log that it failed, if that was not said yet of an error from there. Texts of errors may vary without end."""
        frames = [] if exc is None else traceback.extract_tb(exc.__traceback__)
        where = (frames[-1].filename, frames[-1].lineno) if frames else ("", None)
        cause = (None if exc is None else type(exc), *where)
        if cause in self._told or len(self._told) >= MOST_CAUSES:
            return
        self._told.add(cause)
        place = f"{where[0]}:{where[1]}"
        log.error("status page fault", extra={"fact": {"doing": doing, "because": repr(exc)[:300], "in": place}})
