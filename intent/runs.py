"""Long lists of texts, each on a line of its own, read without an event for each.

Of 100,000 such lines the parser sees the first and the last, and empty ones between. That gives what all of them
would: after an item of a block list that is one scalar in one line, the parser is where it was after the item
before, and comments and empty lines change nothing (YAML 1.2, chapters 6.6 and 8.2.1). That the lines are such items,
rather than lines of a text in quotes, `intent.yaml_events` sees by the places of the first and the last.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator

FEWEST = 100
"""From how many lines on a list is read this way."""

# What stands between the dash and a comment or the end of the line; none of these goes on in the next line if it is
# followed by another dash. The last is a prefix without quotes, which is text (`intent.scalars`).
_STYLES = {'"': r'"([^"\\\r\n]*)"', "'": r"'([^'\r\n]*)'", "": r"([0-9A-Fa-f]{1,4}:[0-9A-Fa-f:]*/[0-9]{1,3})"}
_REST = r"(?: +#[^\r\n]*| *)\r?\n"
_NOTHING = r" *(?:#[^\r\n]*)?\r?\n"


def _run(value: str) -> str:
    value = value.replace("(", "(?:", 1)
    return rf"^( *)- {value}{_REST}(?:\1- {value}{_REST}|{_NOTHING})*+"


_RUN = {style: re.compile(_run(value), re.MULTILINE) for style, value in _STYLES.items()}
_ITEM = {style: re.compile(rf"^ *- {value}", re.MULTILINE) for style, value in _STYLES.items()}
_FIRST = re.compile(r"^ *- (?=([\"'0-9A-Fa-f]))", re.MULTILINE)


class Run:
    """Items of a list: texts, each in a line of ``text`` between ``start`` and ``end``, all in the same style.

    ``line`` and ``column``, counted from 1, are the place of the first text; ``last_line`` is the line of the last.
    """

    __slots__ = ("_end", "_lines", "_start", "_text", "column", "last_line", "last_start", "line", "style", "texts")

    def __init__(self, text: str, match: re.Match[str], style: str, line: int, texts: list[str]) -> None:
        self._text = text
        self._start, self._end = match.span()
        self._lines: array[int] | None = None
        self.style = style
        self.texts = texts
        self.line = line
        self.column = len(match[1]) + 3
        self.last_start = text.rindex(f"\n{match[1]}- ", self._start, self._end) + 1
        self.last_line = line + text.count("\n", self._start, self.last_start)

    def line_of(self, index: int) -> int:
        """Return the line of the text of that index."""
        if self._lines is None:
            self._lines = array("I", self._every_line())
        return self._lines[index]

    def move(self, lines: int) -> None:
        """Count the lines from another one on."""
        self.line += lines
        self.last_line += lines
        self._lines = None

    def _every_line(self) -> Iterator[int]:
        line, position = self.line, self._start
        for match in _ITEM[self.style].finditer(self._text, self._start, self._end):
            line += self._text.count("\n", position, match.start())
            position = match.start()
            yield line


def fold(text: str) -> tuple[str, tuple[Run, ...]]:
    """Return the text with empty lines between the first and the last of each run, and the runs."""
    parts: list[str] = []
    found: list[Run] = []
    kept = position = counted = 0
    line = 1
    while first := _FIRST.search(text, position):
        style = first[1] if first[1] in _STYLES else ""
        match = _RUN[style].match(text, first.start())
        position = first.end() if match is None else match.end()
        if match is None or text.count("\n", *match.span()) < FEWEST:
            continue
        texts = _ITEM[style].findall(text, *match.span())
        if len(texts) < FEWEST:
            continue
        line += text.count("\n", counted, match.start())
        counted = match.start()
        run = Run(text, match, style, line, texts)
        after_first = text.index("\n", match.start()) + 1
        parts += (text[kept:after_first], "\n" * text.count("\n", after_first, run.last_start))
        kept = run.last_start
        found.append(run)
    if not found:
        return text, ()
    parts.append(text[kept:])
    return "".join(parts), tuple(found)
