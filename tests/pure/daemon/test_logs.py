"""The log: one line an event whatever is in it, as `name=value` pairs that a program reads back."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intent.display import printable
from reconciler.services.logs import LONGEST_TRACEBACK, LONGEST_VALUE, Lines

PAIR = re.compile(r'([^\s="]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?: |$)')


def parsed(line: str) -> dict[str, str]:
    """Read a line of logfmt; everything in it must be a pair."""
    found: dict[str, str] = {}
    at = 0
    while at < len(line):
        match = PAIR.match(line, at)
        assert match is not None, line[at:]
        name, value = match.groups()
        assert name not in found, name
        found[name] = json.loads(value) if value.startswith('"') else value
        at = match.end()
    return found


def line(event: str, level: int = logging.INFO, journal: bool = False, **fact: Any) -> str:
    record = logging.LogRecord("stellwerk", level, "", 0, "%s", (event,), None)
    record.fact = {"event": event, **fact}
    return Lines(journal).format(record)


def test_a_line_for_people() -> None:
    said = line("changed", node="roof-1", digest="a" * 64, because="something changed", seconds=0.0123, problem=None)
    when, rest = said.split(" ", 1)
    assert re.fullmatch(r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", when)
    assert rest == (
        'level=info event=changed node=roof-1 digest=aaaaaaaaaaaa because="something changed" seconds=0.0123'
    )


@pytest.mark.parametrize(
    ("level", "prefix"),
    [(logging.CRITICAL, "<2>"), (logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>")],
)
def test_a_journal_has_the_time_and_takes_the_level_from_the_beginning(level: int, prefix: str) -> None:
    assert line("rolled back", level, journal=True) == f'{prefix}event="rolled back"'


def test_operations_are_counted_and_the_first_are_named() -> None:
    operations = [{"action": "create", "description": f"link x{number}"} for number in range(5)]
    operations[1]["error"] = "Operation not permitted"
    told = parsed(line("failed", operations=operations, more_operations=20))
    assert told["operations"] == "25"
    assert told["first"] == "create link x0; create link x1 (Operation not permitted); create link x2"


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "\x1b[2J\x1b[31m",
        'say "no"',
        "a=b c",
        "\\",
        "",
        "\u2028\u202e",
        "\udcff",
        "ümläut",
        "\r\n\t",
        "<3>",
        "=",
    ],
)
@pytest.mark.parametrize("journal", [True, False])
def test_whatever_is_in_a_fact(text: str, journal: bool) -> None:
    said = line(text or "nothing", journal=journal, because=text, outcome=[text, text])
    assert said.isprintable()
    told = parsed(said.removeprefix("<6>"))
    assert told["event"] == printable((text or "nothing").replace("\n", " | "))
    if text:
        assert told["because"] == printable(text.replace("\n", " | "))


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(st.text(), st.dictionaries(st.sampled_from("abcd"), st.text() | st.integers() | st.floats() | st.booleans()))
def test_any_fact_is_one_line_that_can_be_read(event: str, fact: dict[str, Any]) -> None:
    said = line(event, **fact)
    assert len(said.splitlines()) == 1
    assert said.isprintable()
    assert parsed(said)["level"] == "info"


def test_long_values_are_cut_but_a_traceback_less() -> None:
    told = parsed(line("crashed", because="x" * 5000, traceback="y" * 50_000))
    assert len(told["because"]) == LONGEST_VALUE
    assert len(told["traceback"]) == LONGEST_TRACEBACK
    assert told["traceback"].startswith("…"), "its end says the most"
