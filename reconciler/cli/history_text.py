"""Entries of the history for people: a line each, and what failed below it; fields that are missing are left out."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from intent.display import printable
from reconciler.core.history import DISAGREED, Verdict, entry_of

COLOURS = {
    "changed": "green",
    "confirmed": "green",
    "failed": "red",
    "rolled back": "red",
    DISAGREED: "red",
    "refused": "yellow",
    "stopped": "yellow",
    "fight": "yellow",
}
DONE = {"create": "created", "update": "changed", "delete": "deleted"}
MOST_FAILED = 3
MOST_FLAWS = 20
_LONGEST_SUMMARY = 300
_EVENT_CHARACTERS = 11
_DIGEST_CHARACTERS = 8


def lines(line: bytes) -> Iterator[str]:
    """Yield the lines for a line of the history, whatever it holds."""
    entry = entry_of(line)
    if entry is None:
        yield click.style("a line that is no entry; see `stellwerk history --verify`", fg="red")
        return
    event = _text(entry, "event") or "?"
    words = click.style(f"{event:{_EVENT_CHARACTERS}}", fg=COLOURS.get(event))
    digest = (_text(entry, "digest") or "-")[:_DIGEST_CHARACTERS]
    yield f"{_when(entry.get('time'))}  {words}  {digest:{_DIGEST_CHARACTERS}}  {_summary(entry)}".rstrip()
    failed = [one for one in _operations(entry) if one.get("error")]
    for one in failed[:MOST_FAILED]:
        yield f"  {click.style('!', fg='red', bold=True)} {_text(one, 'description')}: {_text(one, 'error')}"
    if len(failed) > MOST_FAILED:
        yield f"    and {len(failed) - MOST_FAILED} more"


def verdict_lines(verdict: Verdict) -> Iterator[str]:
    """Yield how much there is of a history, its head, and what is wrong with it."""
    entries = "1 entry" if verdict.entries == 1 else f"{verdict.entries} entries"
    older = f" (those before {verdict.first} are not kept any more)" if verdict.first > 1 else ""
    yield f"{entries}, {verdict.first} to {verdict.last.number}{older}"
    yield f"head {verdict.last}"
    for flaw in verdict.flaws[:MOST_FLAWS]:
        yield f"  {click.style('!', fg='red', bold=True)} {printable(str(flaw))}"
    if len(verdict.flaws) > MOST_FLAWS:
        yield f"    and {len(verdict.flaws) - MOST_FLAWS} more"


def request(line: bytes) -> str:
    """Return who asked for what an entry tells, nothing where it names no commit."""
    entry = entry_of(line) or {}
    commit, author, signer = (_text(entry, name) for name in ("commit", "author", "signer"))
    if not commit:
        return ""
    by = f" by {author}" if author else ""
    return f"commit {commit[:12]}{by}" + (f", signed by {signer}" if signer else "")


def verdict_json(verdict: Verdict, lines: Iterable[bytes]) -> str:
    """Return a verdict on an exported history, and its entries, as JSON."""
    return json.dumps(
        {
            "stellwerk_history_verdict": 1,
            "verified": bool(verdict.entries) and not verdict.flaws,
            "head": str(verdict.last),
            "flaws": [{"entry": flaw.number, "what": flaw.what} for flaw in verdict.flaws],
            "entries": [entry for line in lines if (entry := entry_of(line)) is not None],
        },
        indent=2,
    )


def _when(seconds: Any) -> str:
    """Return seconds since 1970 as local time, ISO 8601."""
    if isinstance(seconds, int | float):
        try:
            return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec="seconds")
        except (ValueError, OverflowError, OSError):
            pass
    return f"{'?':25}"


def _summary(entry: Mapping[str, Any]) -> str:
    """Return why something was done, what, how it ended, and how long it took."""
    parts = [_counts(entry), _text(entry, "outcome")]
    because = _text(entry, "because")
    what = "; ".join(part for part in parts if part)
    words = ": ".join(part for part in (because, what) if part)
    if len(words) > _LONGEST_SUMMARY:
        words = words[: _LONGEST_SUMMARY - 1] + "…"
    seconds = entry.get("seconds")
    if isinstance(seconds, int | float) and math.isfinite(seconds):
        words += f" ({seconds:.1f} s)"
    return words.strip()


def _counts(entry: Mapping[str, Any]) -> str:
    """Return how many operations of each kind were done, and how many were not."""
    counts: Counter[str] = Counter()
    for one in _operations(entry):
        result = _text(one, "result")
        counts[DONE.get(_text(one, "action"), "done") if result == "done" else result or "tried"] += 1
    if isinstance(more := entry.get("more_operations"), int) and more > 0:
        counts["more"] = more
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def _operations(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    operations = entry.get("operations")
    return [one for one in operations if isinstance(one, dict)] if isinstance(operations, list) else []


def _text(values: Mapping[str, Any], name: str) -> str:
    """Return a field as a terminal can show it, nothing when there is none."""
    value = values.get(name)
    return printable(value) if isinstance(value, str) else ""
