"""A history as one file that an auditor takes away: a line with the head, then every entry as it is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.errors import StellwerkError
from reconciler.core.history import Flaw, Head, Verdict, entry_of, verify

VERSION = 1
_VERSION_FIELD = "stellwerk_history_export"


class DamagedExportError(StellwerkError):
    """What should be an exported history is something else."""


def spelled(lines: Sequence[bytes], head: Head | None) -> bytes:
    """Return the file for a history's lines and its head."""
    first = {_VERSION_FIELD: VERSION, "head": None if head is None else str(head)}
    # A torn last line stays to be seen, and keeps the file in lines.
    return b"".join([json.dumps(first, sort_keys=True).encode() + b"\n", *lines])


def parse(content: bytes) -> tuple[list[bytes], Head | None]:
    """Return the lines, with their line breaks, and the head in a file. Raises DamagedExportError."""
    first, *lines = content.splitlines(keepends=True) or [b""]
    try:
        said = json.loads(first)
        if said[_VERSION_FIELD] != VERSION:
            raise DamagedExportError(
                f"the exported history is of version {said[_VERSION_FIELD]!r:.20}, and only {VERSION} is known here"
            )
        return lines, None if said["head"] is None else Head.parse(said["head"])
    except (ValueError, LookupError, TypeError, RecursionError) as exc:
        raise DamagedExportError(
            "this is no exported history: its first line does not say so; `stellwerk history --export` writes one"
        ) from exc


@dataclass(frozen=True, slots=True)
class Requested:
    """An entry that says which commit it carried out: by whom that was, and the digest that its document must have."""

    number: int
    event: str
    node: str
    commit: str
    author: str
    signer: str
    path: str
    digest: str


def requests(lines: Sequence[bytes]) -> list[Requested]:
    """Return the entries that name a commit."""
    found = []
    for line in lines:
        entry = entry_of(line)
        if entry is not None and "commit" in entry:
            texts = (
                _text(entry.get(name)) for name in ("event", "node", "commit", "author", "signer", "path", "digest")
            )
            found.append(Requested(entry["number"], *texts))
    return found


def judged(lines: Sequence[bytes], head: Head | None, noted: Head | None, flaws: Sequence[Flaw]) -> Verdict:
    """Return what an exported history is worth, with the flaws that were found in what its entries say."""
    verdict = verify(lines, head, noted)
    return Verdict((*verdict.flaws, *flaws), verdict.entries, verdict.first, verdict.last)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
