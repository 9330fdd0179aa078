"""``python -m tests.totals REPORT…``: one line for all the tiers, from their JUnit reports."""

import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path


def main(reports: Sequence[str]) -> int:
    """Print ``N passed, M failed`` over all the reports; fail where a tier failed, ran nothing or is missing."""
    passed = failed = 0
    for report in map(Path, reports):
        tier_passed, tier_failed = count(report)
        if not tier_passed + tier_failed:
            print(f"{report.stem}: no test ran")
            tier_failed = 1
        passed += tier_passed
        failed += tier_failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def count(report: Path) -> tuple[int, int]:
    """Return how many tests of the report passed and how many did not; none of either where it is missing."""
    if not report.exists():
        return 0, 0
    passed = failed = 0
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        # What the reports call skipped are expected failures: a real skip has been made a failure.
        passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
        failed += bad
    return passed, failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
