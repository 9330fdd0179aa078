"""Each folder below ``cases`` is a node file and all that is said about it.

To write down what is said now, after reading it: ``python -m tests.pure.intent.test_cases``.
"""

from pathlib import Path

import pytest

from intent.loading import loads
from intent.problems import SHOWN_PROBLEMS, IntentError

CASES = Path(__file__).parent / "cases"
FOLDERS = sorted(file.parent for file in CASES.glob("*/*/intent.yaml"))


def said_about(folder: Path) -> str:
    with pytest.raises(IntentError) as caught:
        loads((folder / "intent.yaml").read_bytes(), "intent.yaml")
    assert len(caught.value.problems) <= SHOWN_PROBLEMS
    return f"{caught.value}\n"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_what_is_said(folder: Path, parser: str) -> None:
    assert said_about(folder) == (folder / "expected.txt").read_text()


def test_there_are_cases_for_every_feature() -> None:
    from intent.features import features

    assert {folder.parent.name for folder in FOLDERS} >= {*features(), "document", "yaml"}


if __name__ == "__main__":
    for folder in FOLDERS:
        (folder / "expected.txt").write_text(said_about(folder))
