"""How an error looks: the caret stands under the right character whatever the line holds."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.display import width
from intent.problems import SHOWN_PROBLEMS, IntentError, Problem
from intent.source import CELLS, KEPT_PROBLEMS, Report, Source


def shown(line: str, column: int) -> tuple[str, str]:
    """Return the line as it is shown, and the character above the caret."""
    problem = Source("f", f"first\n{line}\n").problem(2, column, "wrong")
    assert problem.source is not None
    cells = 0
    for character in problem.source:
        if cells == problem.caret and width(character):
            return problem.source, character
        cells += width(character)
    return problem.source, ""


@pytest.mark.parametrize(
    ("line", "column", "source", "above"),
    [
        ("node: x", 7, "node: x", "x"),
        ("\ta: x", 2, "    a: x", "a"),
        ("ab\tx", 4, "ab  x", "x"),
        ("a: 日本 x", 7, "a: 日本 x", "x"),
        ("a: e\u0301 x", 7, "a: e\u0301 x", "x"),
        ("a: \x1b[2J x", 9, "a: \\x1b[2J x", "x"),
        ("a: \u202ex", 5, "a: \\u202ex", "x"),
        ("a: \U000e0001x", 5, "a: \\U000e0001x", "x"),
        ("a: x", 5, "a: x", ""),
        ("", 1, "", ""),
    ],
)
def test_the_caret(line: str, column: int, source: str, above: str) -> None:
    assert shown(line, column) == (source, above)


@given(
    line=st.text(st.characters(exclude_characters="\r\n\x85\u2028\u2029", exclude_categories=["Cs"]), max_size=400),
    data=st.data(),
)
def test_any_line_is_shown_printable_and_short_with_the_caret_in_place(line: str, data: st.DataObject) -> None:
    column = data.draw(st.integers(1, len(line) + 1))
    problem = Source("f", line).problem(1, column, "wrong")
    assert problem.source is not None
    assert all(unicodedata.category(character) not in ("Cc", "Cf", "Zl", "Zp") for character in problem.source)
    assert sum(map(width, problem.source)) <= CELLS + 1
    assert 0 <= problem.caret <= CELLS


@pytest.mark.parametrize("column", [1, 50, 150, 5000, 9999, 10_001])
def test_a_long_line_is_cut_around_the_caret(column: int) -> None:
    line = "".join(chr(ord("a") + number % 26) for number in range(10_000))
    source, above = shown(line, column)
    assert above == line[column - 1 : column]
    assert source.startswith("…") == (column > 100)
    assert source.endswith("…") == (column < 9_900)


def test_a_key_across_the_cut_is_hidden_whole() -> None:
    key = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
    for column in range(1, 800, 7):
        source, _ = shown(" " * 300 + key + " " * 300 + "x", column)
        assert "YAnz" not in source
        assert "Bmk=" not in source


@pytest.mark.parametrize(
    ("line", "as_shown"),
    [
        ("private_key: hunter2", "private_key: (hidden)"),
        ("  - {name: wg0, private_key: a, hunter2, mtu: 1}", "  - {name: wg0, private_key: (hidden), (hidden)"),
        ('"private_key" : "hunter2"', '"private_key" : "(hidden)"'),
        ("PrivateKey: hunter2", "PrivateKey: (hidden)"),
        ("pirvate_key: hunter2", "pirvate_key: (hidden)"),
        ("preshared-key: {fil: hunter2}", "preshared-key: {fil: (hidden)}"),
        ("psk: hunter2 # really", "psk: (hidden)"),
        ("password: hunter2", "password: (hidden)"),
        ("private_key: {file: /etc/stellwerk/keys/wg0, generate: true}", None),
        ("private_key: {file: /nz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmkX=}", "private_key: {file: (hidden)}"),
        ("key: 42", None),
        ("note: YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=", "note: (hidden)"),
        ("note: " + "60" * 32, "note: (hidden)"),
        ("public_key: i25O2JPaHsW9Oo7BmgwWSllxMUjTDBlUIFCJ708K/hc=", "public_key: i25O(hidden)"),
    ],
)
def test_secrets_in_a_line_of_broken_yaml(line: str, as_shown: str | None) -> None:
    assert shown(line, 1)[0].startswith(as_shown or line)


def test_all_problems_are_held_in_the_order_of_the_file_and_the_first_are_shown() -> None:
    error = IntentError(Problem("f", line, 1, "wrong") for line in range(80, 0, -1))
    assert [problem.line for problem in error.problems] == list(range(1, 81))
    assert str(error).count("wrong") == SHOWN_PROBLEMS
    assert str(error).endswith("… and 30 more problems")


def test_of_very_many_problems_some_are_only_counted() -> None:
    report = Report(Source("f", "x\n" * 3000))
    for line in range(1, 3001):
        report.add((line, 1), "wrong")
    error = report.error()
    assert (len(error.problems), error.more) == (KEPT_PROBLEMS, 3000 - KEPT_PROBLEMS)
    assert str(error).endswith("… and at least 2950 more problems")


def test_a_problem_with_the_whole_file_has_no_place() -> None:
    assert str(Problem("f", 0, 0, "is empty", "write something")) == "f: is empty\n  write something"
