"""What a YAML parser complains about, in words that say what to do."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from intent.source import Source
from intent.tree import Place


class SyntaxProblem(NamedTuple):
    """Where the YAML breaks, why, and what would be right."""

    place: Place
    message: str
    suggestion: str | None


class _Words(NamedTuple):
    pattern: re.Pattern[str]
    message: str
    suggestion: str | None = None
    at_start: bool = False
    """Whether the place that helps is the start of what was being read."""


_KNOWN = (
    _Words(re.compile("found unexpected ':'"), "a `:` cannot end a value here", "put the value in quotes"),
    _Words(
        re.compile("(quoted scalar.*unexpected end of stream|quoted scalar.*document separator)", re.S),
        "this quote is never closed",
        at_start=True,
    ),
    _Words(
        re.compile("mapping values are not allowed"),
        "a `:` with a space after it cannot stand here",
        "put text that holds `: ` in quotes, and check the indentation of this line",
    ),
    _Words(
        re.compile("sequence entries are not allowed"),
        "an item of a list (`- `) cannot stand here",
        "it goes on a line of its own below the key, or write the list as [one, two]",
    ),
    _Words(
        re.compile("could not find expected ':'"),
        "a `:` is missing after this",
        "a field is `name: value`, with a space after the `:`",
        at_start=True,
    ),
    _Words(re.compile("flow sequence"), "this `[` has no `]`, or a `,` is missing between items", at_start=True),
    _Words(re.compile("flow mapping"), "this `{` has no `}`, or a `,` is missing between fields", at_start=True),
    _Words(re.compile("cannot start any token"), "no value can begin with this character", "put the value in quotes"),
    _Words(
        re.compile("unknown escape character|escape sequence"),
        "this escape does not exist",
        "in double quotes a `\\` is written `\\\\`",
    ),
    _Words(
        re.compile("expected the node content|did not find expected node content"), "a value is missing before this"
    ),
    _Words(
        re.compile("document start"),
        "this does not belong to what stands before it",
        "check the indentation; one file is one mapping",
    ),
    _Words(
        re.compile("block (mapping|sequence|collection)"),
        "this line is not indented like the lines it belongs to, or a value before it is not closed",
        "fields of one mapping, and items of one list, begin in the same column",
    ),
    _Words(re.compile("directive|incompatible YAML"), "YAML directives (lines that begin with `%`) are not used here"),
    _Words(
        re.compile("anchor|alias"), "this is no name of an anchor", "put text that begins with `&` or `*` in quotes"
    ),
    _Words(re.compile("tag"), "this is no tag", "put text that begins with `!` in quotes"),
    _Words(re.compile("block scalar"), "text after `|` or `>` begins on the next line, indented by spaces"),
)


# Text such as `[::1]:9742`, which YAML takes for a list with something behind it; the group is all of it where it is an
# address, so that nothing else is repeated.
_BRACKETED = re.compile(
    r"""(\[[0-9A-Fa-f:.]{2,45}(?:%[\w.-]{1,15})?\]:[0-9]{1,5}(?=[\s,\]}]|\Z))|\[[^\s\[\]{},"'#]*\]:[^\s\[\]{},"'#]"""
)
_SEARCHED_CHARACTERS = 400


def syntax_problem(error: YAMLError, source: Source) -> SyntaxProblem:
    """Return what the parser found wrong in a text, in plain words."""
    if not isinstance(error, MarkedYAMLError):
        return SyntaxProblem((0, 0), "is not YAML", None)
    said = f"{error.context or ''}\n{error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    if (bracketed := _bracketed(mark, source)) is not None:
        return bracketed
    for words in _KNOWN:
        if words.pattern.search(said):
            at = error.context_mark if words.at_start and error.context_mark else mark
            return SyntaxProblem(_place(at), words.message, words.suggestion)
    return SyntaxProblem(_place(mark), "this is not YAML", None)


def _bracketed(mark: Any, source: Source) -> SyntaxProblem | None:
    """Return the problem of text that begins with ``[`` and goes on behind its ``]``, where the parser broke off."""
    if mark is None:
        return None
    line, column = _place(mark)
    first = max(0, column - 1 - _SEARCHED_CHARACTERS)
    for match in _BRACKETED.finditer(source.line(line)[: column + _SEARCHED_CHARACTERS], first):
        if match.start() < column <= match.end():
            advice = f': `"{match[1]}"`' if match[1] else ""
            message = "text that begins with `[` needs quotes, or it is a list, with nothing behind its `]`"
            return SyntaxProblem((line, match.start() + 1), message, f"put it in quotes{advice}")
    return None


def _place(mark: Any) -> Place:
    return (0, 0) if mark is None else (mark.line + 1, mark.column + 1)
