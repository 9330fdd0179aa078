"""What the benchmark says about its figures, and that its page is made of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.case import Case
from tests.bench.cases import cases
from tests.bench.cases.first_apply import FIRST
from tests.bench.cases.noop_round import NOOP
from tests.bench.cases.plan_process import PLAN
from tests.bench.cases.running_daemon import MEMORY, REPAIR
from tests.bench.findings import Failure, Finding, Measured, Report
from tests.bench.targets import GROWS, TARGETS, Target, growths, verdicts

ROOT = Path(__file__).parents[3]
VALUES = ROOT / "docs" / "benchmarks.json"


def noop(size: int, ours: float, peer: float = 1.0) -> Finding:
    return Finding(NOOP, size, "CPU", "s", Measured((ours,)), Measured((peer,)), "ip -6 route show")


def rows(page: str, heading: str) -> list[str]:
    """Return the rows of the table below a heading, without its head."""
    below = page.partition(f"{heading}\n")[2].lstrip().split("\n\n")
    block = next(part for part in below if part.startswith("|"))
    return block.splitlines()[2:]


def test_a_promise_is_kept_up_to_its_limit_and_not_beyond() -> None:
    for ours, words in ((0.6, "| 0.60 × | met |"), (0.61, "| 0.61 × | **not met** |")):
        page = report.markdown(Report({}, (noop(100_000, ours),)))
        assert words in rows(page, "## Promises")[0]


def test_a_ratio_is_that_of_the_medians() -> None:
    ours, peer = Measured((1.0, 50.0, 2.0)), Measured((4.0, 4.0, 0.1))
    assert Finding(NOOP, 1_000, "CPU", "s", ours, peer, "ip").ratio == 0.5


def test_what_was_not_measured_is_no_promise_kept() -> None:
    page = report.markdown(Report({}, (noop(1_000, 0.1),)))
    assert len(rows(page, "## Promises")) == len(TARGETS)
    assert all(row.endswith("| not measured | not measured |") for row in rows(page, "## Promises"))
    assert "| met |" not in page


def test_a_difference_counts_in_seconds_above_the_peer() -> None:
    finding = Finding(PLAN, 10_000, "wall", "s", Measured((0.8,)), Measured((0.2,)), "the imports")
    (verdict,) = [one for one in verdicts([finding]) if one.finding is not None]
    assert verdict.value == pytest.approx(0.6)
    assert verdict.met is False


def test_what_another_kernel_found_is_not_taken_for_this_one() -> None:
    finding = Finding(MEMORY, 100_000, "peak", "MiB", Measured((10.0,)), kernel="full")
    assert all(one.met is None for one in verdicts([finding]))


def test_growth_compares_the_time_of_a_row() -> None:
    grown = growths([noop(1_000, 0.001), noop(10_000, 0.010), noop(100_000, 0.131)])
    assert [(one.small, one.large, round(one.factor, 2), one.met) for one in grown] == [
        (1_000, 100_000, 1.31, False),
        (10_000, 100_000, 1.31, False),
    ]
    page = report.markdown(Report({}, (noop(1_000, 0.001), noop(100_000, 0.131))))
    assert "| 1,000 → 100,000 | 1.31 × | **not met** |" in page


def test_a_case_that_could_not_be_measured_is_named_with_its_reason() -> None:
    page = report.markdown(Report({}, failures=(Failure("bird", 1_000, "it is not installed"),)))
    assert "- bird with 1,000: it is not installed" in page


def test_a_figure_shows_its_runs_and_their_spread_beside_the_peer() -> None:
    finding = Finding(FIRST, 1_000, "wall", "s", Measured((0.5, 0.25, 2.0)), Measured((0.0042,)), "ip -6 -batch")
    page = report.markdown(Report({"this": {"kernel": "6.1"}}, (finding,), about={FIRST: "as it is done"}))
    assert "| 1,000 | wall | 3 | 500 ms (250 ms–2.00 s) | 4.20 ms | 119.05 × |" in page
    assert "As it is done.\n" in page
    assert "| kernel | 6.1 |" in page


def test_a_report_goes_through_json_unchanged(tmp_path: Path) -> None:
    found = Report({"this": {"kernel": "6.1"}}, (noop(1_000, 1.0),), (Failure("bird", 1, "why", "full"),), {NOOP: "so"})
    page, values = report.write(found, tmp_path / "new")
    assert report.read(values) == found
    assert page.read_text() == report.markdown(found)
    other = Report({"full": {}}, (Finding(REPAIR, 1, "wall", "s", Measured((1.0,)), kernel="full"),))
    assert Report.from_json(json.loads(json.dumps(found.and_of(other).to_json()))) == found.and_of(other)


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Measured.of([])


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.case}, {target.quantity}")
def test_every_promise_is_about_something_that_is_measured_at_that_size(target: Target) -> None:
    (case,) = [case for case in cases().values() if target.case in case.about]
    assert target.size in (case.sizes if target.kernel == "this" else case.full_kernel_sizes)


@pytest.mark.parametrize("name", sorted({case for case, _ in GROWS}))
def test_every_growth_is_of_something_that_is_measured(name: str) -> None:
    assert [case for case in cases().values() if name in case.about]


@pytest.mark.parametrize("case", cases().values(), ids=lambda case: case.name)
def test_a_case_says_what_it_measures_and_ends(case: Case) -> None:
    # Without a size `make bench` leaves it out: only a test measures it.
    assert case.sizes or case.name == "statistics-small"
    assert 0 < case.limit_seconds <= 600
    assert all(words and not words.endswith(".") for words in case.about.values())


def test_the_page_is_made_of_the_values() -> None:
    assert (ROOT / "docs" / "benchmarks.md").read_text() == report.markdown(report.read(VALUES))


def test_an_unknown_case_is_refused_with_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "noop"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no such case: noop; there are" in done.stderr
    assert "noop-round" in done.stderr
