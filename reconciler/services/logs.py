"""The log: one line an event, all of it ``name=value`` pairs (logfmt), for a journal, a file or a terminal."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any

from intent.display import printable

PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}
"""Those of syslog(3), which a journal takes from the beginning of a line (sd-daemon(3))."""
LONGEST_VALUE = 500
LONGEST_TRACEBACK = 8000
_LISTED = 3


class Lines(logging.Formatter):
    """Formats a record with the fact it carries."""

    def __init__(self, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fact: Mapping[str, Any] = getattr(record, "fact", {})
        pairs = [("event", record.getMessage()), *_flat(fact)]
        words = " ".join(f"{name}={_value(name, value)}" for name, value in pairs)
        if self._journal:
            return f"<{PRIORITIES.get(record.levelno, 6)}>{words}"
        when = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(record.created))
        return f"time={when} level={record.levelname.lower()} {words}"


def begin() -> None:
    """Have the log of the daemon written to the standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(journal="JOURNAL_STREAM" in os.environ))
    log = logging.getLogger("stellwerk")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    threading.excepthook = _tell_of_thread


def _tell_of_thread(died: threading.ExceptHookArgs) -> None:
    """Write down that a thread ended for a fault of its own."""
    told = "".join(traceback.format_exception(died.exc_type, died.exc_value, died.exc_traceback))
    name = None if died.thread is None else died.thread.name
    fact = {"thread": name, "because": repr(died.exc_value), "traceback": told}
    logging.getLogger("stellwerk").error("thread died", extra={"fact": fact})


def _flat(fact: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the values of a fact that say something; operations as their number and the first few of them."""
    told: list[tuple[str, Any]] = []
    for name, value in fact.items():
        if name == "operations" and value:
            told.append(("operations", len(value) + int(fact.get("more_operations", 0))))
            first = [f"{one['action']} {one['description']}" + _error(one) for one in value[:_LISTED]]
            told.append(("first", "; ".join(first)))
        elif name not in ("event", "more_operations") and value not in (None, "", [], {}):
            told.append((name, str(value)[:12] if name == "digest" else value))
    return told


def _error(operation: Mapping[str, Any]) -> str:
    return f" ({operation['error']})" if "error" in operation else ""


def _value(name: str, value: Any) -> str:
    if isinstance(value, int | float):
        return str(value)
    words = "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = printable(words.replace("\n", " | "))
    if name == "traceback" and len(text) > LONGEST_TRACEBACK:
        # The innermost calls, which say the most, are the last.
        text = "…" + text[1 - LONGEST_TRACEBACK :]
    elif name != "traceback" and len(text) > LONGEST_VALUE:
        text = text[: LONGEST_VALUE - 1] + "…"
    return (
        text
        if text and all(letter.isalnum() or letter in "-_.:/[]%" for letter in text)
        else json.dumps(text, ensure_ascii=False)
    )
