"""What is wrong with a file, said like a compiler does: where, what, the line with a caret, what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from intent.display import printable

SHOWN_PROBLEMS = 50
"""How many problems `IntentError` prints; it holds them all."""
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    ``line`` and ``column`` count characters from 1; both are 0 for a problem with the file as a whole. ``source``
    is the line as it is shown (cut, escaped, without secrets) and ``caret`` the terminal cells before the column.
    """

    file: str
    line: int
    column: int
    message: str
    suggestion: str | None = None
    source: str | None = None
    caret: int = 0

    def __str__(self) -> str:
        """Return the problem as one to four lines of text."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        lines = [f"{printable(place)}: {self.message}"]
        if self.source is not None:
            lines += [_INDENT + self.source, _INDENT + " " * self.caret + "^"]
        if self.suggestion:
            lines.append(f"  {self.suggestion}")
        return "\n".join(lines)


class IntentError(Exception):
    """An intent that cannot be used. ``problems`` are all that were found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem], more: int = 0) -> None:
        """Hold the problems; ``more`` says how many others at least were seen that nobody kept."""
        self.problems = tuple(sorted(set(problems), key=lambda p: (p.file, p.line, p.column, p.message)))
        self.more = more
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Return the first `SHOWN_PROBLEMS` problems and the number of those left out."""
        parts = [str(problem) for problem in self.problems[:SHOWN_PROBLEMS]]
        hidden = len(self.problems) - len(parts) + self.more
        if hidden:
            least = "at least " if self.more else ""
            parts.append(f"… and {least}{hidden} more {'problem' if hidden == 1 else 'problems'}")
        return "\n".join(parts)
