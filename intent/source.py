"""The text of a file, and its lines as an error may show them."""

from __future__ import annotations

import difflib
import re
from array import array
from bisect import bisect_right
from functools import lru_cache

from intent.display import MASK, key_spans, looks_like_key, shown, width
from intent.problems import IntentError, Problem
from intent.runs import Run

CELLS = 96
"""How many terminal cells of a source line are shown."""
_TAB_STOP = 4
KEPT_PROBLEMS = 1000
"""How many problems of one file are kept; the rest is only counted."""

_SECRET_WORDS = ("priv", "preshare", "psk", "secret", "passw")
_OTHER_KEYS = ("pub", "key")
_ENTRY = re.compile(r"""(?P<name>[\w-]+)["']?\s*:(?=\s|$)""")
_PUBLIC_KEY = re.compile(r"""\bpublic[_-]?key["']?\s*:\s*["']?(?P<key>[A-Za-z0-9+/=]{30,})""")
_SEEN_OF_PUBLIC_KEY = 4
_WORD = re.compile(r"""[^\s{}\[\],"']+""")
_PLAIN_WORDS = ("file", "age", "generate", "#")
_TRUTH_WORDS = ("true", "false", "yes", "no", "on", "off")
_BREAK = re.compile(r"\r\n|\r|\n")


@lru_cache(maxsize=256)
def names_a_secret(key: str) -> bool:
    """Return whether what stands under this key of a file could be a secret, also where the key is misspelt."""
    key = key.lower().replace("-", "_")
    return any(word in key for word in _SECRET_WORDS) or (key.endswith("key") and not key.startswith(_OTHER_KEYS))


def may_be_shown(word: str) -> bool:
    """Return whether a word in the value of a secret-sounding key is no secret: a path, or a word of our own."""
    if word.startswith("/"):
        return not looks_like_key(word)
    return word.lower() in _TRUTH_WORDS or bool(difflib.get_close_matches(word[:40], _PLAIN_WORDS, 1, 0.7))


class Source:
    """A named text with line numbers, and the places in it that are never shown."""

    __slots__ = ("_secrets", "_starts", "name", "parsed", "runs", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.parsed = False
        """Whether all secrets in the values have been hidden, so that nothing has to be guessed from the text."""
        self.runs: tuple[Run, ...] = ()
        """The long lists of texts in it, when it is parsed."""
        self._starts: array[int] | None = None
        self._secrets: dict[int, list[tuple[int, int]]] = {}

    def _line_starts(self) -> array[int]:
        if self._starts is None:
            self._starts = array("I", [0])
            self._starts.extend(match.end() for match in _BREAK.finditer(self.text))
        return self._starts

    def line(self, number: int) -> str:
        """Return a line, counted from 1, without its end; empty where there is none."""
        starts = self._line_starts()
        if not 1 <= number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, from 1, of a character of the text."""
        starts = self._line_starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def offset(self, line: int, column: int) -> int:
        """Return the position in the text of a line and column, counted from 1."""
        starts = self._line_starts()
        return len(self.text) if line > len(starts) else min(len(self.text), starts[line - 1] + column - 1)

    def hide(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Never show the text from one line and column, counted from 1, up to another."""
        last = min(end[0], len(self._line_starts()))
        for number in range(start[0], last + 1):
            first_column = start[1] - 1 if number == start[0] else 0
            last_column = end[1] - 1 if number == end[0] else len(self.line(number))
            self._secrets.setdefault(number, []).append((first_column, last_column))

    def forget_hidden(self) -> None:
        """Begin again: what was hidden so far is found anew by who reads the text."""
        self._secrets.clear()

    def _hidden(self, number: int, line: str) -> list[tuple[int, int]]:
        """Return the parts of a line that are not shown, in order and apart from one another."""
        words = _secret_comment(line) if self.parsed else _secret_words(line)
        spans = [*self._secrets.get(number, ()), *words, *_keys(line)]
        merged: list[tuple[int, int]] = []
        for start, end in sorted(spans):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def excerpt(self, number: int, column: int) -> tuple[str, int]:
        """Return a line as it may be shown, cut around the column, and the cells before the column."""
        line = self.line(number)
        first, last = max(0, column - 1 - 4 * CELLS), column - 1 + 4 * CELLS
        hidden = self._hidden(number, line) if len(line) < 1 << 16 else [(0, len(line))]
        before: list[str] = []
        after: list[str] = []
        cells = 0
        position = first
        while position < min(last, len(line)):
            span = next((span for span in hidden if span[0] <= position < span[1]), None)
            shown_text = MASK if span else _shown(line[position], cells)
            (before if position < column - 1 else after).extend(shown_text)
            cells += sum(map(width, shown_text))
            position = span[1] if span else position + 1
        return _cut(before, after, left=first > 0, right=last < len(line))

    def line_words(self, line: int, at: int) -> str:
        """Return what a message at the line ``at`` calls another line."""
        return f"line {line}"

    def problem(self, line: int, column: int, message: str, suggestion: str | None = None) -> Problem:
        """Return a problem at a line and column of this text, counted from 1; 0 is the whole file."""
        if not line:
            return Problem(self.name, 0, 0, message, suggestion)
        source, caret = self.excerpt(line, column)
        return Problem(self.name, line, column, message, suggestion, source, caret)


def _shown(character: str, cells: int) -> str:
    return " " * (_TAB_STOP - cells % _TAB_STOP) if character == "\t" else shown(character)


def _secret_words(line: str) -> list[tuple[int, int]]:
    """Return where values of secret-sounding keys stand in the line; paths and our own field names may be seen."""
    spans = []
    for entry in _ENTRY.finditer(line):
        if not names_a_secret(entry["name"]):
            continue
        end = line.find("}", entry.end())
        for word in _WORD.finditer(line, entry.end(), len(line) if end < 0 else end):
            if not may_be_shown(word[0].rstrip(":")):
                spans.append(word.span())
    return spans


def _secret_comment(line: str) -> list[tuple[int, int]]:
    """Return where a comment stands behind a secret-sounding key: it may hold the value of before."""
    for entry in _ENTRY.finditer(line):
        comment = line.find(" #", entry.end())
        if comment >= 0 and names_a_secret(entry["name"]):
            return [(comment + 1, len(line))]
    return []


def _keys(line: str) -> list[tuple[int, int]]:
    """Return where keys stand in the line; of a public key the beginning may be seen, to tell it from others.

    Not more: a private key may have got there by mistake.
    """
    public = [(match.start("key") + _SEEN_OF_PUBLIC_KEY, match.end("key")) for match in _PUBLIC_KEY.finditer(line)]
    return public + [span for span in key_spans(line) if not any(start <= span[1] <= end for start, end in public)]


def _cut(before: list[str], after: list[str], left: bool, right: bool) -> tuple[str, int]:
    """Return the characters around the caret that fit in `CELLS`, with … where some are left out."""
    behind = min(sum(map(width, after)), CELLS // 3)
    room = CELLS - behind
    start, cells = len(before), 0
    while start and cells + width(before[start - 1]) <= room:
        start -= 1
        cells += width(before[start])
    left = left or start > 0
    if left and start < len(before):
        cells -= width(before[start])
        start += 1
    end, total = 0, cells
    while end < len(after) and total + width(after[end]) < CELLS:
        total += width(after[end])
        end += 1
    text = ("…" if left else "") + "".join(before[start:]) + "".join(after[:end])
    return (text + ("…" if right or end < len(after) else "")).rstrip(), cells + (1 if left else 0)


class Report:
    """The problems found in one text so far. They are made into text at the end, when all secrets are known."""

    __slots__ = ("_found", "_source", "more")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._found: dict[tuple[int, int, str], str | None] = {}
        self.more = 0
        """How many problems were found after the report was full."""

    @property
    def full(self) -> bool:
        """Whether no further problem is kept, so that it need not be put in words."""
        return len(self._found) >= KEPT_PROBLEMS

    def add(self, place: tuple[int, int], message: str, suggestion: str | None = None) -> None:
        """Note a problem at a line and column, counted from 1; ``(0, 0)`` is the whole file."""
        if self.full:
            self.more += 1
        else:
            self._found.setdefault((*place, message), suggestion)

    def take(self, other: Report) -> None:
        """Take over what another report of the same lines has."""
        self._found |= other._found
        self.more += other.more

    def __bool__(self) -> bool:
        return bool(self._found)

    def error(self) -> IntentError:
        """Return the error that holds the problems."""
        found = self._found.items()
        problems = [self._source.problem(line, column, text, advice) for (line, column, text), advice in found]
        return IntentError(problems, self.more)
