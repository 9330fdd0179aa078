"""A large file is looked at piece by piece, and the same is said about it."""

from pathlib import Path

import pytest

from intent import validation
from intent.loading import loads
from intent.problems import IntentError
from tests.pure.intent.test_cases import FOLDERS


def problems(folder: Path) -> set[str]:
    with pytest.raises(IntentError) as caught:
        loads((folder / "intent.yaml").read_bytes(), "intent.yaml")
    return {str(problem) for problem in caught.value.problems}


@pytest.mark.parametrize("room", [1, 4, 12])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_the_same_is_said_in_pieces(folder: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = problems(folder)
    monkeypatch.setattr(validation, "MOST_AT_ONCE", 0)
    monkeypatch.setattr(validation, "PORTION", room)
    assert problems(folder) == at_once


def test_a_list_of_100000_routes_may_be_written_either_way() -> None:
    sources = [f"2001:{0xD00 + number // 65536:x}:{number % 65536:x}::/48" for number in range(1, 100_001)]
    head = "version: 1\nnode: a\nroutes:\n"
    short = head + "  - kind: unreachable\n    from:\n" + "".join(f'      - "{source}"\n' for source in sources)
    long = head + "".join(
        f'  - {{from: "{source}", via: {{interface: wan}}, table: 10, metric: 1}}\n' for source in sources
    )
    assert loads(short.encode(), "f").name == loads(long.encode(), "f").name == "a"
