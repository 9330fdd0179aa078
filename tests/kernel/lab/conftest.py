from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.lab import folders
from reconciler.lab.laboratory import Lab, laboratory

MESH = Path(__file__).parent / "mesh" / "lab.yaml"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of four nodes, once for the tests of a module; each leaves it healed."""
    with laboratory(MESH, tmp_path_factory.mktemp("labs")) as made:
        made.until_synced()
        made.until(lambda status: len(defaults(status)) == 3, "everyone knows the exit")
        yield made


def defaults(status: dict[str, object]) -> dict[str, str]:
    """Return through which exit each node goes."""
    nodes = status["nodes"]
    assert isinstance(nodes, dict)
    return {
        name: way["exit"] for name, node in nodes.items() for way in (node["babeld"] or {"defaults": []})["defaults"]
    }


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for labs that are started by the command line of this process."""
    folder = tmp_path / "labs"
    monkeypatch.setattr(folders, "ROOTS_FOLDER", folder)
    return folder
