"""The table of failures is that of what is measured, and shows no more than was."""

import json
from pathlib import Path

from tests.failover.failures import BOUND_SECONDS, FAILURES, Gaps
from tests.failover.table import DOCUMENT, VALUES, Row, read, text_of, write


def test_the_document_is_made_from_the_values() -> None:
    assert DOCUMENT.read_text() == text_of(read())


def test_every_failure_has_a_row_and_nothing_else_has() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")][2:]
    assert [row.split("|")[1].strip() for row in rows] == [failure.words for failure in FAILURES]
    assert json.loads(VALUES.read_text())["failures"].keys() <= {failure.name for failure in FAILURES}


def test_what_is_written_holds_the_promise() -> None:
    for name, row in read().items():
        assert max(row.gaps.broken, row.gaps.healed) < BOUND_SECONDS, name


def test_a_part_that_is_measured_again_leaves_the_rest(tmp_path: Path) -> None:
    first, second = (failure.name for failure in FAILURES[:2])
    file, document = tmp_path / "values.json", tmp_path / "table.md"
    write({first: Row(Gaps(1.23, 0.0), "6.1"), "gone": Row(Gaps(1.0, 1.0), "6.1")}, file, document)
    write({second: Row(Gaps(2.0, 0.04), "6.18")}, file, document)
    assert read(file) == {first: Row(Gaps(1.2, 0.0), "6.1"), second: Row(Gaps(2.0, 0.0), "6.18")}
    assert f"| {FAILURES[0].words} | 1.2 s | at most 0.1 s | 6.1 |" in document.read_text()
    assert f"| {FAILURES[2].words} | not measured |  |  |" in document.read_text()
